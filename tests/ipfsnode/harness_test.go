package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv turns this test binary into the node, so that the tests speak to
// real processes without a build of their own.
const childEnv = "IPFSNODE_TEST_CHILD"

// unfindable is a well formed CID whose content nobody has.
const unfindable = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5a"

// pinfoldAdd are the options of the project's own adds.
const pinfoldAdd = "cid-version=1&raw-leaves=true&chunker=size-1048576" +
	"&max-file-links=1024"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Unsetenv(childEnv)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// peerNode is a running node process.
type peerNode struct {
	t      *testing.T
	repo   string
	api    string // multiaddr
	swarm  string // with /p2p/
	cmd    *exec.Cmd
	client *http.Client
	gone   bool
}

func child(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// start runs a node until the test ends. The repository is kept in repo.
func start(t *testing.T, repo string, args ...string) *peerNode {
	t.Helper()
	cmd := child(append([]string{"--repo", repo}, args...)...)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	n := &peerNode{t: t, repo: repo, cmd: cmd}
	t.Cleanup(func() { n.stop() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	var id, swarm string
	_, err = fmt.Sscanf(line, "ready peer=%s api=%s swarm=%s",
		&id, &n.api, &swarm)
	must(t, err)
	n.swarm = swarm + "/p2p/" + id
	n.client = &http.Client{Transport: &http.Transport{
		DialContext: n.dial}}
	return n
}

func newPeer(t *testing.T, args ...string) *peerNode {
	t.Helper()
	return start(t, filepath.Join(t.TempDir(), "repo"), args...)
}

func (n *peerNode) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	if path, ok := socketPath(n.api); ok {
		return d.DialContext(ctx, "unix", path)
	}
	a, err := parseTCP(n.api)
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "tcp", a.String())
}

// stop ends the node as a harness does and returns how long that took.
func (n *peerNode) stop() time.Duration {
	if n.gone {
		return 0
	}
	n.gone = true
	begin := time.Now()
	n.cmd.Process.Signal(syscall.SIGTERM)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("node ended badly: %v", err)
	}
	took := time.Since(begin)
	if took > time.Second {
		n.t.Errorf("stop took %v", took)
	}
	return took
}

func (n *peerNode) kill() {
	n.gone = true
	n.cmd.Process.Kill()
	_ = n.cmd.Wait() // reports the signal
}

// answer is a complete response.
type answer struct {
	status  int
	header  http.Header
	body    string
	trailer string // X-Stream-Error
	took    time.Duration
}

func (a answer) lines() []string {
	return strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
}

func (a answer) last() string {
	l := a.lines()
	return l[len(l)-1]
}

// field reads a text out of the last line.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.last()), &v); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	s, ok := v[name].(string)
	if !ok {
		t.Fatalf("no %s in %s", name, a.last())
	}
	return s
}

func (n *peerNode) do(ctx context.Context, method, target string,
	body io.Reader, header ...string) (answer, error) {
	begin := time.Now()
	r, err := http.NewRequestWithContext(ctx, method,
		"http://node/api/v0/"+target, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := n.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b),
		res.Trailer.Get("X-Stream-Error"), time.Since(begin)}, err
}

// call posts and wants an answer, good or bad, within 20 s.
func (n *peerNode) call(target string, header ...string) answer {
	n.t.Helper()
	return n.send(target, nil, header...)
}

func (n *peerNode) send(target string, body io.Reader,
	header ...string) answer {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(),
		20*time.Second)
	defer cancel()
	a, err := n.do(ctx, http.MethodPost, target, body, header...)
	if err != nil {
		n.t.Fatalf("%s: %v", target, err)
	}
	return a
}

// ok is call for what must succeed as a whole.
func (n *peerNode) ok(target string) answer {
	n.t.Helper()
	a := n.call(target)
	if a.status != 200 || a.trailer != "" {
		n.t.Fatalf("%s: %d %s %s", target, a.status, a.body, a.trailer)
	}
	return a
}

// fails wants a 500 with exactly this message.
func (n *peerNode) fails(target, message string) answer {
	n.t.Helper()
	a := n.call(target)
	want, err := json.Marshal(struct {
		Message string
		Code    int
		Type    string
	}{message, 0, "error"})
	must(n.t, err)
	if a.status != 500 || a.body != string(want)+"\n" {
		n.t.Errorf("%s:\n got %d %s want 500 %s", target, a.status, a.body,
			want)
	}
	return a
}

// is wants a 200 with exactly this body, without its last newline.
func (n *peerNode) is(target, body string) answer {
	n.t.Helper()
	a := n.ok(target)
	if strings.TrimSuffix(a.body, "\n") != body {
		n.t.Errorf("%s:\n got %s want %s", target, a.body, body)
	}
	return a
}

// part is one file of a form; kind is its content type.
type part struct{ name, kind, data string }

func file(name, data string) part {
	return part{name, "application/octet-stream", data}
}

func dir(name string) part {
	return part{name, "application/x-directory", ""}
}

func form(t *testing.T, parts ...part) (io.Reader, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(
			`form-data; name="file"; filename="%s"`,
			url.QueryEscape(p.name)))
		h.Set("Content-Type", p.kind)
		f, err := w.CreatePart(h)
		must(t, err)
		_, err = io.WriteString(f, p.data)
		must(t, err)
	}
	must(t, w.Close())
	return &b, w.FormDataContentType()
}

// post sends a form and wants any answer.
func (n *peerNode) post(target string, parts ...part) answer {
	n.t.Helper()
	body, kind := form(n.t, parts...)
	return n.send(target, body, "Content-Type", kind)
}

// add puts content in with the project's options and returns its root.
func (n *peerNode) add(options string, parts ...part) string {
	n.t.Helper()
	a := n.post("add?"+pinfoldAdd+options, parts...)
	if a.status != 200 || a.trailer != "" {
		n.t.Fatalf("add: %d %s %s", a.status, a.body, a.trailer)
	}
	return a.field(n.t, "Hash")
}

// pattern is content that no chunk of repeats.
func pattern(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16 ^ i>>24)
	}
	return string(b)
}

// damaged adds a DAG of five leaves, removes the last and returns both.
func (n *peerNode) damaged(options string) (root, leaf string) {
	n.t.Helper()
	root = n.add(options, file("f", pattern(5_000_000)))
	leaf = n.ok("refs?arg="+root).field(n.t, "Ref")
	a := n.ok("block/rm?even-if-pinned=true&arg=" + leaf)
	if a.body != `{"Hash":"`+leaf+`"}`+"\n" {
		n.t.Fatalf("block/rm: %s", a.body)
	}
	return root, leaf
}

func (n *peerNode) connect(to *peerNode) {
	n.t.Helper()
	n.ok("swarm/connect?arg=" + to.swarm)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
