package main

import (
	"strings"
	"testing"
)

const missing = "block was not found locally (offline): ipld: could not find "

// TestTruncated: the status cannot tell, only the trailer and the length.
func TestTruncated(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root, leaf := n.damaged("")
	a := n.call("dag/export?offline=true&arg=" + root)
	want := `walk failed: error traversing node at "Links/4/Hash": could ` +
		`not load link "` + leaf + `": ` + missing + leaf + ` (currently ` +
		`offline, perhaps retry without the offline flag)`
	if a.status != 200 || len(a.body) != 4194816 || a.trailer != want {
		t.Errorf("export: %d, %d bytes, %s", a.status, len(a.body),
			a.trailer)
	}
	if a.header.Get("Content-Type") != "application/vnd.ipld.car" ||
		a.header.Get("X-Stream-Output") != "1" {
		t.Errorf("export: %v", a.header)
	}
	a = n.call("cat?offline=true&arg=" + root)
	if a.status != 200 || len(a.body) != 4<<20 ||
		a.header.Get("X-Content-Length") != "5000000" ||
		a.trailer != "failed to fetch all nodes" {
		t.Errorf("cat: %d, %d bytes of %s, %s", a.status, len(a.body),
			a.header.Get("X-Content-Length"), a.trailer)
	}
	n.fails("dag/stat?progress=false&offline=true&arg="+root,
		"error traversing DAG: "+missing+leaf)
	n.fails("dag/export?offline=true&arg="+unfindable, missing+unfindable)
	n.fails("dag/stat?progress=false&offline=true&arg="+unfindable,
		missing+unfindable)
}

func TestStat(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root := n.add("", file("f", pattern(3_000_000)))
	one := `{"Cid":"` + root + `","Size":3000159,"NumBlocks":4}`
	n.is("dag/stat?progress=false&arg="+root, `{"UniqueBlocks":4,"TotalSize`+
		`":3000159,"Ratio":1,"DagStats":[`+one+`]}`)
	n.is("dag/stat?progress=false&arg="+root+"&arg="+root, `{"UniqueBlocks"`+
		`:4,"TotalSize":3000159,"SharedSize":3000159,"Ratio":2,"DagStats":[`+
		one+`,`+one+`]}`)
	// Three equal leaves are one block.
	same := n.add("", file("f", strings.Repeat("x", 3<<20)))
	size := `"Size":1048735,"NumBlocks":2}`
	if b := n.ok("dag/stat?progress=false&arg=" + same).body; !strings.
		Contains(b, size) {
		t.Error(b)
	}
	if l := n.ok("dag/stat?arg=" + root).lines(); len(l) != 5 {
		t.Errorf("%d objects: progress is the default", len(l))
	}
	n.is("files/stat?arg=/ipfs/"+root, `{"Hash":"`+root+`","Size":3000000,`+
		`"CumulativeSize":3000159,"Blocks":3,"Type":"file"}`)
}

func TestCar(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t), newPeer(t)
	root := a.add("", file("f", pattern(3_000_000)))
	car := a.ok("dag/export?arg=" + root).body
	got := b.post("dag/import?stats=true", file("c", car))
	want := `{"Root":{"Cid":{"/":"` + root + `"},"PinErrorMsg":""}}` + "\n" +
		`{"Stats":{"BlockCount":4,"BlockBytesCount":3000159}}` + "\n"
	if got.body != want {
		t.Errorf("import: %s", got.body)
	}
	b.ok("pin/ls?type=recursive&arg=" + root)
	if c := b.ok("dag/export?offline=true&arg=" + root); c.body != car {
		t.Error("the export of the import differs")
	}
	same := a.add("", file("f", strings.Repeat("x", 3<<20)))
	if c := a.ok("dag/export?arg=" + same); len(c.body) > 1<<20+1000 {
		t.Errorf("%d bytes: one leaf thrice", len(c.body))
	}
	b.ok("pin/rm?arg=" + root)
	got = b.post("dag/import?pin-roots=false", file("c", car))
	if got.status != 200 || got.body != "" {
		t.Errorf("import without pin: %d %s", got.status, got.body)
	}
	b.fails("pin/ls?type=recursive&arg="+root,
		"path '"+root+"' is not pinned")

	got = b.post("dag/import", file("c", car[:len(car)-1000]))
	if got.status != 500 || !strings.Contains(got.body,
		`{"Message":"import failed after block \"`) ||
		!strings.Contains(got.body, `unexpected EOF`) {
		t.Errorf("cut off: %d %s", got.status, got.body)
	}
	bad := car[:len(car)-1] + "?"
	if got = b.post("dag/import", file("c", bad)); got.status != 500 {
		t.Errorf("damaged: %d %s", got.status, got.body)
	}
	if got = b.post("dag/import", file("c", "")); got.status != 200 ||
		got.body != "" {
		t.Errorf("empty: %d %s", got.status, got.body)
	}
}

