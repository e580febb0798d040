// Every call of IPFS Cluster's own client for Go (package api/rest/client)
// against a running cluster of Pinfold. It is built inside a checkout of the
// reference, which is not part of this repository: see
// tests/system/test_go_client.py.
//
// usage: goclient ADDRESSES PROXY FOLDER CID NODE [USER PASSWORD]
//
//	ADDRESSES  multiaddrs of the REST API, separated by commas
//	PROXY      a multiaddr of the IPFS proxy
//	FOLDER     files to add: "file" and a folder "dir" with two more
//	CID        content that a daemon of the cluster has
//	NODE       the peer ID of a node
//
// A line a check: "ok NAME" or "FAIL NAME: what". The exit code is 1 when one
// failed.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ipfs-cluster/ipfs-cluster/api"
	"github.com/ipfs-cluster/ipfs-cluster/api/rest/client"
	files "github.com/ipfs/boxo/files"
	shell "github.com/ipfs/go-ipfs-api"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

type world struct {
	ctx     context.Context
	c       client.Client
	configs []*client.Config
	folder  string
	cid     api.Cid
	node    peer.ID
	added   api.Cid
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func that(right bool, format string, values ...any) {
	if !right {
		panic(fmt.Errorf(format, values...))
	}
}

// code is the status with which the server refused.
func code(err error) int {
	var refused api.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

// collect reads what a streaming call sends.
func collect[T any](call func(chan<- T) error) []T {
	out := make(chan T, 16)
	ended := make(chan error, 1)
	go func() { ended <- call(out) }()
	var all []T
	for x := range out {
		all = append(all, x)
	}
	must(<-ended)
	return all
}

func (w *world) wait(c api.Cid, status api.TrackerStatus) api.GlobalPinInfo {
	ctx, cancel := context.WithTimeout(w.ctx, 60*time.Second)
	defer cancel()
	info, err := client.WaitFor(ctx, w.c, client.StatusFilterParams{
		Cid: c, Target: status, CheckFreq: 100 * time.Millisecond})
	must(err)
	return info
}

func (w *world) cluster() {
	id, err := w.c.ID(w.ctx)
	must(err)
	that(id.ID.Validate() == nil && len(id.ClusterPeers) > 1, "%+v", id)
	version, err := w.c.Version(w.ctx)
	must(err)
	that(version.Version != "", "no version")
	must(w.c.Health(w.ctx))
}

func (w *world) peers() {
	all := collect(func(out chan<- api.ID) error {
		return w.c.Peers(w.ctx, out)
	})
	found := false
	for _, p := range all {
		that(p.Error == "", "%s: %s", p.Peername, p.Error)
		found = found || p.ID == w.node
	}
	that(found, "%s is not among %d peers", w.node, len(all))
	joined, err := w.c.PeerAdd(w.ctx, w.node)
	must(err)
	that(joined.ID == w.node, "%s", joined.ID)
	_, key, err := crypto.GenerateEd25519Key(rand.Reader)
	must(err)
	stranger, err := peer.IDFromPublicKey(key)
	must(err)
	_, err = w.c.PeerAdd(w.ctx, stranger)
	that(code(err) == 404, "a stranger: %v", err)
	err = w.c.PeerRm(w.ctx, stranger)
	that(code(err) == 404, "removal of a stranger: %v", err)
}

func (w *world) options() api.PinOptions {
	origin, err := api.NewMultiaddr("/ip4/127.0.0.1/tcp/4001/p2p/" +
		w.node.String())
	must(err)
	return api.PinOptions{
		Name: "go client", ReplicationFactorMin: 1,
		ReplicationFactorMax: 2, UserAllocations: []peer.ID{w.node},
		ExpireAt: time.Now().Add(time.Hour),
		Metadata: map[string]string{"k": "v"},
		Origins:  []api.Multiaddr{origin}}
}

func (w *world) pin() {
	pin, err := w.c.Pin(w.ctx, w.cid, w.options())
	must(err)
	that(pin.Name == "go client" && pin.Metadata["k"] == "v" &&
		pin.ReplicationFactorMax == 2 && len(pin.Origins) == 1, "%+v", pin)
	info := w.wait(w.cid, api.TrackerStatusPinned)
	that(info.PeerMap[w.node.String()].Status == api.TrackerStatusPinned,
		"not on the node that was asked for: %v", info)
	pin, err = w.c.Allocation(w.ctx, w.cid)
	must(err)
	that(len(pin.Allocations) == 2 && pin.Cid.Equals(w.cid), "%+v", pin)
}

func (w *world) lists() {
	pins := collect(func(out chan<- api.Pin) error {
		return w.c.Allocations(w.ctx, api.DataType, out)
	})
	that(len(pins) == 1 && pins[0].Cid.Equals(w.cid), "%v", pins)
	pins = collect(func(out chan<- api.Pin) error {
		return w.c.Allocations(w.ctx, api.ShardType, out)
	})
	that(len(pins) == 0, "%v", pins)
	infos := collect(func(out chan<- api.GlobalPinInfo) error {
		return w.c.StatusAll(w.ctx, api.TrackerStatusPinned, false, out)
	})
	that(len(infos) == 1 && infos[0].Name == "go client", "%v", infos)
	infos = collect(func(out chan<- api.GlobalPinInfo) error {
		return w.c.StatusAll(w.ctx, api.TrackerStatusError, false, out)
	})
	that(len(infos) == 0, "%v", infos)
	infos = collect(func(out chan<- api.GlobalPinInfo) error {
		return w.c.StatusCids(w.ctx, []api.Cid{w.cid}, false, out)
	})
	that(len(infos) == 1, "%v", infos)
	info, err := w.c.Status(w.ctx, w.cid, true)
	must(err)
	that(len(info.PeerMap) == 1, "local: %v", info)
}

func (w *world) recover() {
	info, err := w.c.Recover(w.ctx, w.cid, false)
	must(err)
	that(info.Cid.Equals(w.cid), "%v", info)
	collect(func(out chan<- api.GlobalPinInfo) error {
		return w.c.RecoverAll(w.ctx, false, out)
	})
}

func (w *world) unpin() {
	pin, err := w.c.Unpin(w.ctx, w.cid)
	must(err)
	that(pin.Cid.Equals(w.cid), "%v", pin)
	w.wait(w.cid, api.TrackerStatusUnpinned)
	_, err = w.c.Unpin(w.ctx, w.cid)
	that(code(err) == 404, "twice: %v", err)
	_, err = w.c.Allocation(w.ctx, w.cid)
	that(code(err) == 404, "allocation: %v", err)
}

func (w *world) add(params api.AddParams, names ...string) []api.AddedOutput {
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(w.folder, name))
	}
	return collect(func(out chan<- api.AddedOutput) error {
		return w.c.Add(w.ctx, paths, params, out)
	})
}

