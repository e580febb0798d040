package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	chunk "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/files"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/boxo/ipld/unixfs/importer/trickle"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	pin "github.com/ipfs/boxo/pinning/pinner"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-cidutil"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
)

const (
	progressStep  = 256 << 10 // bytes between two Bytes events, as in Kubo
	defaultInline = 32
)

// null is where only-hash writes to.
type null struct{ ipld.DAGService }

func (null) Add(ctx context.Context, _ ipld.Node) error { return ctx.Err() }

func (null) AddMany(ctx context.Context, _ []ipld.Node) error {
	return ctx.Err()
}

// scratch is for directories of only-hash: sharded ones are read back.
func scratch() ipld.DAGService {
	bs := blockstore.NewBlockstore(
		dssync.MutexWrap(datastore.NewMapDatastore()))
	return merkledag.NewDAGService(
		blockservice.New(bs, offline.Exchange(bs)))
}

// added is one event. Its Size is a text: that is Kubo's format.
type added struct {
	Name       string
	Hash       string `json:",omitempty"`
	Bytes      int64  `json:",omitempty"`
	Size       string `json:",omitempty"`
	Mode       string `json:",omitempty"`
	Mtime      int64  `json:",omitempty"`
	MtimeNsecs int    `json:",omitempty"`
}

// adder holds the settings of one add and the entry that is under way.
type adder struct {
	*call
	dserv   ipld.DAGService
	dirs    ipld.DAGService
	builder cid.Builder
	leaves  bool       // raw leaves
	pinned  bool       // take the lock and pin the entry's root
	entry   files.Node // of the form's top level
	name    string     // of the entry
}

// built is a finished node; directories keep their parts for the events
// that come after all files.
type built struct {
	ipld.Node
	dir   bool
	parts map[string]*built
}

// cidBuilder applies Kubo's rules: another hash implies CIDv1, CIDv1
// implies raw leaves, and neither overrides what the client says.
func (a *adder) cidBuilder() error {
	code, name := uint64(mh.SHA2_256), strings.ToLower(a.opt("hash"))
	if name != "" {
		var ok bool
		if code, ok = mh.Names[name]; !ok {
			return fmt.Errorf("unrecognized hash function: %q", name)
		}
	}
	v := a.number("cid-version", -1)
	if code != mh.SHA2_256 {
		if v == 0 {
			return errors.New("CIDv0 only supports sha2-256")
		}
		if v < 0 {
			v = 1
		}
	}
	p, err := merkledag.PrefixForCidVersion(int(max(v, 0)))
	if err != nil {
		return err
	}
	p.MhType, p.MhLength = code, -1
	a.leaves = a.flag("raw-leaves", v > 0)
	a.builder = p
	if a.flag("inline", false) {
		a.builder = cidutil.InlineBuilder{Builder: p,
			Limit: int(a.number("inline-limit", defaultInline))}
	}
	return nil
}

func newAdder(c *call) (*adder, error) {
	a := &adder{call: c, dserv: c.dag, dirs: c.dag}
	if err := checkPinName(c.opt("pin-name")); err != nil {
		return nil, err
	}
	only := c.flag("only-hash", false)
	a.pinned = c.flag("pin", true) && !only
	if !a.pinned && c.has("pin-name") {
		return nil, errors.New("pin-name option requires pin to be set")
	}
	if only {
		a.dserv, a.dirs = null{}, scratch()
	}
	return a, a.cidBuilder()
}

// event names a part of the entry the way Kubo does: a file by the entry's
// name alone, what is in a directory by its path.
func (a *adder) event(at string, e added) error {
	if a.flag("silent", false) {
		return nil
	}
	_, dir := a.entry.(files.Directory)
	e.Name = path.Join(a.name, at)
	if !dir && a.name != "" {
		e.Name = a.name
	}
	if m := a.entry.Mode(); m != 0 {
		e.Mode = "0" + strconv.FormatUint(uint64(m), 8)
	}
	if t := a.entry.ModTime(); !t.IsZero() {
		e.Mtime, e.MtimeNsecs = t.Unix(), t.Nanosecond()
	}
	return a.emit(e)
}

func (a *adder) done(at string, nd ipld.Node) error {
	size, err := nd.Size()
	if err != nil {
		return err
	}
	return a.event(at, added{Hash: nd.Cid().String(),
		Size: strconv.FormatUint(size, 10)})
}

// counter reports how much of a file was read.
type counter struct {
	io.Reader
	n, told int64
	tell    func(int64) error
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	if c.n-c.told >= progressStep || err == io.EOF {
		c.told = c.n
		if err := c.tell(c.n); err != nil {
			return n, err
		}
	}
	return n, err
}

