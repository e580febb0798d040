package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// loopback refuses every connection that leaves the machine. Peers tell each
// other their addresses, so it is not enough to check those given by hand.
type loopback struct{}

func (loopback) InterceptPeerDial(peer.ID) bool { return true }

func (loopback) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool {
	return manet.IsIPLoopback(a)
}

func (loopback) InterceptAccept(c network.ConnMultiaddrs) bool {
	return manet.IsIPLoopback(c.RemoteMultiaddr())
}

func (loopback) InterceptSecured(network.Direction, peer.ID,
	network.ConnMultiaddrs) bool {
	return true
}

func (loopback) InterceptUpgraded(network.Conn) (
	bool, control.DisconnectReason) {
	return true, 0
}

// noDNS resolves nothing: libp2p would ask a server before the gate above
// sees the address.
type noDNS struct{}

var errNoDNS = errors.New("the test node does not resolve names")

func (noDNS) ResolveDNSAddr(context.Context, peer.ID, ma.Multiaddr,
	int, int) ([]ma.Multiaddr, error) {
	return nil, errNoDNS
}

func (noDNS) ResolveDNSComponent(context.Context, ma.Multiaddr,
	int) ([]ma.Multiaddr, error) {
	return nil, errNoDNS
}

// identity reads the repository's key, or makes one on first use.
func identity(path string) (crypto.PrivKey, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return crypto.UnmarshalPrivateKey(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	if b, err = crypto.MarshalPrivateKey(k); err != nil {
		return nil, err
	}
	return k, os.WriteFile(path, b, 0o600)
}

// networkKey reads the private network's key from where Kubo keeps it.
func networkKey(repo string) (pnet.PSK, error) {
	f, err := os.Open(filepath.Join(repo, "swarm.key"))
	if errors.Is(err, fs.ErrNotExist) {
		if pnet.ForcePrivateNetwork {
			return nil, errors.New(pnet.EnvKey + " is set but the " +
				"repository has no swarm.key")
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return pnet.DecodeV1PSK(f)
}

func newPeerstore(key crypto.PrivKey) (
	peer.ID, peerstore.Peerstore, error) {
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return "", nil, err
	}
	ps, err := pstoremem.NewPeerstore()
	if err != nil {
		return "", nil, err
	}
	if err := ps.AddPrivKey(self, key); err != nil {
		return "", nil, err
	}
	return self, ps, ps.AddPubKey(self, key.GetPublic())
}

// newHost assembles a TCP, Noise and Yamux host by hand: the libp2p package
// itself would compile in QUIC, WebRTC and WebTransport.
func newHost(repo, listen string, bw metrics.Reporter) (host.Host, error) {
	at, err := parseTCP(listen)
	if err != nil {
		return nil, err
	}
	addr, err := manet.FromNetAddr(tcpAddr(at))
	if err != nil {
		return nil, err
	}
	key, err := identity(filepath.Join(repo, "key"))
	if err != nil {
		return nil, err
	}
	psk, err := networkKey(repo)
	if err != nil {
		return nil, err
	}
	self, ps, err := newPeerstore(key)
	if err != nil {
		return nil, err
	}
	limits := &network.NullResourceManager{}
	bus := eventbus.NewBus()
	net, err := swarm.NewSwarm(self, ps, bus,
		swarm.WithConnectionGater(loopback{}),
		swarm.WithMultiaddrResolver(noDNS{}),
		swarm.WithResourceManager(limits), swarm.WithMetrics(bw))
	if err != nil {
		return nil, err
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID,
		Muxer: yamux.DefaultTransport}}
	secure, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, psk,
		limits, loopback{})
	if err != nil {
		return nil, err
	}
	transport, err := tcp.NewTCPTransport(up, limits, nil)
	if err != nil {
		return nil, err
	}
	if err := net.AddTransport(transport); err != nil {
		return nil, err
	}
	if err := net.Listen(addr); err != nil {
		net.Close()
		return nil, err
	}
	h, err := basichost.NewHost(net, &basichost.HostOpts{EventBus: bus,
		EnablePing: true, UserAgent: agentVersion()})
	if err != nil {
		net.Close()
		return nil, err
	}
	h.Start()
	return h, nil
}
