package main

import (
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func (n *peerNode) plain(target string, status int, text string,
	header ...string) {
	n.t.Helper()
	a := n.call(target, header...)
	if a.status != status || a.body != text+"\n" ||
		a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		n.t.Errorf("%s %v: %d %q %v", target, header, a.status, a.body,
			a.header)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.plain("nope", 404, "404 page not found")
	n.plain("pin/add", 400, `argument "ipfs-path" is required`)
	n.plain("pin/update?arg=x", 400, `argument "to-path" is required`)
	n.plain("swarm/connect", 400, `argument "address" is required`)
	n.plain("add", 400, `file argument 'path' is required`)
	n.plain("block/put", 400, `file argument 'data' is required`)
	n.plain("dag/import", 400, `file argument 'path' is required`)
	n.plain("pin/ls?type=all&type=all", 400, "expected key type to have "+
		"only a single value, received [all all]")
	n.plain("pin/ls?names=maybe", 400, `could not convert value "maybe" `+
		`to type "bool" (for option "-names")`)
	// Options that do not exist are ignored.
	n.is("pin/ls?type=direct&nope=1", `{}`)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	for _, m := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		a, err := n.do(context.Background(), m, "id", nil)
		must(t, err)
		if a.status != 405 || a.header.Get("Allow") != "OPTIONS, POST" {
			t.Errorf("%s: %d %v", m, a.status, a.header)
		}
	}
	a, err := n.do(context.Background(), http.MethodOptions, "id", nil)
	must(t, err)
	if a.status != 204 || a.header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("OPTIONS: %d %v", a.status, a.header)
	}
}

func TestBrowsersStayOut(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	const no = "403 - Forbidden"
	port := n.api[strings.LastIndexByte(n.api, '/')+1:]
	n.plain("id", 403, no, "Origin", "http://example.org")
	n.plain("id", 403, no, "Origin", "http://127.0.0.1:1")
	n.plain("id", 403, no, "Referer", "http://example.org/x")
	n.plain("id", 403, no, "User-Agent", "Mozilla/5.0")
	// A page may choose its own Host, so that proves nothing.
	n.plain("id", 403, no, "Origin", "http://example.org:"+port,
		"Host", "example.org:"+port)
	for _, h := range [][]string{
		{"Origin", "http://127.0.0.1:" + port},
		{"Referer", "http://localhost:" + port + "/webui"},
		{"User-Agent", "Mozilla/5.0 Electron"},
		{"User-Agent", "/kubo/0.30.0/"},
	} {
		if a := n.call("id", h...); a.status != 200 {
			t.Errorf("%v: %d %s", h, a.status, a.body)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	ctx := context.Background()
	for _, target := range []string{"id", "pin/ls?type=x",
		"pin/ls?stream=true"} {
		r, err := http.NewRequestWithContext(ctx, "POST",
			"http://node/api/v0/"+target, nil)
		must(t, err)
		res, err := n.client.Do(r)
		must(t, err)
		if _, ok := res.Trailer["X-Stream-Error"]; !ok {
			t.Errorf("%s announces no trailer", target)
		}
		if s := res.Header.Get("Server"); s != agentVersion() {
			t.Errorf("%s: Server: %s", target, s)
		}
		_, err = io.Copy(io.Discard, res.Body)
		must(t, err)
		must(t, res.Body.Close())
	}
	chunked := n.ok("pin/ls?stream=true").header.Get("X-Chunked-Output")
	single := n.ok("pin/ls").header.Get("X-Chunked-Output")
	if chunked != "1" || single != "" {
		t.Errorf("X-Chunked-Output %q and %q", chunked, single)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	n := newPeer(t, "--token", "secret")
	for _, h := range [][]string{nil, {"Authorization", "Bearer other"},
		{"Authorization", "secret"}} {
		a := n.call("version", h...)
		if a.status != 403 || !strings.HasPrefix(a.body,
			"Kubo RPC Access Denied: Please provide a valid") {
			t.Errorf("%v: %d %s", h, a.status, a.body)
		}
	}
	a := n.call("version", "Authorization", "Bearer secret")
	if a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestHonest: clients that gate on the version pass, and nobody who looks
// takes this for Kubo.
func TestHonest(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	v := n.ok("version")
	if v.field(t, "Version") != "0.43.0" ||
		!strings.Contains(v.field(t, "Commit"), "pinfold-testnode") {
		t.Error(v.body)
	}
	agent := n.ok("id").field(t, "AgentVersion")
	if agent != "pinfold-testnode/"+nodeVersion+" (boxo v0.43.0)" {
		t.Error(agent)
	}
}

func TestRepoStat(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.add("", file("f", "x"))
	a := n.ok("repo/stat?size-only=true")
	if !strings.Contains(a.body, `"StorageMax":`+
		strconv.FormatUint(math.MaxUint64, 10)+`,"NumObjects":0,`+
		`"RepoPath":"","Version":""`) {
		t.Error(a.body)
	}
	a = n.ok("repo/stat")
	if !strings.Contains(a.body, `"NumObjects":1,"RepoPath":"`+n.repo+
		`","Version":"fs-repo@18"`) {
		t.Error(a.body)
	}
	m := newPeer(t, "--storage-max", "12345")
	if a = m.ok("stats/repo"); !strings.Contains(a.body,
		`"StorageMax":12345,`) {
		t.Error(a.body)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	k := n.add("", file("f", "0123456789"))
	for _, c := range []struct{ options, want, length string }{
		{"", "0123456789", "10"}, {"&offset=3", "3456789", "7"},
		{"&offset=3&length=2", "34", "2"}, {"&length=0", "", "0"},
		{"&offset=11", "", "0"}, {"&arg=" + k + "&offset=12", "23456789",
			"8"}, {"&o=3&l=2", "34", "2"},
	} {
		a := n.is("cat?arg="+k+c.options, c.want)
		if a.header.Get("X-Content-Length") != c.length {
			t.Errorf("%s: X-Content-Length %s", c.options,
				a.header.Get("X-Content-Length"))
		}
	}
	n.is("cat/"+k, "0123456789")
	n.fails("cat?offset=-1&arg="+k, "cannot specify negative offset")
}
