package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/peering"
	pin "github.com/ipfs/boxo/pinning/pinner"
	"github.com/ipfs/boxo/pinning/pinner/dspinner"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/mount"
	flatfs "github.com/ipfs/go-ds-flatfs"
	leveldb "github.com/ipfs/go-ds-leveldb"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
)

type node struct {
	repo       string
	storageMax uint64
	token      string
	store      *mount.Datastore
	bs         blockstore.GCBlockstore
	host       host.Host
	bw         *metrics.BandwidthCounter
	bitswap    *bitswap.Bitswap
	blocks     blockservice.BlockService // asks connected peers
	own        blockservice.BlockService // never touches the network
	dag        ipld.DAGService           // on blocks
	local      ipld.DAGService           // on own
	pins       pin.Pinner
	peering    *peering.PeeringService
	stop       context.CancelFunc // ends the process, as SIGTERM does
	closing    atomic.Bool        // set once the end has begun
	once       sync.Once
}

func tcpAddr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }

// openStore opens blocks and pins as Kubo lays them out. Both are written
// without fsync: tests survive kill -9 of the process, not a power cut.
func (n *node) openStore(ctx context.Context) error {
	blocks, err := flatfs.CreateOrOpen(filepath.Join(n.repo, "blocks"),
		flatfs.NextToLast(2), false)
	if err != nil {
		return err
	}
	// leveldb's lock file is also what keeps a second process out.
	meta, err := leveldb.NewDatastore(filepath.Join(n.repo, "datastore"),
		&leveldb.Options{NoSync: true})
	if err != nil {
		blocks.Close()
		return fmt.Errorf("repository %s (is another node using it?): %w",
			n.repo, err)
	}
	n.store = mount.New([]mount.Mount{
		{Prefix: ds.NewKey("/blocks"), Datastore: blocks},
		{Prefix: ds.NewKey("/"), Datastore: meta},
	})
	cached, err := blockstore.CachedBlockstore(ctx,
		blockstore.NewBlockstore(n.store),
		blockstore.CacheOpts{HasTwoQueueCacheSize: 64 << 10})
	if err != nil {
		return err
	}
	n.bs = blockstore.NewGCBlockstore(blockstore.NewIdStore(cached),
		blockstore.NewGCLocker())
	return nil
}

func openNode(repo, swarm string) (n *node, err error) {
	if _, err := parseTCP(swarm); err != nil {
		return nil, fmt.Errorf("--swarm: %w", err)
	}
	if err := os.MkdirAll(repo, 0o700); err != nil {
		return nil, err
	}
	// Its own context: bitswap must outlive the signal until close().
	ctx := context.Background()
	n = &node{repo: repo, storageMax: unlimited, stop: func() {},
		bw: metrics.NewBandwidthCounter()}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if err := n.openStore(ctx); err != nil {
		return n, err
	}
	if n.host, err = newHost(repo, swarm, n.bw); err != nil {
		return n, err
	}
	n.bitswap = bitswap.New(ctx, bsnet.NewFromIpfsHost(n.host), nil, n.bs)
	n.blocks = blockservice.New(n.bs, n.bitswap)
	n.own = blockservice.New(n.bs, offline.Exchange(n.bs))
	n.dag = merkledag.NewDAGService(n.blocks)
	n.local = merkledag.NewDAGService(n.own)
	// As in Kubo the pinner fetches online even for offline=true calls.
	if n.pins, err = dspinner.New(ctx, n.store, n.dag); err != nil {
		return n, err
	}
	n.peering = peering.NewPeeringService(n.host)
	return n, n.peering.Start()
}

// close is safe on a half opened node and may be called twice.
func (n *node) close() {
	n.once.Do(func() {
		n.closing.Store(true)
		if n.peering != nil {
			n.peering.Stop()
		}
		if n.pins != nil {
			n.pins.Close()
		}
		if n.bitswap != nil {
			n.bitswap.Close()
		}
		if n.host != nil {
			n.host.Close()
		}
		if n.store != nil {
			n.store.Close()
		}
	})
}
