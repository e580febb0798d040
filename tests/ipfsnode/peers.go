package main

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

type peerIdentity struct {
	ID           string
	PublicKey    []byte
	Addresses    []string
	AgentVersion string
	Protocols    []protocol.ID
}

// who describes a peer as far as the peerstore knows it.
func (n *node) who(p peer.ID, agent string, addrs []ma.Multiaddr,
	protos []protocol.ID) (peerIdentity, error) {
	out := peerIdentity{ID: p.String(), AgentVersion: agent,
		Protocols: slices.Sorted(slices.Values(protos))}
	if key := n.host.Peerstore().PubKey(p); key != nil {
		raw, err := crypto.MarshalPublicKey(key)
		if err != nil {
			return out, err
		}
		out.PublicKey = raw
	}
	full, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: p, Addrs: addrs})
	if err != nil {
		return out, err
	}
	for _, a := range full {
		out.Addresses = append(out.Addresses, a.String())
	}
	slices.Sort(out.Addresses)
	return out, nil
}

// id answers for this node: asking others would need routing.
func id(c *call) error {
	if len(c.args) > 0 && c.args[0] != c.host.ID().String() {
		return errors.New("the test node knows no identity but its own")
	}
	out, err := c.who(c.host.ID(), agentVersion(), c.host.Addrs(),
		c.host.Mux().Protocols())
	if err != nil {
		return err
	}
	return c.one(out)
}

// version names the Kubo release that is followed, and says in Commit that
// this is not it.
func version(c *call) error {
	return c.one(struct{ Version, Commit, Repo, System, Golang string }{
		rpcVersion, "pinfold-testnode-" + nodeVersion, "18",
		runtime.GOARCH + "/" + runtime.GOOS, runtime.Version()})
}

func healthy(c *call) error {
	if c.closing.Load() {
		return errors.New("node is shutting down")
	}
	return c.one("ok")
}

func shutdown(c *call) error {
	c.closing.Store(true)
	c.stop()
	return nil
}

// addrs reads the arguments as peers on this machine. Others are refused
// here, because a dial error would not say why.
func (c *call) addrs() ([]peer.AddrInfo, error) {
	var all []ma.Multiaddr
	for _, text := range c.args {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, err
		}
		ip, _ := peer.SplitAddr(a)
		if ip != nil && !manet.IsIPLoopback(ip) {
			return nil, fmt.Errorf("%s is not a loopback address; "+
				"the test node stays on this machine", text)
		}
		all = append(all, a)
	}
	return peer.AddrInfosFromP2pAddrs(all...)
}

func swarmConnect(c *call) error {
	for _, text := range c.args {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return err
		}
		if _, p := peer.SplitAddr(a); p == "" {
			return fmt.Errorf("found no ipfs peers at %s", text)
		}
	}
	infos, err := c.addrs()
	if err != nil {
		return err
	}
	var out []string
	for _, ai := range infos {
		if err := c.host.Connect(c.ctx, ai); err != nil {
			return fmt.Errorf("connect %s failure: %w", ai.ID, err)
		}
		out = append(out, fmt.Sprintf("connect %s success", ai.ID))
	}
	return c.one(object{"Strings": out})
}

func swarmDisconnect(c *call) error {
	infos, err := c.addrs()
	if err != nil {
		return err
	}
	var out []string
	for _, ai := range infos {
		text := fmt.Sprintf("disconnect %s ", ai.ID)
		if c.host.Network().Connectedness(ai.ID) != network.Connected {
			text += "failure: conn not found"
		} else if err := c.host.Network().ClosePeer(ai.ID); err != nil {
			text += "failure: " + err.Error()
		} else {
			text += "success"
		}
		out = append(out, text)
	}
	return c.one(object{"Strings": out})
}

type connection struct {
	Addr      string            `json:",omitempty"`
	Peer      string            `json:",omitempty"`
	Latency   string            `json:",omitempty"`
	Direction network.Direction `json:",omitempty"`
	Streams   []object          `json:",omitempty"`
	Identify  peerIdentity
}

func (c *call) describeConn(conn network.Conn) (connection, error) {
	all, p := c.flag("verbose", false), conn.RemotePeer()
	out := connection{Addr: conn.RemoteMultiaddr().String(),
		Peer: p.String()}
	if all || c.flag("direction", false) {
		out.Direction = conn.Stat().Direction
	}
	if all || c.flag("latency", false) {
		out.Latency = "n/a"
		if l := c.host.Peerstore().LatencyEWMA(p); l > 0 {
			out.Latency = l.String()
		}
	}
	if all || c.flag("streams", false) {
		for _, s := range conn.GetStreams() {
			out.Streams = append(out.Streams,
				object{"Protocol": s.Protocol()})
		}
	}
	if !all && !c.flag("identify", false) {
		return out, nil
	}
	agent, _ := c.host.Peerstore().Get(p, "AgentVersion")
	name, _ := agent.(string) // absent until the peer has said it
	protos, err := c.host.Peerstore().GetProtocols(p)
	if err != nil {
		return out, err
	}
	out.Identify, err = c.who(p, name, c.host.Peerstore().Addrs(p), protos)
	return out, err
}

func swarmPeers(c *call) error {
	var out []connection // null when there is none, as in Kubo
	for _, conn := range c.host.Network().Conns() {
		one, err := c.describeConn(conn)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b connection) int {
		return cmp.Compare(a.Peer, b.Peer)
	})
	return c.one(object{"Peers": out})
}

func peeringAdd(c *call) error {
	infos, err := c.addrs()
	if err != nil {
		return err
	}
	for _, ai := range infos {
		c.peering.AddPeer(ai)
		err := c.emit(object{"ID": ai.ID, "Status": "success"})
		if err != nil {
			return err
		}
	}
	return nil
}

func peeringRm(c *call) error {
	for _, a := range c.args {
		p, err := peer.Decode(a)
		if err != nil {
			return err
		}
		c.peering.RemovePeer(p)
		err = c.emit(object{"ID": p, "Status": "success"})
		if err != nil {
			return err
		}
	}
	return nil
}

func peeringLs(c *call) error {
	out := c.peering.ListPeers()
	if out == nil {
		out = []peer.AddrInfo{}
	}
	return c.one(object{"Peers": out})
}

// traffic reads the counters that the options name.
func (c *call) traffic() (metrics.Stats, error) {
	if c.has("proto") {
		return c.bw.GetBandwidthForProtocol(
			protocol.ID(c.opt("proto"))), nil
	}
	if !c.has("peer") {
		return c.bw.GetBandwidthTotals(), nil
	}
	p, err := peer.Decode(c.opt("peer"))
	if err != nil {
		return metrics.Stats{}, err
	}
	return c.bw.GetBandwidthForPeer(p), nil
}

func statsBW(c *call) error {
	if c.has("peer") && c.has("proto") {
		return clientError("please only specify peer OR protocol")
	}
	every := time.Second
	if c.has("interval") {
		var err error
		if every, err = time.ParseDuration(c.opt("interval")); err != nil {
			return err
		}
		if every <= 0 {
			return clientError("interval must be positive")
		}
	}
	for {
		s, err := c.traffic()
		if err != nil {
			return err
		}
		if err := c.emit(s); err != nil || !c.flag("poll", false) {
			return err
		}
		select {
		case <-time.After(every):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

func statsBitswap(c *call) error {
	s, err := c.bitswap.Stat()
	if err != nil {
		return err
	}
	return c.one(s)
}
