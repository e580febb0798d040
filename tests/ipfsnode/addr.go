package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const unixPrefix = "/unix/"

// parseTCP accepts 127.0.0.1:PORT, [::1]:PORT and their multiaddr forms.
// Names are refused: they would have to be looked up.
func parseTCP(s string) (netip.AddrPort, error) {
	hostport := s
	if strings.HasPrefix(s, "/") {
		m, err := ma.NewMultiaddr(s)
		if err != nil {
			return netip.AddrPort{}, err
		}
		network, dial, err := manet.DialArgs(m)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return netip.AddrPort{}, fmt.Errorf("%q is not a TCP address", s)
		}
		hostport = dial
	}
	a, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return a, fmt.Errorf("%q is not a numeric address with a port", s)
	}
	if !a.Addr().IsLoopback() {
		return a, fmt.Errorf("%q is not a loopback address; "+
			"the test node serves this machine only", s)
	}
	return a, nil
}

// socketPath returns the path of /unix/PATH, which has one slash of its own:
// /unix/tmp/api means /tmp/api.
func socketPath(s string) (string, bool) {
	if !strings.HasPrefix(s, unixPrefix) {
		return "", false
	}
	return "/" + strings.TrimLeft(s[len(unixPrefix):], "/"), true
}

func checkListen(s string) error {
	if path, ok := socketPath(s); ok {
		if len(path) > 107 {
			return fmt.Errorf("socket path of %d bytes (at most 107): %s",
				len(path), path)
		}
		return nil
	}
	_, err := parseTCP(s)
	return err
}

func listen(s string) (net.Listener, error) {
	if err := checkListen(s); err != nil {
		return nil, err
	}
	if path, ok := socketPath(s); ok {
		return listenUnix(path)
	}
	a, err := parseTCP(s)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", a.String())
}

// listenUnix replaces a socket that a killed node left behind, and nothing
// else: neither a plain file nor a socket that somebody still answers.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	if err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s exists and is not a socket", path)
		}
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("%s is in use by another process", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// apiAddr is the multiaddr of the RPC, as Kubo writes it to its api file.
func apiAddr(a net.Addr) string {
	if u, ok := a.(*net.UnixAddr); ok {
		return "/unix" + u.Name
	}
	m, err := manet.FromNetAddr(a)
	if err != nil {
		panic(err) // a TCP listener always has a multiaddr
	}
	return m.String()
}