func (w *world) uploads() {
	params := api.DefaultAddParams()
	params.Name = "added"
	out := w.add(params, "file")
	that(len(out) == 1 && out[0].Name == "file", "%v", out)
	w.added = out[0].Cid
	info := w.wait(w.added, api.TrackerStatusPinned)
	that(info.Name == "added", "%v", info)

	params.Recursive = true
	params.StreamChannels = false
	params.RawLeaves, params.CidVersion = true, 1
	out = w.add(params, "dir")
	that(len(out) == 3 && out[2].Name == "dir", "%v", out)
	w.wait(out[2].Cid, api.TrackerStatusPinned)

	params.NoPin = true
	params.Wrap = true
	out = w.add(params, "file", "dir")
	that(len(out) == 5 && out[4].Name == "", "%v", out)
	info, err := w.c.Status(w.ctx, out[4].Cid, false)
	must(err)
	for _, p := range info.PeerMap {
		that(p.Status == api.TrackerStatusUnpinned, "no-pin: %v", info)
	}

	params = api.DefaultAddParams()
	params.Shard = true
	ended := make(chan api.AddedOutput, 16)
	err = w.c.Add(w.ctx, []string{filepath.Join(w.folder, "file")}, params,
		ended)
	that(code(err) == 400, "shard: %v", err)
}

