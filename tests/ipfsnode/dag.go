package main

import (
	"fmt"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// walk visits every node under root once, depth first, parents first.
func (c *call) walk(root cid.Cid, visit func(ipld.Node) error) error {
	ng := merkledag.NewSession(c.ctx, c.getter())
	seen := cid.NewSet()
	var down func(cid.Cid) error
	down = func(k cid.Cid) error {
		if !seen.Visit(k) {
			return nil
		}
		nd, err := ng.Get(c.ctx, k)
		if err != nil {
			return err
		}
		if err := visit(nd); err != nil {
			return err
		}
		for _, l := range nd.Links() {
			if err := down(l.Cid); err != nil {
				return err
			}
		}
		return nil
	}
	return down(root)
}

type dagSize struct {
	Cid       string
	Size      uint64 `json:",omitempty"`
	NumBlocks int64  `json:",omitempty"`
}

type dagSummary struct {
	UniqueBlocks int        `json:",omitempty"`
	TotalSize    uint64     `json:",omitempty"`
	SharedSize   uint64     `json:",omitempty"`
	Ratio        float32    `json:",omitempty"`
	DagStats     []*dagSize `json:",omitempty"`
}

// dagStat writes the whole summary once a block unless progress=false is
// given: the costly default that Kubo has over HTTP.
func dagStat(c *call) error {
	var sum dagSummary
	unique, all := cid.NewSet(), uint64(0)
	progress := c.flag("progress", true)
	for i := range c.args {
		k, err := c.arg(i)
		if err != nil {
			return err
		}
		if _, err := c.getter().Get(c.ctx, k); err != nil {
			return err
		}
		one := &dagSize{Cid: k.String()}
		sum.DagStats = append(sum.DagStats, one)
		err = c.walk(k, func(nd ipld.Node) error {
			size := uint64(len(nd.RawData()))
			one.NumBlocks++
			one.Size += size
			all += size
			if unique.Visit(nd.Cid()) {
				sum.TotalSize += size
			}
			if progress {
				return c.emit(sum)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("error traversing DAG: %w", err)
		}
	}
	sum.UniqueBlocks = unique.Len()
	sum.SharedSize = all - sum.TotalSize
	if sum.TotalSize > 0 {
		sum.Ratio = float32(all) / float32(sum.TotalSize)
	}
	return c.emit(sum)
}

type refLine struct{ Ref, Err string }

// refWalk lists links. Each is fetched before it is named, also a leaf.
type refWalk struct {
	*call
	ng     ipld.NodeGetter
	unique bool
	depth  int // -1 is without limit
	format string
	seen   map[string]int // where a CID was met, if unique
}

// visit says whether to go below k and whether to name it.
func (w *refWalk) visit(k cid.Cid, depth int) (deeper, named bool) {
	if w.depth >= 0 && depth > w.depth {
		return false, false
	}
	deeper = w.depth < 0 || depth < w.depth
	if !w.unique {
		return deeper, true
	}
	old, met := w.seen[k.KeyString()]
	if met && (w.depth < 0 || old <= depth) {
		return false, false
	}
	w.seen[k.KeyString()] = depth
	return deeper, !met
}

func (w *refWalk) down(nd ipld.Node, depth int) error {
	nodes := ipld.GetDAG(w.ctx, w.ng, nd) // fetches all at once
	for i, l := range nd.Links() {
		deeper, named := w.visit(l.Cid, depth)
		if !deeper && !named {
			continue
		}
		child, err := nodes[i].Get(w.ctx)
		if err != nil {
			return err
		}
		if named {
			text := strings.NewReplacer("<src>", nd.Cid().String(),
				"<dst>", l.Cid.String(), "<linkname>", l.Name)
			err := w.emit(refLine{Ref: text.Replace(w.format)})
			if err != nil {
				return err
			}
		}
		if deeper {
			if err := w.down(child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func refs(c *call) error {
	w := &refWalk{call: c, ng: merkledag.NewSession(c.ctx, c.getter()),
		unique: c.flag("unique", false), depth: 1, format: "<dst>",
		seen: map[string]int{}}
	if c.flag("recursive", false) {
		w.depth = int(c.number("max-depth", -1))
	}
	if c.has("format") {
		w.format = c.opt("format")
	}
	if c.flag("edges", false) {
		w.format = "<src> -> <dst>"
	}
	for i := range c.args {
		k, err := c.arg(i)
		if err != nil {
			return err
		}
		nd, err := w.ng.Get(c.ctx, k)
		if err == nil {
			err = w.down(nd, 1)
		}
		if err != nil { // reported in the stream, which goes on
			if err := c.emit(refLine{Err: err.Error()}); err != nil {
				return err
			}
		}
	}
	return nil
}
