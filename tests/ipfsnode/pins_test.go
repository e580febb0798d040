package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPinLook(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root := n.add("&pin-name=keep", file("f", pattern(3_000_000)))
	leaf := n.ok("refs?arg="+root).field(t, "Ref")
	n.is("pin/ls?arg="+root+"&type=recursive&names=true",
		`{"Keys":{"`+root+`":{"Type":"recursive","Name":"keep"}}}`)
	n.is("pin/ls?arg="+root+"&type=recursive&stream=true",
		`{"Cid":"`+root+`","Type":"recursive"}`)
	n.is("pin/ls?arg="+root+"&t=recursive&n=true&s=true",
		`{"Cid":"`+root+`","Name":"keep","Type":"recursive"}`)
	n.is("pin/ls?arg="+leaf, `{"Keys":{"`+leaf+
		`":{"Type":"indirect through `+root+`","Name":""}}}`)
	n.fails("pin/ls?arg="+leaf+"&type=recursive",
		"path '"+leaf+"' is not pinned")
	n.fails("pin/ls?arg="+unfindable+"&type=recursive",
		"path '"+unfindable+"' is not pinned")
	n.fails("pin/ls?type=recursive&arg="+root+"&arg="+unfindable,
		"path '"+unfindable+"' is not pinned")
	n.fails("pin/ls?type=x", "invalid type 'x', must be one of "+
		"{direct, indirect, recursive, all}")
	n.is("pin/ls?type=direct", `{}`)
	n.is("pin/ls?type=direct&stream=true", ``)
	n.is("pin/ls?name=ee&stream=true",
		`{"Cid":"`+root+`","Name":"keep","Type":"recursive"}`)
}

func TestPinAddAndRemove(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root := n.add("&pin=false", file("f", pattern(3_000_000)))
	rm := "pin/rm?arg=" + root
	n.fails(rm, "not pinned or pinned indirectly")
	n.is("pin/add?name=a&arg="+root, `{"Pins":["`+root+`"]}`)
	n.fails(rm+"&recursive=false", root+" is pinned recursively")
	n.fails("pin/add?recursive=false&arg="+root,
		"pin: "+root+" already pinned recursively")
	// Adding again without a name takes the name away.
	n.ok("pin/add?arg=" + root)
	n.is("pin/ls?names=true&type=recursive&arg="+root,
		`{"Keys":{"`+root+`":{"Type":"recursive","Name":""}}}`)
	n.is(rm, `{"Pins":["`+root+`"]}`)
	n.fails(rm, "not pinned or pinned indirectly")
	n.fails("pin/add?arg="+root+"&name="+strings.Repeat("x", 256),
		"pin name is 256 bytes (max 255 bytes)")
	n.ok("pin/add?arg=" + root + "&name=" + strings.Repeat("x", 255))
	n.fails("pin/add?arg=notacid", `invalid path "notacid": `+
		`path does not have enough components`)
	// Arguments may come in the body, one a line.
	other := n.add("&pin=false", file("g", "other\n"))
	a := n.post("pin/rm", file("list", root+"\n"))
	if a.body != `{"Pins":["`+root+`"]}`+"\n" {
		t.Error(a.body)
	}
	a = n.post("pin/add", file("list", root+"\n"+other+"\n"))
	if a.body != `{"Pins":["`+root+`","`+other+`"]}`+"\n" {
		t.Error(a.body)
	}
}

func TestPinUpdate(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	one := n.add("&pin-name=v", file("f", "one"))
	two := n.add("&pin=false", file("f", "two"))
	n.is("pin/update?unpin=false&arg="+one+"&arg="+two,
		`{"Pins":["`+one+`","`+two+`"]}`)
	n.ok("pin/ls?type=recursive&arg=" + one + "&arg=" + two)
	n.ok("pin/rm?arg=" + two)
	n.ok("pin/update?arg=" + one + "&arg=" + two)
	n.fails("pin/ls?type=recursive&arg="+one,
		"path '"+one+"' is not pinned")
	n.fails("pin/update?arg="+one+"&arg="+unfindable,
		"'from' cid was not recursively pinned already")
}

