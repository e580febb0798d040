package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestKnownCIDs compares with what Kubo 0.43 makes of the same bytes.
func TestKnownCIDs(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	big := pattern(3_000_000)
	for _, c := range []struct{ options, data, want string }{
		{"cid-version=0&raw-leaves=false", "hello\n",
			"QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN"},
		{"", "hello\n", "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN"},
		{"cid-version=1", "hello\n",
			"bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"},
		{"hash=blake3", "hello\n",
			"bafkr4ieojr6bxgo37viopkkrqx7k2xxbish2sbfc7xlxr2xv6ln72yu2te"},
		{"cid-version=0&raw-leaves=false&chunker=size-262144&" +
			"max-file-links=174", big,
			"QmbvvajB4uUtRZn2UntuMEyWF1WcvtonCyist9jPDUKatK"},
		{"cid-version=0&raw-leaves=true", big,
			"QmTkrqC2o8tJBdH113wR7AxMMY2mVLnxeB493w1SAakQeX"},
		{pinfoldAdd, big,
			"bafybeihx4l6zcy2nv4473ru2icco6ddp7hgp6n5uiokxbfxzf4qd3quzqm"},
		{"cid-version=1&chunker=rabin", big,
			"bafybeigmuwlwuy2js5jcrr3pq6hswknuvskqrxfamrhcshzevzbxt4ipjy"},
		{"cid-version=1&chunker=buzhash", big,
			"bafybeienf7bp3zshgzwkvsxaz5t5t2saouxrprzyezmszo2kimz6l5j66e"},
		{"cid-version=1&chunker=size-4096&max-file-links=8", big,
			"bafybeifwo7uvsdubszrpvriubfergtrdzhu5ecwxmbhvydkfy6me3zew6u"},
		{"cid-version=1&chunker=size-262144&trickle=true", big,
			"bafybeicqpykkeufuiaqs7q43xyhel55wgnvemzwgn3we5qpenru7tjnlmq"},
		{"cid-version=1&chunker=size-262144&hash=blake3", big,
			"bafyb4ia6f66we3laitifg4wrydiin53d4gf46lcrqmdcecmx5n5hwci4wu"},
	} {
		for _, only := range []string{"&only-hash=true", ""} {
			a := n.post("add?"+c.options+only, file("f", c.data))
			if got := a.field(t, "Hash"); got != c.want {
				t.Errorf("%s%s: got %s want %s", c.options, only, got,
					c.want)
			}
			if only == "" {
				n.ok("pin/ls?type=recursive&arg=" + c.want)
				a := n.ok("cat?offline=true&arg=" + c.want)
				if a.body != c.data {
					t.Errorf("%s: cat gives other bytes", c.options)
				}
			} else if c.data == "hello\n" {
				a := n.call("block/stat?offline=true&arg=" + c.want)
				if c.options != "" && a.status != 500 {
					t.Errorf("%s: only-hash kept a block", c.options)
				}
			}
		}
	}
}

func TestAddDirectories(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	tree := []part{dir("dd"), file("dd/foo.txt", "foo\n"), dir("dd/sub"),
		file("dd/sub/bar.txt", "bar\n")}
	want := strings.Join([]string{
		`{"Name":"dd/foo.txt","Hash":"bafkreifvxooyaffa7gy5mhrb46lnpdom34` +
			`jvf4r42mubf5efbodyvzeujq","Size":"4"}`,
		`{"Name":"dd/sub/bar.txt","Hash":"bafkreid5qzpjlgzem2iyzgddv7fjil` +
			`ipxcoxzgwazgn27q3usucn5wlxga","Size":"4"}`,
		`{"Name":"dd/sub","Hash":"bafybeibmhupflhcx6qnf74sbhbga6ljqiobt5f` +
			`bjel6gc3ccnzzpclx53y","Size":"59"}`,
		`{"Name":"dd","Hash":"bafybeicw4flb7aegkd52b3ow4bwqmn7t3xp7p25t3z` +
			`a3mxd6znt4ijrpya","Size":"165"}`, ""}, "\n")
	// Go's clients send parts for directories, JavaScript's do not.
	for _, parts := range [][]part{tree, {tree[1], tree[3]}} {
		if a := n.post("add?"+pinfoldAdd, parts...); a.body != want {
			t.Errorf("got %s want %s", a.body, want)
		}
	}
	root := "bafybeicw4flb7aegkd52b3ow4bwqmn7t3xp7p25t3za3mxd6znt4ijrpya"
	n.is("cat?arg=/ipfs/"+root+"/sub/bar.txt", "bar")
	n.is("resolve?arg=/ipfs/"+root+"/sub", `{"Path":"/ipfs/bafybeibmhupflh`+
		`cx6qnf74sbhbga6ljqiobt5fbjel6gc3ccnzzpclx53y"}`)
	n.is("resolve?arg=ipfs://"+root, `{"Path":"/ipfs/`+root+`"}`)
	n.fails("resolve?arg=/ipfs/"+root+"/nope",
		`no link named "nope" under `+root)
	n.fails("resolve?arg=/ipfs/notacid", `invalid path "/ipfs/notacid": `+
		`invalid cid: selected encoding not supported`)
	n.fails("cat?arg="+root, "this dag node is a directory")
	n.is("files/stat?arg=/ipfs/"+root, `{"Hash":"`+root+`","Size":0,`+
		`"CumulativeSize":165,"Blocks":2,"Type":"directory"}`)
	n.is("files/stat?with-local=true&arg=/ipfs/"+root, `{"Hash":"`+root+
		`","Size":0,"CumulativeSize":165,"Blocks":2,"Type":"directory",`+
		`"WithLocality":true,"Local":true,"SizeLocal":165}`)
	n.fails("files/stat?arg=x", "paths must start with a leading slash")

	a := n.post("add?wrap-with-directory=true&"+pinfoldAdd,
		file("foo.txt", "foo\n"))
	if a.last() != `{"Name":"","Hash":"bafybeigxyulkwqr3gtgtltle7fzkftmbv6`+
		`g6crv2l3ivjhdg55i3etb4em","Size":"59"}` {
		t.Errorf("wrapped: %s", a.body)
	}
	a = n.post("add", dir("e"))
	if a.field(t, "Hash") != "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn" {
		t.Errorf("empty: %s", a.body)
	}
}