func (w *world) multifile() {
	params := api.DefaultAddParams()
	params.Progress = true
	node := files.NewMapDirectory(map[string]files.Node{
		"a": files.NewBytesFile([]byte("a of the go client"))})
	reader := files.NewMultiFileReader(node, true, false)
	out := collect(func(out chan<- api.AddedOutput) error {
		return w.c.AddMultiFile(w.ctx, reader, params, out)
	})
	last := out[len(out)-1]
	that(last.Cid.Defined(), "%v", out)
	w.wait(last.Cid, api.TrackerStatusPinned)
	must2(w.c.Unpin(w.ctx, last.Cid))
}

func must2[T any](_ T, err error) { must(err) }

func (w *world) paths() {
	at := "/ipfs/" + w.added.String()
	pin, err := w.c.PinPath(w.ctx, at, api.PinOptions{Name: "by path"})
	must(err)
	that(pin.Cid.Equals(w.added) && pin.Name == "by path", "%+v", pin)
	pin, err = w.c.UnpinPath(w.ctx, at)
	must(err)
	that(pin.Cid.Equals(w.added), "%+v", pin)
	w.wait(w.added, api.TrackerStatusUnpinned)
}

func (w *world) direct() {
	pin, err := w.c.Pin(w.ctx, w.added, api.PinOptions{
		Mode: api.PinModeDirect})
	must(err)
	that(pin.Mode == api.PinModeDirect, "%+v", pin)
	w.wait(w.added, api.TrackerStatusPinned)
	_, err = w.c.Pin(w.ctx, w.added, api.PinOptions{})
	that(err == nil || code(err) == 409, "%v", err)
	must2(w.c.Unpin(w.ctx, w.added))
}

func (w *world) update() {
	must2(w.c.Pin(w.ctx, w.added, api.PinOptions{Name: "old"}))
	w.wait(w.added, api.TrackerStatusPinned)
	pin, err := w.c.Pin(w.ctx, w.cid, api.PinOptions{PinUpdate: w.added})
	must(err)
	that(pin.Name == "old" && bytes.Equal(pin.PinUpdate.Hash(),
		w.added.Hash()), "name %q, from %s", pin.Name, pin.PinUpdate)
	w.wait(w.cid, api.TrackerStatusPinned)
}

func (w *world) observation() {
	_, err := w.c.Alerts(w.ctx)
	must(err)
	graph, err := w.c.GetConnectGraph(w.ctx)
	must(err)
	that(len(graph.ClusterLinks) > 0, "%+v", graph)
	names, err := w.c.MetricNames(w.ctx)
	must(err)
	that(len(names) > 0, "no metric")
	for _, name := range names {
		metrics, err := w.c.Metrics(w.ctx, name)
		must(err)
		that(len(metrics) > 0 && metrics[0].Name == name, "%s", name)
	}
	bandwidth, err := w.c.BandwidthByProtocol(w.ctx)
	must(err)
	that(len(bandwidth) == 0, "%v", bandwidth)
}

func (w *world) gc() {
	for _, local := range []bool{true, false} {
		done, err := w.c.RepoGC(w.ctx, local)
		must(err)
		for _, node := range done.PeerMap {
			that(node.Error == "", "%s: %s", node.Peername, node.Error)
		}
		that(len(done.PeerMap) > 0, "no node collected")
		that(!local || len(done.PeerMap) == 1, "%v", done)
	}
}

