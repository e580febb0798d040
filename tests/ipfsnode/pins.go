package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
)

// progressEvery is Kubo's interval between two progress objects.
const progressEvery = 500 * time.Millisecond

const maxPinName = 255

func checkPinName(name string) error {
	if len(name) > maxPinName {
		return fmt.Errorf("pin name is %d bytes (max %d bytes)",
			len(name), maxPinName)
	}
	return nil
}

func texts(list []cid.Cid) []string {
	out := make([]string, len(list))
	for i, k := range list {
		out[i] = k.String()
	}
	return out
}

// pinOne has Kubo's order: the root is fetched without the lock, the rest
// with it. So a pin whose root is here but whose leaf is not blocks GC, and
// one whose root cannot be found does not.
func (c *call) pinOne(ctx context.Context, arg string) (cid.Cid, error) {
	k, err := c.lookup(arg)
	if err != nil {
		return k, err
	}
	nd, err := c.getter().Get(ctx, k)
	if err != nil {
		return k, fmt.Errorf("pin: %w", err)
	}
	unlock := c.bs.PinLock(ctx)
	defer unlock.Unlock(ctx)
	err = c.pins.Pin(ctx, nd, c.flag("recursive", true), c.opt("name"))
	if err != nil {
		return k, fmt.Errorf("pin: %w", err)
	}
	return k, c.pins.Flush(ctx)
}

func pinAdd(c *call) error {
	if err := checkPinName(c.opt("name")); err != nil {
		return err
	}
	var added []cid.Cid
	work := func(ctx context.Context) error {
		for _, a := range c.args {
			k, err := c.pinOne(ctx, a)
			if err != nil {
				return err
			}
			added = append(added, k)
		}
		return nil
	}
	if !c.flag("progress", false) {
		if err := work(c.ctx); err != nil {
			return err
		}
		return c.one(object{"Pins": texts(added)})
	}
	if err := c.withProgress(work); err != nil {
		return err
	}
	return c.emit(object{"Pins": texts(added)})
}

// withProgress runs work and reports on it. Unlike plain calls it answers at
// its deadline even while work waits for the GC lock, as Kubo does.
func (c *call) withProgress(work func(context.Context) error) error {
	track := new(merkledag.ProgressTracker)
	done := make(chan error, 1)
	ctx := track.DeriveContext(c.ctx)
	go func() { done <- work(ctx) }()
	report := func(always bool) error {
		s := track.ProgressStat()
		if s.Nodes == 0 && !always {
			return nil
		}
		return c.emit(struct {
			Progress int    `json:",omitempty"`
			Bytes    uint64 `json:",omitempty"`
		}{s.Nodes, s.Bytes})
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			return report(false)
		case <-tick.C:
			if err := report(true); err != nil {
				return err
			}
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

func (c *call) unpin(arg string) (cid.Cid, error) {
	k, err := c.lookup(arg)
	if err != nil {
		return k, err
	}
	unlock := c.bs.PinLock(c.ctx)
	defer unlock.Unlock(c.ctx)
	err = c.pins.Unpin(c.ctx, k, c.flag("recursive", true))
	if err != nil {
		return k, err
	}
	return k, c.pins.Flush(c.ctx)
}

func pinRm(c *call) error {
	var gone []cid.Cid
	for _, a := range c.args {
		k, err := c.unpin(a)
		if err != nil {
			return err
		}
		gone = append(gone, k)
	}
	return c.one(object{"Pins": texts(gone)})
}

func pinUpdate(c *call) error {
	from, err := c.arg(0)
	if err != nil {
		return err
	}
	to, err := c.arg(1)
	if err != nil {
		return err
	}
	unlock := c.bs.PinLock(c.ctx)
	defer unlock.Unlock(c.ctx)
	err = c.pins.Update(c.ctx, from, to, c.flag("unpin", true))
	if err != nil {
		return err
	}
	if err := c.pins.Flush(c.ctx); err != nil {
		return err
	}
	return c.one(object{"Pins": texts([]cid.Cid{from, to})})
}
