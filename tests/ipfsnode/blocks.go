package main

import (
	"errors"
	"fmt"
	"io"

	pin "github.com/ipfs/boxo/pinning/pinner"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multicodec"
	mh "github.com/multiformats/go-multihash"
)

// maxBlock is what bitswap carries, so Kubo refuses to make bigger ones.
const maxBlock = 2 << 20

var errBigBlock = errors.New("produced block is over 2MiB: big blocks " +
	"can't be exchanged with other peers. consider using UnixFS for " +
	"automatic chunking of bigger files, or pass --allow-big-block to " +
	"override")

func (c *call) block() (blocks.Block, error) {
	k, err := c.arg(0)
	if err != nil {
		return nil, err
	}
	return c.raw().GetBlock(c.ctx, k)
}

func blockGet(c *call) error {
	b, err := c.block()
	if err != nil {
		return err
	}
	c.start("application/vnd.ipld.raw", "X-Stream-Output")
	_, err = c.w.Write(b.RawData())
	return err
}

type blockStatus struct {
	Key  string
	Size int
}

func blockStat(c *call) error {
	b, err := c.block()
	if err != nil {
		return err
	}
	return c.one(blockStatus{b.Cid().String(), len(b.RawData())})
}

// prefix reads the options that decide how block/put names a block.
func (c *call) prefix() (cid.Prefix, error) {
	p := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256,
		MhLength: int(c.number("mhlen", -1))}
	if c.has("mhtype") {
		code, ok := mh.Names[c.opt("mhtype")]
		if !ok {
			return p, fmt.Errorf("unrecognized multihash function: %s",
				c.opt("mhtype"))
		}
		p.MhType = code
	}
	if c.has("cid-codec") {
		var code multicodec.Code
		if err := code.Set(c.opt("cid-codec")); err != nil {
			return p, err
		}
		p.Codec = uint64(code)
	}
	return p, nil
}

func blockPut(c *call) error {
	p, err := c.prefix()
	if err != nil {
		return err
	}
	for {
		part, err := c.form.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(part, maxBlock+1))
		if err != nil {
			return err
		}
		if len(data) > maxBlock {
			return errBigBlock
		}
		k, err := p.Sum(data)
		if err != nil {
			return err
		}
		if err := c.putBlock(k, data); err != nil {
			return err
		}
		if err := c.emit(blockStatus{k.String(), len(data)}); err != nil {
			return err
		}
	}
}

// putBlock keeps one block. It takes the lock only to pin, so that a plain
// put does not wait behind a garbage collection.
func (c *call) putBlock(k cid.Cid, data []byte) error {
	b, err := blocks.NewBlockWithCid(data, k)
	if err != nil {
		return err
	}
	if !c.flag("pin", false) {
		return c.blocks.AddBlock(c.ctx, b)
	}
	unlock := c.bs.PinLock(c.ctx)
	defer unlock.Unlock(c.ctx)
	if err := c.blocks.AddBlock(c.ctx, b); err != nil {
		return err
	}
	if err := c.pins.PinWithMode(c.ctx, k, pin.Recursive, ""); err != nil {
		return err
	}
	return c.pins.Flush(c.ctx)
}
