package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBitswap(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t), newPeer(t)
	big := pattern(20_000_000)
	root := a.add("", file("f", big))
	b.is("swarm/peers", `{"Peers":null}`)
	b.connect(a)
	b.is("pin/add?arg="+root, `{"Pins":["`+root+`"]}`)
	if got := b.ok("cat?offline=true&arg=" + root); got.body != big {
		t.Error("other bytes arrived")
	}
	// And back, from the side that was called.
	other := b.add("", file("g", "from b\n"))
	a.is("cat?arg="+other, "from b")
	var s struct{ TotalIn, TotalOut uint64 }
	// The counters are brought up to date once a second.
	await(t, "20 MB to be counted", func() bool {
		stat := b.ok("stats/bw?poll=false").body
		must(t, json.Unmarshal([]byte(stat), &s))
		return s.TotalIn > 20_000_000
	})
	var w struct{ BlocksReceived uint64 }
	must(t, json.Unmarshal([]byte(b.ok("stats/bitswap").body), &w))
	if w.BlocksReceived != 21 {
		t.Errorf("%d blocks received", w.BlocksReceived)
	}
}

func TestSwarm(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t), newPeer(t)
	cut := strings.Index(b.swarm, "/p2p/")
	addr, id := b.swarm[:cut], b.swarm[cut+len("/p2p/"):]
	a.is("swarm/connect?arg="+b.swarm,
		`{"Strings":["connect `+id+` success"]}`)
	peers := a.ok("swarm/peers?identify=true").body
	for _, want := range []string{`"Addr":"` + addr + `"`,
		`"Peer":"` + id + `"`, `"AgentVersion":"pinfold-testnode/`} {
		if !strings.Contains(peers, want) {
			t.Errorf("no %s in %s", want, peers)
		}
	}
	a.is("swarm/disconnect?arg="+b.swarm,
		`{"Strings":["disconnect `+id+` success"]}`)
	a.is("swarm/peers", `{"Peers":null}`)
	a.is("swarm/peering/ls", `{"Peers":[]}`)
	// Answered at once, dialled later.
	a.is("swarm/peering/add?arg="+b.swarm,
		`{"ID":"`+id+`","Status":"success"}`)
	if l := a.ok("swarm/peering/ls").body; !strings.Contains(l, id) {
		t.Error(l)
	}
	a.is("swarm/peering/rm?arg="+id, `{"ID":"`+id+`","Status":"success"}`)
	b.stop()
	got := a.call("swarm/connect?arg=" + b.swarm)
	if got.status != 500 || !strings.Contains(got.body,
		`"connect `+id+` failure: failed to dial: `) ||
		!strings.Contains(got.body, `connection refused`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	a.fails("swarm/connect?arg=foo",
		`failed to parse multiaddr "foo": must begin with /`)
	a.fails("swarm/connect?arg="+addr, "found no ipfs peers at "+addr)
	a.fails("swarm/peering/add?arg="+addr, "invalid p2p multiaddr")
}

// TestPrivateNetwork: the key decides who can talk to whom.
func TestPrivateNetwork(t *testing.T) {
	t.Parallel()
	withKey := func(digit string) string {
		repo := t.TempDir()
		key := "/key/swarm/psk/1.0.0/\n/base16/\n" +
			strings.Repeat(digit, 64) + "\n"
		must(t, os.WriteFile(filepath.Join(repo, "swarm.key"), []byte(key),
			0o600))
		return repo
	}
	a, b := start(t, withKey("1")), start(t, withKey("1"))
	a.connect(b)
	for _, stranger := range []*peerNode{newPeer(t),
		start(t, withKey("2"))} {
		got := a.call("swarm/connect?timeout=2s&arg=" + stranger.swarm)
		if got.status != 500 {
			t.Errorf("a stranger was let in: %s", got.body)
		}
	}
	bad := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bad, "swarm.key"), []byte("x"), 0o600))
	refused(t, "EOF", "--repo", bad)
}

// TestForcedPrivateNetwork sets the environment, so it runs alone.
func TestForcedPrivateNetwork(t *testing.T) {
	t.Setenv("LIBP2P_FORCE_PNET", "1")
	refused(t, "has no swarm.key", "--repo", t.TempDir())
}