// TestAddSharded: when a directory is split is decided by the size of its
// block (3100 entries are below the limit by the older estimate), or by the
// number of links that the client allows. The CIDs are Kubo's.
func TestAddSharded(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	var parts []part
	for i := range 5000 {
		parts = append(parts, file(fmt.Sprintf(
			"d/entry-%05d-of-a-directory-that-is-big-enough", i), "hello\n"))
	}
	root := ""
	for _, c := range []struct {
		entries       int
		options, want string
	}{
		{100, "",
			"bafybeigafyur32x773lzxjam2cxhqmlks6w4k2brccpc33bwaau5w57q54"},
		{100, "&max-directory-links=10&max-hamt-fanout=16",
			"bafybeic2l5dzqobzcgad75auzkiwutc4nbuzx5ogc7gqmoslhnuerux5p4"},
		{3100, "",
			"bafybeiatqucdis5ens4hopzbdbxuvh2ij7jcw5pqr7yq5qqxwwteqvaxi4"},
		{5000, "",
			"bafybeicia53cncgmlfcdrmhlwzrimdxicxu5womuahujppcoicvvole3ly"},
	} {
		root = n.add(c.options, parts[:c.entries]...)
		if root != c.want {
			t.Errorf("%d%s: got %s", c.entries, c.options, root)
		}
	}
	// A path through the shards.
	n.is("cat?arg="+root+"/entry-04321-of-a-directory-that-is-big-enough",
		"hello")
	n.fails("cat?arg="+root+"/entry", `no link named "entry" under `+root)
	got := n.ok("ls?stream=true&resolve-type=false&size=false&arg=" + root)
	if l := got.lines(); len(l) != 5000 {
		t.Errorf("%d entries", len(l))
	}
}

func TestAddEvents(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	hello := `{"Name":"h","Hash":"QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVo` +
		`LFLiXEN","Size":"14"}` + "\n"
	a := n.post("add?progress=true", file("h", "hello\n"))
	if a.body != `{"Name":"h","Bytes":6}`+"\n"+hello {
		t.Errorf("progress: %s", a.body)
	}
	a = n.post("add?quieter=true&stream-channels=false",
		file("h", "hello\n"))
	if a.body != hello || a.header.Get("X-Chunked-Output") != "1" {
		t.Errorf("quieter is the client's affair: %s", a.body)
	}
	if a = n.post("add?silent=true", file("h", "hello\n")); a.body != "" {
		t.Errorf("silent: %s", a.body)
	}
}

func TestAddRefused(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	for _, c := range []struct {
		target string
		status int
		text   string
	}{
		{"add?chunker=bogus", 500, "unrecognized chunker option: bogus"},
		{"add?hash=bogus", 500, `unrecognized hash function: \"bogus\"`},
		{"add?hash=blake3&cid-version=0", 500,
			"CIDv0 only supports sha2-256"},
		{"add?pin=false&pin-name=x", 500,
			"pin-name option requires pin to be set"},
		{"add?cid-version=x", 400, `could not convert value "x" to type ` +
			`"int" (for option "-cid-version")`},
		{"block/put?cid-codec=nope", 500, "unknown multicodec"},
		{"block/put?mhtype=nope", 500,
			"unrecognized multihash function: nope"},
	} {
		a := n.post(c.target, file("f", "x"))
		if a.status != c.status || !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %d %s", c.target, a.status, a.body)
		}
	}
	a := n.post("block/put", file("f", pattern(2<<20+1)))
	if a.status != 500 || !strings.Contains(a.body, "over 2MiB") {
		t.Errorf("big block: %d %s", a.status, a.body)
	}
	a = n.post("block/put", file("f", pattern(2<<20)))
	if a.status != 200 {
		t.Errorf("biggest block: %d %s", a.status, a.body)
	}
}