func TestUnfindable(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	a := n.fails("pin/add?timeout=700ms&arg="+unfindable,
		"pin: context deadline exceeded")
	if a.took < 700*time.Millisecond || a.took > 2*time.Second {
		t.Errorf("answered after %v", a.took)
	}
	// With progress the status is out before the deadline.
	a = n.call("pin/add?progress=true&timeout=1700ms&arg=" + unfindable)
	if a.status != 200 || a.body != "{}\n{}\n{}\n" ||
		a.trailer != "context deadline exceeded" {
		t.Errorf("%d %q %q", a.status, a.body, a.trailer)
	}
	n.fails("pin/add?offline=true&arg="+unfindable, "pin: block was not "+
		"found locally (offline): ipld: could not find "+unfindable)
	// A time without a unit is an empty 200.
	a = n.call("pin/add?timeout=30&arg=" + unfindable)
	if a.status != 200 || a.body != "" ||
		a.header.Get("Content-Length") != "0" ||
		a.header.Get("Content-Type") != "" {
		t.Errorf("timeout=30: %d %q %v", a.status, a.body, a.header)
	}
}

func TestClosedSocketCancels(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	wants := func() bool {
		return strings.Contains(n.ok("stats/bitswap").body, unfindable)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := n.do(ctx, http.MethodPost, "pin/add?arg="+unfindable, nil)
		done <- err
	}()
	await(t, "the want to appear", wants)
	cancel()
	<-done
	await(t, "the want to go", func() bool { return !wants() })
}

// await polls, because nothing announces these states.
func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t), newPeer(t)
	root := a.add("", file("f", pattern(5_000_000)))
	b.connect(a)
	got := b.ok("pin/add?progress=true&arg=" + root)
	if got.header.Get("X-Chunked-Output") != "1" {
		t.Error("no X-Chunked-Output")
	}
	var size struct{ TotalSize, UniqueBlocks uint64 }
	stat := b.ok("dag/stat?progress=false&offline=true&arg=" + root)
	must(t, json.Unmarshal([]byte(stat.body), &size))
	want := []string{fmt.Sprintf(`{"Progress":%d,"Bytes":%d}`,
		size.UniqueBlocks, size.TotalSize), `{"Pins":["` + root + `"]}`}
	l := got.lines()
	if len(l) < 2 || !slices.Equal(l[len(l)-2:], want) {
		t.Errorf("got %q want %q at the end", l, want)
	}
	if size.UniqueBlocks != 6 {
		t.Errorf("%d blocks", size.UniqueBlocks)
	}
}

// TestRepinLoss shows why a pin must never be refreshed by adding it again.
func TestRepinLoss(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root, _ := n.damaged("&pin-name=keep")
	ls := "pin/ls?type=recursive&names=true&arg=" + root
	n.is(ls, `{"Keys":{"`+root+`":{"Type":"recursive","Name":"keep"}}}`)
	n.fails("pin/add?name=keep&timeout=1s&arg="+root,
		"pin: context deadline exceeded")
	n.fails(ls, "path '"+root+"' is not pinned")
	if gone := n.ok("repo/gc").lines(); len(gone) != 5 {
		t.Errorf("gc removed %d blocks: %q", len(gone), gone)
	}
	n.fails("block/stat?offline=true&arg="+root, "block was not found "+
		"locally (offline): ipld: could not find "+root)
}

func TestManyPins(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	var parts []part
	for i := range 500 {
		parts = append(parts, file(fmt.Sprintf("f%d", i),
			fmt.Sprintf("content %d", i)))
	}
	n.add("", parts...) // every file is pinned by itself
	l := n.ok("pin/ls?type=recursive&stream=true").lines()
	if len(l) != 500 {
		t.Fatalf("%d pins", len(l))
	}
	var list bytes.Buffer
	for _, s := range l {
		var p pinLine
		must(t, json.Unmarshal([]byte(s), &p))
		list.WriteString(p.Cid + "\n")
	}
	a := n.post("pin/rm", file("list", list.String()))
	if a.status != 200 {
		t.Fatal(a.body)
	}
	n.is("pin/ls?type=recursive", `{}`)
}
