// A small IPFS node for tests: real libp2p, bitswap, flatfs, leveldb and
// pinner from boxo, with the part of Kubo's HTTP RPC that an agent, a proxy
// and the tests use. It never leaves the machine: both of its addresses must
// be loopback, and there is no bootstrap, DHT, mDNS or DNS in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// unlimited is what Kubo reports when no StorageMax is configured.
const unlimited = 1<<64 - 1

// stopLimit bounds the time between the signal and the exit. Handlers that
// wait for the GC lock cannot be cancelled, so they are left behind.
const stopLimit = 800 * time.Millisecond

func main() {
	log.SetFlags(0)
	log.SetPrefix("ipfsnode: ")
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(agentVersion())
		return
	}
	repo := flag.String("repo", "", "directory of keys, blocks and pins; "+
		"made on first use (required)")
	api := flag.String("api", "127.0.0.1:0",
		"RPC address, 127.0.0.1:PORT or /unix/PATH")
	swarm := flag.String("swarm", "127.0.0.1:0", "libp2p address")
	storage := flag.Uint64("storage-max", unlimited,
		"StorageMax that repo/stat reports")
	token := flag.String("token", "", "bearer token that every call needs")
	flag.Parse()
	if *repo == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*repo, *api, *swarm, *storage, *token); err != nil {
		log.Fatal(err)
	}
}

// serve runs the node until a signal or a shutdown call.
func serve(repo, api, swarm string, storage uint64, token string) error {
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// Refuse a bad address before anything is made on disk.
	if err := checkListen(api); err != nil {
		return fmt.Errorf("--api: %w", err)
	}
	n, err := openNode(repo, swarm)
	if err != nil {
		return err
	}
	n.storageMax, n.token, n.stop = storage, token, stop
	l, err := listen(api)
	if err != nil {
		n.close()
		return err
	}
	addr := apiAddr(l.Addr())
	if err := writeAPIFile(repo, addr); err != nil {
		n.close()
		return err
	}
	defer os.Remove(filepath.Join(repo, "api"))
	fmt.Printf("ready peer=%s api=%s swarm=%s\n",
		n.host.ID(), addr, n.host.Addrs()[0])
	return n.run(ctx, l)
}

// run answers RPC calls until ctx ends, then closes everything in stopLimit.
func (n *node) run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:     n.rpc(l.Addr()),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		n.closing.Store(true)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		grace, cancel := context.WithTimeout(context.Background(), stopLimit/4)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
		n.close()
	}()
	select {
	case <-done:
	case <-time.After(stopLimit):
		log.Print("stopped without waiting for running calls")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// writeAPIFile leaves the RPC multiaddr where Kubo leaves it. It appears
// complete or not at all, because its appearance means "listening".
func writeAPIFile(repo, addr string) error {
	path := filepath.Join(repo, "api")
	if err := os.WriteFile(path+".new", []byte(addr), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
