package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// later is a call under way.
type later struct {
	done   chan struct{}
	cancel context.CancelFunc
	answer answer
	err    error
}

func (n *peerNode) begin(target string, parts ...part) *later {
	ctx, cancel := context.WithCancel(context.Background())
	l := &later{done: make(chan struct{}), cancel: cancel}
	body, kind := form(n.t, parts...)
	header := []string{"Content-Type", kind}
	if len(parts) == 0 {
		body, header = nil, nil
	}
	go func() {
		defer close(l.done)
		l.answer, l.err = n.do(ctx, http.MethodPost, target, body, header...)
	}()
	n.t.Cleanup(func() { cancel(); <-l.done })
	return l
}

func (l *later) within(d time.Duration) bool {
	select {
	case <-l.done:
		return true
	case <-time.After(d):
		return false
	}
}

// frozen has a pin that lacks a leaf and, behind it, a collection that waits
// for it. It returns both and the CID of a file that is not in the way.
func frozen(t *testing.T, n *peerNode) (stuck, gc *later, free string) {
	t.Helper()
	free = n.add("&pin=false", file("free", "free\n"))
	root, leaf := n.damaged("&pin=false")
	stuck = n.begin("pin/add?progress=true&arg=" + root)
	await(t, "the pin to look for its leaf", func() bool {
		return strings.Contains(n.ok("stats/bitswap").body, leaf)
	})
	gc = n.begin("repo/gc?silent=true")
	// Pins go through until the collection stands in the queue.
	await(t, "the collection to wait", func() bool {
		// Before the first progress object the status still tells.
		a := n.call("pin/add?progress=true&timeout=300ms&arg=" + free)
		return a.status == 500
	})
	return stuck, gc, free
}

func TestGCFreeze(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	kept := n.add("", file("kept", "kept\n"))
	stuck, gc, free := frozen(t, n)

	waiting := map[string]*later{
		"pin/add": n.begin("pin/add?arg=" + free),
		"pin/rm":  n.begin("pin/rm?arg=" + free),
		"add":     n.begin("add", file("f", "a new one\n")),
		"update":  n.begin("pin/update?arg=" + kept + "&arg=" + kept),
		// The own deadline of a call counts only once it has the lock.
		"timeout": n.begin("pin/add?timeout=200ms&arg=" + kept),
		"gc":      gc,
	}
	n.ok("pin/ls?type=recursive&arg=" + kept)
	n.ok("repo/stat?size-only=true")
	n.ok("cat?arg=" + kept)
	n.add("&pin=false", file("f", "another\n"))
	if a := n.post("block/put", file("f", "a block")); a.status != 200 {
		t.Error(a.body)
	}
	for name, l := range waiting {
		if l.within(100 * time.Millisecond) {
			t.Errorf("%s did not wait: %s", name, l.answer.body)
		}
	}
	stuck.cancel()
	for name, l := range waiting {
		if !l.within(5 * time.Second) {
			t.Errorf("%s still waits", name)
		}
	}
	if a := waiting["timeout"].answer; !strings.Contains(a.body,
		"context deadline exceeded") {
		t.Errorf("timeout: %d %s", a.status, a.body)
	}
	if a := waiting["add"].answer; a.status != 200 || a.trailer != "" {
		t.Errorf("add: %d %s", a.status, a.body)
	}
}

// TestGCPassesUnfindableRoot: such a pin waits without the lock.
func TestGCPassesUnfindableRoot(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.begin("pin/add?arg=" + unfindable)
	await(t, "the want to appear", func() bool {
		return strings.Contains(n.ok("stats/bitswap").body, unfindable)
	})
	n.ok("repo/gc")
}

func TestGC(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	kept := n.add("", file("f", pattern(3_000_000)))
	free := n.add("&pin=false", file("f", "garbage\n"))
	n.is("repo/gc", `{"Key":{"/":"`+free+`"}}`)
	n.is("repo/gc", ``)
	n.add("&pin=false", file("f", "garbage\n"))
	n.is("repo/gc?silent=true", ``)
	n.fails("cat?offline=true&arg="+free, "block was not found locally "+
		"(offline): ipld: could not find "+free)
	n.ok("dag/stat?offline=true&progress=false&arg=" + kept)
}

// TestGCDamaged: what hangs under a missing block would look like garbage,
// so nothing may be removed. (Raw leaves have no links and are not looked at.)
func TestGCDamaged(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.add("&pin=false", file("f", "garbage\n"))
	root := n.post("add?cid-version=1&chunker=size-4096&max-file-links=8",
		file("f", pattern(100_000))).field(t, "Hash")
	inner := n.ok("refs?arg="+root).field(t, "Ref")
	n.ok("block/rm?even-if-pinned=true&arg=" + inner)
	miss := "could not retrieve links for " + inner + ": block was not " +
		"found locally (offline): ipld: could not find " + inner
	aborted := "garbage collection aborted: could not retrieve some links"
	before := n.ok("refs/local").lines()
	n.fails("repo/gc", miss+"; "+aborted)
	a := n.call("repo/gc?stream-errors=true")
	want := `{"Key":null,"Error":"` + miss + `"}` + "\n" +
		`{"Key":null,"Error":"` + aborted + `"}` + "\n"
	if a.status != 200 || a.body != want ||
		a.trailer != "encountered errors during gc run" {
		t.Errorf("%d %s %s", a.status, a.body, a.trailer)
	}
	if after := n.ok("refs/local").lines(); len(after) != len(before) {
		t.Errorf("%d blocks of %d are left", len(after), len(before))
	}
}
