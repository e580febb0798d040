package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	legacy "github.com/ipfs/go-ipld-legacy"
	car "github.com/ipld/go-car/v2"
	// Codecs that an export may have to walk.
	_ "github.com/ipld/go-codec-dagpb"
	_ "github.com/ipld/go-ipld-prime/codec/dagcbor"
	_ "github.com/ipld/go-ipld-prime/codec/dagjson"
	_ "github.com/ipld/go-ipld-prime/codec/raw"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/traversal/selector/parse"
)

// carBatch is how much of an import is held before it is written.
const carBatch = 16 << 20

// reader serves a traversal's blocks from this call's block service.
type reader struct{ *call }

func (r reader) Has(ctx context.Context, key string) (bool, error) {
	_, err := r.Get(ctx, key)
	if ipld.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func (r reader) Get(_ context.Context, key string) ([]byte, error) {
	k, err := cid.Cast([]byte(key))
	if err != nil {
		return nil, err
	}
	nd, err := r.getter().Get(r.ctx, k)
	if err != nil {
		return nil, err
	}
	return nd.RawData(), nil
}

// opener sends the header with the first bytes of the CAR.
type opener struct{ *call }

func (o opener) Write(b []byte) (int, error) {
	o.start("application/vnd.ipld.car", "X-Stream-Output")
	return o.w.Write(b)
}

func dagExport(c *call) error {
	root, err := c.arg(0)
	if err != nil {
		return err
	}
	// Without its root an export fails at once instead of in the trailer.
	if _, err := c.raw().GetBlock(c.ctx, root); err != nil {
		return err
	}
	links := cidlink.DefaultLinkSystem()
	links.SetReadStorage(reader{c})
	_, err = car.TraverseV1(c.ctx, &links, root,
		selectorparse.CommonSelector_ExploreAllRecursively, opener{c},
		car.AllowDuplicatePuts(false))
	if errors.Is(err, ipld.ErrNotFound{}) && c.flag("offline", false) {
		err = fmt.Errorf("%s (currently offline, perhaps retry without "+
			"the offline flag)", err)
	}
	return err
}

// carImport is one dag/import: what came so far and is not yet written.
type carImport struct {
	*call
	roots   *cid.Set
	count   uint64
	size    uint64
	batch   []blocks.Block
	pending int
}

func (m *carImport) flush() error {
	err := m.own.AddBlocks(m.ctx, m.batch)
	if err == nil {
		err = m.bitswap.NotifyNewBlocks(m.ctx, m.batch...)
	}
	m.batch, m.pending = nil, 0
	return err
}

// place says how far a broken file was good.
func place(last, at blocks.Block, err error) error {
	if at != nil {
		return fmt.Errorf("import failed at block %q: %w", at.Cid(), err)
	}
	if last != nil {
		return fmt.Errorf("import failed after block %q: %w",
			last.Cid(), err)
	}
	return fmt.Errorf("import failed: %w", err)
}

func (m *carImport) file(part *multipart.Part) error {
	br, err := car.NewBlockReader(part)
	if err == io.EOF { // an empty file is no error
		return nil
	}
	if err != nil {
		return err
	}
	for _, k := range br.Roots {
		m.roots.Add(k)
	}
	decode := legacy.NewDecoder()
	var last blocks.Block
	for {
		b, err := br.Next() // checks the hash
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return place(last, b, err)
		}
		size := len(b.RawData())
		if size > maxBlock && !m.flag("allow-big-block", false) {
			return place(last, b, errBigBlock)
		}
		if _, err := decode.DecodeNode(m.ctx, b); err != nil {
			return place(last, b, err)
		}
		m.batch, last = append(m.batch, b), b
		m.count, m.size, m.pending = m.count+1, m.size+uint64(size),
			m.pending+size
		if m.pending > carBatch {
			if err := m.flush(); err != nil {
				return err
			}
		}
	}
}

// pinRoots waits on the network for blocks that the CAR lacks, as Kubo does
// although it imports offline.
func (m *carImport) pinRoots() error {
	return m.roots.ForEach(func(k cid.Cid) error {
		msg := ""
		nd, err := m.local.Get(m.ctx, k)
		if err == nil {
			err = m.pins.Pin(m.ctx, nd, true, "")
		}
		if err == nil {
			err = m.pins.Flush(m.ctx)
		}
		if err != nil {
			msg = err.Error()
		}
		return m.emit(object{"Root": object{"Cid": k, "PinErrorMsg": msg}})
	})
}

func dagImport(c *call) error {
	m := &carImport{call: c, roots: cid.NewSet()}
	pinned := c.flag("pin-roots", true)
	if pinned { // held for the whole upload
		unlock := c.bs.PinLock(c.ctx)
		defer unlock.Unlock(c.ctx)
	}
	for {
		part, err := c.form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := m.file(part); err != nil {
			return err
		}
	}
	if err := m.flush(); err != nil {
		return err
	}
	if pinned {
		if err := m.pinRoots(); err != nil {
			return err
		}
	}
	if !c.flag("stats", false) {
		return nil
	}
	return c.emit(struct{ Stats any }{
		struct{ BlockCount, BlockBytesCount uint64 }{m.count, m.size}})
}