func (a *adder) file(at string, f io.Reader) (*built, error) {
	if a.flag("progress", false) {
		f = &counter{Reader: f, tell: func(n int64) error {
			return a.event(at, added{Bytes: n})
		}}
	}
	split, err := chunk.FromString(f, a.opt("chunker"))
	if err != nil {
		return nil, err
	}
	buf := ipld.NewBufferedDAG(a.ctx, a.dserv)
	links := a.number("max-file-links", int64(helpers.DefaultLinksPerBlock))
	params := helpers.DagBuilderParams{Dagserv: buf, Maxlinks: int(links),
		RawLeaves: a.leaves, CidBuilder: a.builder}
	db, err := params.New(split)
	if err != nil {
		return nil, err
	}
	layout := balanced.Layout
	if a.flag("trickle", false) {
		layout = trickle.Layout
	}
	nd, err := layout(db)
	if err != nil {
		return nil, err
	}
	if err := buf.Commit(); err != nil {
		return nil, err
	}
	if at == "" {
		at = nd.Cid().String()
	}
	return &built{Node: nd}, a.done(at, nd)
}

func (a *adder) symlink(at string, l *files.Symlink) (*built, error) {
	data, err := unixfs.SymlinkData(l.Target)
	if err != nil {
		return nil, err
	}
	nd := merkledag.NodeWithData(data)
	if err := nd.SetCidBuilder(a.builder); err != nil {
		return nil, err
	}
	if err := a.dserv.Add(a.ctx, nd); err != nil {
		return nil, err
	}
	return &built{Node: nd}, a.done(at, nd)
}

func (a *adder) directory(at string, d files.Directory) (*built, error) {
	dir, err := uio.NewDirectory(a.dirs, uio.WithCidBuilder(a.builder),
		uio.WithMaxLinks(int(a.number("max-directory-links", 0))),
		uio.WithMaxHAMTFanout(int(a.number("max-hamt-fanout",
			int64(uio.DefaultShardWidth)))),
		uio.WithSizeEstimationMode(uio.SizeEstimationBlock))
	if err != nil {
		return nil, err
	}
	out := &built{dir: true, parts: map[string]*built{}}
	it := d.Entries()
	for it.Next() {
		sub, err := a.node(path.Join(at, it.Name()), it.Node())
		if err != nil {
			return nil, err
		}
		name := it.Name()
		if name == "" { // a part without a file name
			name = sub.Cid().String()
		}
		if err := dir.AddChild(a.ctx, name, sub); err != nil {
			return nil, err
		}
		out.parts[name] = sub
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	if out.Node, err = dir.GetNode(); err != nil {
		return nil, err
	}
	return out, a.dirs.Add(a.ctx, out.Node)
}

func (a *adder) node(at string, n files.Node) (*built, error) {
	switch n := n.(type) {
	case files.Directory:
		return a.directory(at, n)
	case *files.Symlink:
		return a.symlink(at, n)
	case files.File:
		return a.file(at, n)
	}
	return nil, errors.New("unknown file type")
}

// tell names directories, the deepest first, once all files are named.
func (a *adder) tell(at string, b *built) error {
	if !b.dir {
		return nil
	}
	var names []string
	for name := range b.parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := a.tell(path.Join(at, name), b.parts[name]); err != nil {
			return err
		}
	}
	return a.done(at, b.Node)
}

// top adds and pins an entry of the top level. The pin is written without a
// walk: all blocks have just been made here.
func (a *adder) top(name string, n files.Node) error {
	a.name, a.entry = name, n
	if a.pinned {
		unlock := a.bs.PinLock(a.ctx)
		defer unlock.Unlock(a.ctx)
	}
	b, err := a.node("", n)
	if err != nil {
		return err
	}
	if err := a.tell("", b); err != nil || !a.pinned {
		return err
	}
	if err := a.dag.Add(a.ctx, b.Node); err != nil {
		return err
	}
	err = a.pins.PinWithMode(a.ctx, b.Cid(), pin.Recursive,
		a.opt("pin-name"))
	if err != nil {
		return err
	}
	return a.pins.Flush(a.ctx)
}

func add(c *call) error {
	a, err := newAdder(c)
	if err != nil {
		return err
	}
	form, err := files.NewFileFromPartReader(c.form, "multipart/form-data")
	if err != nil {
		return err
	}
	if c.flag("wrap-with-directory", false) {
		return a.top("", form)
	}
	n, it := 0, form.Entries()
	for ; it.Next(); n++ {
		if err := a.top(it.Name(), it.Node()); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("expected a file argument")
	}
	return nil
}
