package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	pin "github.com/ipfs/boxo/pinning/pinner"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	ipld "github.com/ipfs/go-ipld-format"
)

func repoStat(c *call) error {
	size, err := datastore.DiskUsage(c.ctx, c.store)
	if err != nil {
		return err
	}
	out := struct {
		RepoSize, StorageMax, NumObjects uint64
		RepoPath, Version                string
	}{RepoSize: size, StorageMax: c.storageMax}
	if !c.flag("size-only", false) {
		all, err := c.bs.AllKeysChan(c.ctx)
		if err != nil {
			return err
		}
		for range all {
			out.NumObjects++
		}
		out.RepoPath, out.Version = c.repo, "fs-repo@18"
	}
	return c.one(out)
}

// gc is one garbage collection; its errors are gathered, not fatal, until
// the blocks that must stay are known for certain.
type gc struct {
	*call
	keep map[string]struct{} // multihashes
	errs []error
}

// gcLine has a Key that is null beside an error, as Kubo's.
type gcLine struct {
	Key   *cid.Cid
	Error string `json:",omitempty"`
}

// fail reports an error in the stream or keeps it for the end.
func (g *gc) fail(err error) error {
	if g.flag("stream-errors", false) {
		return g.emit(gcLine{Error: err.Error()})
	}
	g.errs = append(g.errs, err)
	return nil
}

func (g *gc) visit(k cid.Cid) bool {
	h := string(k.Hash())
	_, seen := g.keep[h]
	g.keep[h] = struct{}{}
	return !seen
}

// mark finds what pins hold. A block that is missing below a pin stops the
// collection: what hangs under it would be taken for garbage.
func (g *gc) mark() error {
	missing := false
	links := func(ctx context.Context, k cid.Cid) ([]*ipld.Link, error) {
		l, err := ipld.GetLinks(ctx, g.local, k)
		if err == nil || ctx.Err() != nil {
			return l, err
		}
		missing = true
		return nil, g.fail(fmt.Errorf("could not retrieve links for %s: %s",
			k, err))
	}
	for p := range g.pins.RecursiveKeys(g.ctx, false) {
		if p.Err != nil {
			return p.Err
		}
		err := merkledag.Walk(g.ctx, links, p.Pin.Key, g.visit)
		if err != nil {
			return err
		}
	}
	for p := range g.pins.DirectKeys(g.ctx, false) {
		if p.Err != nil {
			return p.Err
		}
		g.visit(p.Pin.Key)
	}
	if missing {
		return errors.New("garbage collection aborted: could not " +
			"retrieve some links")
	}
	return nil
}

func (g *gc) sweep() error {
	all, err := g.bs.AllKeysChan(g.ctx)
	if err != nil {
		return err
	}
	silent := g.flag("silent", false) && !g.flag("stream-errors", false)
	for k := range all {
		if _, ok := g.keep[string(k.Hash())]; ok {
			continue
		}
		if err := g.bs.DeleteBlock(g.ctx, k); err != nil {
			err = fmt.Errorf("could not remove %s: %s", k, err)
			if err := g.fail(err); err != nil {
				return err
			}
			continue
		}
		if silent {
			continue
		}
		if err := g.emit(gcLine{Key: &k}); err != nil {
			return err
		}
	}
	return g.ctx.Err()
}

func repoGC(c *call) error {
	unlock := c.bs.GCLock(c.ctx)
	defer unlock.Unlock(c.ctx)
	g := &gc{call: c, keep: map[string]struct{}{}}
	err := g.mark()
	if err == nil {
		err = g.sweep()
	}
	if err != nil {
		if err := g.fail(err); err != nil {
			return err
		}
		if c.flag("stream-errors", false) {
			return errors.New("encountered errors during gc run")
		}
	}
	return joined(g.errs)
}

// joined puts several errors into one text as Kubo does.
func joined(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	var all []string
	for _, e := range errs {
		all = append(all, e.Error())
	}
	return errors.New(strings.Join(all, "; "))
}

func refsLocal(c *call) error {
	all, err := c.bs.AllKeysChan(c.ctx)
	if err != nil {
		return err
	}
	c.startJSON()
	for k := range all {
		if err := c.write(refLine{Ref: k.String()}); err != nil {
			return err
		}
	}
	return nil
}

// blockRm refuses pinned blocks, unless even-if-pinned=true is given. Kubo
// has no such option: it lets a test damage a pinned DAG.
func blockRm(c *call) error {
	unlock := c.bs.GCLock(c.ctx)
	defer unlock.Unlock(c.ctx)
	for i := range c.args {
		k, err := c.arg(i)
		if err != nil {
			return err
		}
		msg, err := c.removable(k)
		if err != nil {
			return err
		}
		if msg == "" {
			if err := c.bs.DeleteBlock(c.ctx, k); err != nil {
				return err
			}
		}
		if err := c.emit(struct {
			Hash  string
			Error string `json:",omitempty"`
		}{k.String(), msg}); err != nil {
			return err
		}
	}
	return nil
}

// removable says in words why a block stays, or nothing if it may go.
func (c *call) removable(k cid.Cid) (string, error) {
	if !c.flag("even-if-pinned", false) {
		got, err := c.pins.CheckIfPinned(c.ctx, k)
		if err != nil {
			return "", err
		}
		if got[0].Mode == pin.Indirect {
			return "pinned via " + got[0].Via.String(), nil
		}
		if got[0].Pinned() {
			return got[0].String(), nil
		}
	}
	has, err := c.bs.Has(c.ctx, k)
	if err != nil || has || c.flag("force", false) {
		return "", err
	}
	return "ipld: could not find " + k.String(), nil
}
