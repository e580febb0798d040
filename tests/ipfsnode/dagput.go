package main

import (
	"bytes"
	"fmt"
	"io"

	// Registers dag-pb, as the blank imports below do their own formats.
	_ "github.com/ipld/go-codec-dagpb"
	_ "github.com/ipld/go-ipld-prime/codec/dagcbor"
	_ "github.com/ipld/go-ipld-prime/codec/dagjson"
	_ "github.com/ipld/go-ipld-prime/codec/raw"

	"github.com/ipfs/go-cid"
	prime "github.com/ipld/go-ipld-prime"
	"github.com/ipld/go-ipld-prime/multicodec"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	mc "github.com/multiformats/go-multicodec"
	mh "github.com/multiformats/go-multihash"
)

// dagCodecs are those of dag/put: from what is sent to what is stored.
type dagCodecs struct {
	decode prime.Decoder
	encode prime.Encoder
	prefix cid.Prefix
}

func (c *call) dagCodecs() (*dagCodecs, error) {
	var in, store, hash mc.Code
	for _, o := range []struct {
		code          *mc.Code
		name, without string
	}{{&in, "input-codec", "dag-json"}, {&store, "store-codec", "dag-cbor"},
		{&hash, "hash", "sha2-256"}} {
		text := c.opt(o.name)
		if text == "" {
			text = o.without
		}
		if err := o.code.Set(text); err != nil {
			return nil, err
		}
	}
	d := &dagCodecs{prefix: cid.Prefix{Version: 1, Codec: uint64(store),
		MhType: uint64(hash), MhLength: -1}}
	if _, ok := mh.Codes[uint64(hash)]; !ok {
		return nil, fmt.Errorf("unrecognized multihash function: %s", hash)
	}
	var err error
	if d.decode, err = multicodec.LookupDecoder(uint64(in)); err != nil {
		return nil, err
	}
	d.encode, err = multicodec.LookupEncoder(uint64(store))
	return d, err
}

// dagPut stores each file of the request as one node.
func dagPut(c *call) error {
	d, err := c.dagCodecs()
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
		var data bytes.Buffer
		node := basicnode.Prototype.Any.NewBuilder()
		if err := d.decode(node, io.LimitReader(part, maxBlock+1)); err != nil {
			return err
		}
		if err := d.encode(node.Build(), &data); err != nil {
			return err
		}
		if data.Len() > maxBlock {
			return errBigBlock
		}
		k, err := d.prefix.Sum(data.Bytes())
		if err != nil {
			return err
		}
		if err := c.putBlock(k, data.Bytes()); err != nil {
			return err
		}
		out := struct{ Cid map[string]string }{map[string]string{
			"/": k.String()}}
		if err := c.emit(out); err != nil {
			return err
		}
	}
}