// TestCarIncomplete: the pin of an import waits for what the CAR lacks, and
// its failure is a 200.
func TestCarIncomplete(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t), newPeer(t)
	root, _ := a.damaged("&pin=false")
	half := a.call("dag/export?offline=true&arg=" + root).body
	got := b.post("dag/import?timeout=1s", file("c", half))
	if got.status != 200 || got.body != `{"Root":{"Cid":{"/":"`+root+
		`"},"PinErrorMsg":"context deadline exceeded"}}`+"\n" {
		t.Errorf("%d %s", got.status, got.body)
	}
	b.fails("pin/ls?type=recursive&arg="+root,
		"path '"+root+"' is not pinned")
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	hello := "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"
	a := n.post("block/put", file("f", "hello\n"))
	if a.body != `{"Key":"`+hello+`","Size":6}`+"\n" {
		t.Error(a.body)
	}
	n.is("block/stat?arg="+hello, `{"Key":"`+hello+`","Size":6}`)
	a = n.is("block/get?arg="+hello, "hello")
	if a.header.Get("Content-Type") != "application/vnd.ipld.raw" {
		t.Errorf("%v", a.header)
	}
	n.fails("block/stat?offline=true&arg="+unfindable, missing+unfindable)
	n.fails("block/get?timeout=200ms&arg="+unfindable,
		"context deadline exceeded")
	// A pinned block stays; force is for absent ones.
	root := n.add("", file("f", pattern(3_000_000)))
	leaf := n.ok("refs?arg="+root).field(t, "Ref")
	n.is("block/rm?force=true&arg="+leaf,
		`{"Hash":"`+leaf+`","Error":"pinned via `+root+`"}`)
	n.is("block/rm?arg="+hello, `{"Hash":"`+hello+`"}`)
	n.is("block/rm?arg="+hello,
		`{"Hash":"`+hello+`","Error":"ipld: could not find `+hello+`"}`)
}

// TestCBOR walks a node that is no file: {"foo": <hello>}.
func TestCBOR(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.post("block/put", file("f", "hello\n"))
	data := "\xa1\x63foo\xd8\x2a\x58\x25\x00\x01\x55\x12\x20" +
		"\x58\x91\xb5\xb5\x22\xd5\xdf\x08\x6d\x0f\xf0\xb1\x10\xfb\xd9\xd2" +
		"\x1b\xb4\xfc\x71\x63\xaf\x34\xd0\x82\x86\xa2\xe8\x46\xf6\xbe\x03"
	a := n.post("block/put?cid-codec=dag-cbor&pin=true", file("f", data))
	k := a.field(t, "Key")
	n.is("cat?arg="+k+"/foo", "hello")
	n.ok("pin/ls?type=recursive&arg=" + k)
	var sum = n.ok("dag/stat?progress=false&arg=" + k).body
	if !strings.Contains(sum, `"UniqueBlocks":2`) {
		t.Error(sum)
	}
	n.fails("files/stat?arg=/ipfs/"+k, "not unixfs node (proto or raw)")
}

func TestPutNode(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	const one = "bafyreihltcnuuyqp2jm24aqydpnlj7b6w3ogwrplomrjtg5rifv44mmjey"
	a := n.post("dag/put", file("f", `{"a": 1}`))
	if a.status != 200 || a.body != `{"Cid":{"/":"`+one+`"}}`+"\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	n.fails("pin/ls?arg="+one, "path '"+one+"' is not pinned")
	a = n.post("dag/put?input-codec=dag-cbor&pin=true",
		file("f", "\xa1\x61a\x01"))
	if a.body != `{"Cid":{"/":"`+one+`"}}`+"\n" {
		t.Error(a.body)
	}
	n.ok("pin/ls?type=recursive&arg=" + one)
	a = n.post("dag/put?store-codec=dag-json", file("f", `{ "a":1 }`))
	k := strings.Split(a.body, `"`)[5]
	if body := n.ok("block/get?arg=" + k).body; body != `{"a":1}` {
		t.Error(k, body)
	}
	for _, wrong := range []string{"input-codec=odd", "store-codec=odd",
		"hash=odd", "store-codec=raw", "input-codec=dag-cbor"} {
		a = n.post("dag/put?"+wrong, file("f", `{"a": 1}`))
		if a.status != 500 {
			t.Errorf("%s: %d %s", wrong, a.status, a.body)
		}
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	root := n.add("", file("d/a", "hello\n"), file("d/b/c", "hello\n"))
	sub := n.ok("resolve?arg="+root+"/b").field(t, "Path")[len("/ipfs/"):]
	leaf := n.ok("resolve?arg="+root+"/a").field(t, "Path")[len("/ipfs/"):]
	ref := func(s string) string { return `{"Ref":"` + s + `","Err":""}` }
	n.is("refs?arg="+root, ref(leaf)+"\n"+ref(sub))
	n.is("refs?recursive=true&arg="+root,
		ref(leaf)+"\n"+ref(sub)+"\n"+ref(leaf))
	n.is("refs?recursive=true&unique=true&arg="+root, ref(leaf)+"\n"+ref(sub))
	n.is("refs?recursive=true&max-depth=1&format=<linkname>&arg="+root,
		ref("a")+"\n"+ref("b"))
	cut, _ := n.damaged("")
	a := n.ok("refs?offline=true&arg=" + cut)
	if a.last() != `{"Ref":"","Err":"failed to fetch all nodes"}` {
		t.Error(a.last())
	}
	n.is("refs?offline=true&arg="+unfindable,
		`{"Ref":"","Err":"`+missing+unfindable+`"}`)
	n.is("ls?arg="+root, `{"Objects":[{"Hash":"`+root+`","Links":[`+
		`{"Name":"a","Hash":"`+leaf+`","Size":6,"Type":2,"Target":"",`+
		`"Mode":0,"ModTime":"0001-01-01T00:00:00Z"},`+
		`{"Name":"b","Hash":"`+sub+`","Size":0,"Type":1,"Target":"",`+
		`"Mode":0,"ModTime":"0001-01-01T00:00:00Z"}]}]}`)
}