// proxy is the daemon's client that the package hands out.
func (w *world) proxy() {
	sh := w.c.IPFS(w.ctx)
	sh.SetTimeout(time.Minute)
	if w.configs[0].Username != "" { // the package does not pass it on
		_, err := sh.ID()
		that(err != nil && strings.Contains(err.Error(), "unauthorized"),
			"%v", err)
		return
	}
	added, err := sh.Add(strings.NewReader("through the proxy"),
		shell.Pin(true))
	must(err)
	pins, err := sh.Pins()
	must(err)
	that(pins[added].Type == "recursive", "%v", pins)
	body, err := sh.Cat(added)
	must(err)
	text, err := io.ReadAll(body)
	must(err)
	that(string(text) == "through the proxy", "%q", text)
	must(sh.Unpin(added))
}

func (w *world) balanced() {
	dead, err := ma.NewMultiaddr("/ip4/127.0.0.1/tcp/9")
	must(err)
	broken := *w.configs[0]
	broken.APIAddr = dead
	for _, strategy := range []client.LBStrategy{
		&client.Failover{}, &client.RoundRobin{}} {
		lb, err := client.NewLBClient(strategy,
			append([]*client.Config{&broken}, w.configs...),
			len(w.configs)+1)
		must(err)
		for range 4 {
			must2(lb.ID(w.ctx))
		}
	}
}

func (w *world) remove() {
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Minute)
	defer cancel()
	must(w.c.PeerRm(ctx, w.node))
	for _, p := range collect(func(out chan<- api.ID) error {
		return w.c.Peers(w.ctx, out)
	}) {
		that(p.ID != w.node, "still there")
	}
}

func check(name string, run func()) (right bool) {
	defer func() {
		if what := recover(); what != nil {
			fmt.Printf("FAIL %s: %v\n", name, what)
			right = false
		}
	}()
	run()
	fmt.Println("ok", name)
	return true
}

func configure(args []string) *world {
	w := &world{ctx: context.Background(), folder: args[2]}
	proxy, err := ma.NewMultiaddr(args[1])
	must(err)
	for _, text := range strings.Split(args[0], ",") {
		address, err := ma.NewMultiaddr(text)
		must(err)
		config := &client.Config{APIAddr: address, ProxyAddr: proxy,
			Timeout: time.Minute, LogLevel: "error"}
		if len(args) > 6 {
			config.Username, config.Password = args[5], args[6]
		}
		w.configs = append(w.configs, config)
	}
	w.cid, err = api.DecodeCid(args[3])
	must(err)
	w.node, err = peer.Decode(args[4])
	must(err)
	w.c, err = client.NewDefaultClient(w.configs[0])
	must(err)
	return w
}

func main() {
	if len(os.Args) != 6 && len(os.Args) != 8 {
		fmt.Fprintln(os.Stderr, "usage: goclient ADDRESSES PROXY FOLDER "+
			"CID NODE [USER PASSWORD]")
		os.Exit(2)
	}
	w := configure(os.Args[1:])
	failed := 0
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"ID Version Health", w.cluster},
		{"Peers PeerAdd", w.peers},
		{"Pin WaitFor Allocation", w.pin},
		{"Allocations StatusAll StatusCids Status", w.lists},
		{"Recover RecoverAll", w.recover},
		{"Unpin", w.unpin},
		{"RepoGC", w.gc}, // before an upload that nothing pins
		{"Add", w.uploads},
		{"AddMultiFile", w.multifile},
		{"PinPath UnpinPath", w.paths},
		{"PinModeDirect", w.direct},
		{"PinUpdate", w.update},
		{"Alerts GetConnectGraph Metrics MetricNames BandwidthByProtocol",
			w.observation},
		{"IPFS", w.proxy},
		{"NewLBClient Failover RoundRobin", w.balanced},
		{"PeerRm", w.remove},
	} {
		if !check(step.name, step.run) {
			failed++
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}
