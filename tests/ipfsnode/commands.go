package main

import "strings"

// command describes one RPC command as far as the transport must know it.
type command struct {
	run    func(*call) error
	args   string // names; a last "x+" takes one or more, "x*" any number
	file   string // name of the multipart file that must be there
	shorts string // short option names, "t=type s=stream"
}

var commands map[string]command

func init() {
	commands = map[string]command{
		"id":           {run: id},
		"version":      {run: version},
		"shutdown":     {run: shutdown},
		"diag/healthy": {run: healthy},

		"pin/add": {run: pinAdd, args: "ipfs-path+",
			shorts: "r=recursive n=name"},
		"pin/rm": {run: pinRm, args: "ipfs-path+", shorts: "r=recursive"},
		"pin/ls": {run: pinLs, args: "ipfs-path*",
			shorts: "t=type n=names s=stream q=quiet"},
		"pin/update": {run: pinUpdate, args: "from-path to-path"},

		"repo/stat":  {run: repoStat},
		"stats/repo": {run: repoStat},
		"repo/gc":    {run: repoGC},
		"refs/local": {run: refsLocal},

		"block/get":  {run: blockGet, args: "cid"},
		"block/stat": {run: blockStat, args: "cid"},
		"block/put":  {run: blockPut, file: "data"},
		"block/rm":   {run: blockRm, args: "cid+", shorts: "f=force"},

		"dag/stat":   {run: dagStat, args: "root+", shorts: "p=progress"},
		"dag/export": {run: dagExport, args: "root"},
		"dag/import": {run: dagImport, file: "path"},
		"dag/put":    {run: dagPut, file: "object data"},
		"refs": {run: refs, args: "ipfs-path+",
			shorts: "r=recursive u=unique e=edges"},

		"add": {run: add, file: "path", shorts: "p=progress n=only-hash " +
			"w=wrap-with-directory s=chunker t=trickle"},
		"cat": {run: cat, args: "ipfs-path+", shorts: "o=offset l=length"},
		"ls":  {run: ls, args: "ipfs-path+", shorts: "s=stream"},
		"resolve": {run: resolve, args: "name",
			shorts: "r=recursive"},
		"files/stat": {run: filesStat, args: "path"},

		"swarm/connect":     {run: swarmConnect, args: "address+"},
		"swarm/disconnect":  {run: swarmDisconnect, args: "address+"},
		"swarm/peers":       {run: swarmPeers, shorts: "v=verbose"},
		"swarm/peering/add": {run: peeringAdd, args: "address+"},
		"swarm/peering/rm":  {run: peeringRm, args: "ID+"},
		"swarm/peering/ls":  {run: peeringLs},

		"stats/bw":      {run: statsBW, shorts: "p=peer t=proto i=interval"},
		"stats/bitswap": {run: statsBitswap},
	}
}

// optionTypes holds the options that are not text. Kubo refuses a value of
// the wrong type before it runs anything, and ignores options it lacks.
var optionTypes = map[string]string{}

func init() {
	for _, name := range strings.Fields("allow-big-block direction edges " +
		"even-if-pinned force identify inline latency names offline " +
		"only-hash pin pin-roots poll progress quiet quieter raw-leaves " +
		"recursive resolve-type silent size size-only stats stream " +
		"stream-channels stream-errors streams trickle unique unpin " +
		"verbose with-local wrap-with-directory") {
		optionTypes[name] = "bool"
	}
	for _, name := range strings.Fields("cid-version inline-limit " +
		"max-depth max-directory-links max-file-links max-hamt-fanout " +
		"mhlen") {
		optionTypes[name] = "int"
	}
	optionTypes["offset"], optionTypes["length"] = "int64", "int64"
}

// shortNames turns "t=type s=stream" into a map.
func shortNames(s string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Fields(s) {
		short, long, _ := strings.Cut(pair, "=")
		out[short] = long
	}
	return out
}

// find splits a path below /api/v0/ into a command and the argument that
// follows when the last segment names no subcommand (/cat/<cid>).
func find(path string) (cmd command, arg string, ok bool) {
	name := strings.Trim(path, "/")
	if cmd, ok = commands[name]; ok {
		return cmd, "", true
	}
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return command{}, "", false
	}
	cmd, ok = commands[name[:i]]
	return cmd, name[i+1:], ok
}
