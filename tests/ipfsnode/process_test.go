package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "api.sock")
	repo := filepath.Join(t.TempDir(), "repo")
	n := start(t, repo, "--api", "/unix"+at)
	if n.api != "/unix"+at {
		t.Errorf("api is %s", n.api)
	}
	k := n.add("", file("f", pattern(3_000_000)))
	n.ok("pin/ls?type=recursive&arg=" + k)
	n.plain("id", 403, "403 - Forbidden", "Origin", "http://127.0.0.1:5001")
	info, err := os.Stat(at)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v", info.Mode())
	}
	// A socket that is answered is not taken away.
	refused(t, "in use by another process", "--repo", t.TempDir(),
		"--api", "/unix"+at)
	n.ok("id")
	// One that a killed node left is.
	n.kill()
	start(t, repo, "--api", "/unix"+at).ok("id")
}

// refused runs a node that must not start and wants words in its complaint.
func refused(t *testing.T, words string, args ...string) {
	t.Helper()
	cmd := child(args...)
	cmd.Stderr = nil
	done := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer done.Stop()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), words) {
		t.Errorf("%v: %v, %s", args, err, out)
	}
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--api", "--swarm"} {
		repo := filepath.Join(t.TempDir(), "repo")
		for at, words := range map[string]string{
			"0.0.0.0:0":              "not a loopback address",
			"[::]:0":                 "not a loopback address",
			"192.0.2.1:0":            "not a loopback address",
			"/ip4/0.0.0.0/tcp/0":     "not a loopback address",
			":0":                     "not a numeric address",
			"localhost:0":            "not a numeric address",
			"/dns4/localhost/tcp/0":  "not a",
			"/ip4/127.0.0.1/udp/0":   "not a TCP address",
			"example.org:80":         "not a numeric address",
			"127.0.0.1":              "not a numeric address",
			"/ip4/127.0.0.1/tcp/0/x": "",
		} {
			refused(t, words, "--repo", repo, flag, at)
		}
		if _, err := os.Stat(repo); err == nil {
			t.Errorf("%s: a refused address left a repository", flag)
		}
	}
	refused(t, "at most 107", "--repo", t.TempDir(), "--api",
		"/unix/"+strings.Repeat("x", 107))
	plain := filepath.Join(t.TempDir(), "plain")
	must(t, os.WriteFile(plain, []byte("mine"), 0o600))
	refused(t, "not a socket", "--repo", t.TempDir(), "--api",
		"/unix"+plain)
	n := newPeer(t, "--api", "[::1]:0", "--swarm", "/ip4/127.0.0.1/tcp/0")
	if !strings.HasPrefix(n.api, "/ip6/::1/tcp/") {
		t.Error(n.api)
	}
	for _, to := range []string{"/ip4/192.0.2.1/tcp/4001",
		"/dns4/example.org/tcp/4001", "/dnsaddr/example.org"} {
		a := n.call("swarm/connect?arg=" + to + n.swarm[strings.Index(
			n.swarm, "/p2p/"):])
		if a.status != 500 || a.took > time.Second ||
			!strings.Contains(a.body, "not a loopback address") {
			t.Errorf("%s: %d %s", to, a.status, a.body)
		}
	}
}

func TestAPIFile(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	at := filepath.Join(n.repo, "api")
	b, err := os.ReadFile(at)
	must(t, err)
	if string(b) != n.api {
		t.Errorf("%s, but it listens on %s", b, n.api)
	}
	// The repository of a running node is taken.
	refused(t, "another node", "--repo", n.repo)
	n.stop()
	if _, err := os.Stat(at); err == nil {
		t.Error("the api file is left behind")
	}
}

func TestPinsSurviveKill(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	k := n.add("&pin-name=keep", file("f", pattern(3_000_000)))
	id := n.swarm[strings.Index(n.swarm, "/p2p/"):]
	n.kill()
	m := start(t, n.repo)
	m.is("pin/ls?type=recursive&names=true&arg="+k,
		`{"Keys":{"`+k+`":{"Type":"recursive","Name":"keep"}}}`)
	m.ok("dag/stat?offline=true&progress=false&arg=" + k)
	if !strings.HasSuffix(m.swarm, id) {
		t.Error("the node has another identity")
	}
}

// TestStopIsQuick also while a pin is stuck and calls wait for the lock.
// stop itself complains beyond a second.
func TestStopIsQuick(t *testing.T) {
	t.Parallel()
	n, other := newPeer(t), newPeer(t)
	n.connect(other)
	_, _, free := frozen(t, n)
	n.begin("pin/add?arg=" + free)
	n.begin("pin/add?progress=true&arg=" + unfindable)
	idle, err := net.Dial("tcp", strings.Replace(strings.TrimPrefix(n.api,
		"/ip4/"), "/tcp/", ":", 1))
	must(t, err)
	defer idle.Close()
	n.stop()
}

func TestShutdownCall(t *testing.T) {
	t.Parallel()
	n := newPeer(t)
	n.is("diag/healthy", `"ok"`)
	n.call("shutdown")
	n.gone = true
	end := time.AfterFunc(time.Second, func() { n.cmd.Process.Kill() })
	defer end.Stop()
	must(t, n.cmd.Wait())
}

func TestVersionCommand(t *testing.T) {
	t.Parallel()
	out, err := child("version").Output()
	must(t, err)
	if string(out) != agentVersion()+"\n" {
		t.Errorf("%s", out)
	}
	refused(t, "Usage", "--api", "127.0.0.1:0")
}
