package main

import "runtime/debug"

const (
	nodeVersion = "0.1.0"
	// rpcVersion is the Kubo release whose RPC this program follows. It is
	// what `version` answers, because clients gate on it; agentVersion says
	// who is really speaking.
	rpcVersion = "0.43.0"
)

// boxoVersion is read from the binary, so that it cannot lie after an update.
func boxoVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/ipfs/boxo" {
				return m.Version
			}
		}
	}
	return "of unknown version"
}

func agentVersion() string {
	return "pinfold-testnode/" + nodeVersion + " (boxo " + boxoVersion() + ")"
}
