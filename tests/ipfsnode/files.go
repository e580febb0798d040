package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	pb "github.com/ipfs/boxo/ipld/unixfs/pb"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

func (c *call) nodeAt(arg string) (ipld.Node, error) {
	k, err := c.lookup(arg)
	if err != nil {
		return nil, err
	}
	return c.getter().Get(c.ctx, k)
}

// catPart opens one argument of cat from offset on. It returns the bytes
// that are left of the offset when the file is too short for it.
func (c *call) catPart(arg string, offset int64) (
	r io.Reader, size, left int64, err error) {
	nd, err := c.nodeAt(arg)
	if err != nil {
		return nil, 0, 0, err
	}
	if _, err := uio.NewDirectoryFromNode(c.getter(), nd); err == nil {
		return nil, 0, 0, errors.New("this dag node is a directory")
	}
	dr, err := uio.NewDagReader(c.ctx, nd, c.getter())
	if err != nil {
		return nil, 0, 0, err
	}
	size = int64(dr.Size())
	if offset > size {
		return nil, 0, offset - size, nil
	}
	_, err = dr.Seek(offset, io.SeekStart)
	return dr, size - offset, 0, err
}

func cat(c *call) error {
	offset, limit := c.number("offset", 0), c.number("length", -1)
	if offset < 0 {
		return errors.New("cannot specify negative offset")
	}
	if c.has("length") && limit < 0 {
		return errors.New("cannot specify negative length")
	}
	var parts []io.Reader
	total := int64(0)
	for _, a := range c.args {
		if limit == 0 {
			break
		}
		r, size, left, err := c.catPart(a, offset)
		if err != nil {
			return err
		}
		if offset = left; r != nil {
			parts, total = append(parts, r), total+size
		}
	}
	src := io.MultiReader(parts...)
	if limit >= 0 && total > limit {
		src, total = io.LimitReader(src, limit), limit
	}
	c.w.Header().Set("X-Content-Length", strconv.FormatInt(total, 10))
	c.start("text/plain", "X-Stream-Output")
	_, err := io.Copy(c.w, src)
	return err
}

type link struct {
	Name, Hash string
	Size       uint64
	Type       pb.Data_DataType
	Target     string
	Mode       os.FileMode
	ModTime    time.Time
}

type listing struct {
	Hash  string
	Links []link
}

// describe fetches the link's node, because its type and size are in there.
func (c *call) describe(l *ipld.Link) (link, error) {
	out := link{Name: l.Name, Hash: l.Cid.String()}
	if l.Cid.Type() == cid.Raw {
		out.Type, out.Size = unixfs.TFile, l.Size
		return out, nil
	}
	look := c.flag("resolve-type", true) || c.flag("size", true)
	if !look || l.Cid.Type() != cid.DagProtobuf {
		return out, nil
	}
	nd, err := l.GetNode(c.ctx, c.getter())
	if err != nil {
		return out, err
	}
	fs, err := unixfs.ExtractFSNode(nd)
	if err != nil {
		return out, err
	}
	out.Size, out.Mode, out.ModTime = fs.FileSize(), fs.Mode(), fs.ModTime()
	switch fs.Type() {
	case unixfs.TFile, unixfs.TRaw:
		out.Type = unixfs.TFile
	case unixfs.TDirectory, unixfs.THAMTShard, unixfs.TMetadata:
		out.Type = unixfs.TDirectory
	case unixfs.TSymlink:
		out.Type, out.Target = unixfs.TSymlink, string(fs.Data())
	}
	return out, nil
}

// children are the entries of a directory, or the links of anything else.
func (c *call) children(nd ipld.Node) ([]*ipld.Link, error) {
	dir, err := uio.NewDirectoryFromNode(c.getter(), nd)
	if errors.Is(err, uio.ErrNotADir) {
		return nd.Links(), nil
	}
	if err != nil {
		return nil, err
	}
	return dir.Links(c.ctx)
}

func ls(c *call) error {
	var all []listing
	for _, a := range c.args {
		nd, err := c.nodeAt(a)
		if err != nil {
			return err
		}
		subs, err := c.children(nd)
		if err != nil {
			return err
		}
		links := []link{}
		for _, s := range subs {
			l, err := c.describe(s)
			if err != nil {
				return err
			}
			if links = append(links, l); !c.flag("stream", false) {
				continue
			}
			err = c.emit(object{"Objects": []listing{{a, []link{l}}}})
			if err != nil {
				return err
			}
		}
		slices.SortFunc(links, func(x, y link) int {
			return strings.Compare(x.Name, y.Name)
		})
		all = append(all, listing{a, links})
	}
	if c.flag("stream", false) {
		return nil
	}
	return c.one(object{"Objects": all})
}

type fileStatus struct {
	Hash           string
	Size           uint64
	CumulativeSize uint64
	Blocks         int
	Type           string
	WithLocality   bool   `json:",omitempty"`
	Local          bool   `json:",omitempty"`
	SizeLocal      uint64 `json:",omitempty"`
	Mode           string `json:",omitempty"`
	Mtime          int64  `json:",omitempty"`
	MtimeNsecs     int    `json:",omitempty"`
}

func statNode(nd ipld.Node) (fileStatus, error) {
	size, err := nd.Size()
	if err != nil {
		return fileStatus{}, err
	}
	out := fileStatus{Hash: nd.Cid().String(), CumulativeSize: size,
		Size: size, Type: "file"}
	if _, ok := nd.(*merkledag.RawNode); ok {
		return out, nil
	}
	if _, ok := nd.(*merkledag.ProtoNode); !ok {
		return out, errors.New("not unixfs node (proto or raw)")
	}
	fs, err := unixfs.ExtractFSNode(nd)
	if err != nil {
		return out, err
	}
	out.Size, out.Blocks = fs.FileSize(), len(nd.Links())
	if fs.IsDir() {
		out.Type = "directory"
	}
	mode := uint32(fs.Mode())
	if mode == 0 && fs.Type() == unixfs.TSymlink {
		mode = uint32(os.ModeSymlink | 0o777)
	}
	if mode != 0 {
		out.Mode = fmt.Sprintf("%04o", mode)
	}
	if t := fs.ModTime(); !t.IsZero() {
		out.Mtime, out.MtimeNsecs = t.Unix(), t.Nanosecond()
	}
	return out, nil
}

// locality adds up what is here, counting a block as often as it is linked.
func (c *call) locality(nd ipld.Node) (all bool, size uint64, err error) {
	all, size = true, uint64(len(nd.RawData()))
	for _, l := range nd.Links() {
		child, err := c.local.Get(c.ctx, l.Cid)
		if ipld.IsNotFound(err) {
			all = false
			continue
		}
		if err != nil {
			return false, size, err
		}
		whole, n, err := c.locality(child)
		if err != nil {
			return false, size, err
		}
		all, size = all && whole, size+n
	}
	return all, size, nil
}

// filesStat knows content paths only: there is no MFS here.
func filesStat(c *call) error {
	a := c.args[0]
	if !strings.HasPrefix(a, "/") && !strings.Contains(a, ":") {
		return errors.New("paths must start with a leading slash")
	}
	if _, err := parsePath(a); err != nil {
		return errors.New("file does not exist")
	}
	nd, err := c.nodeAt(a)
	if err != nil {
		return err
	}
	out, err := statNode(nd)
	if err != nil {
		return err
	}
	if c.flag("with-local", false) {
		out.WithLocality = true
		if out.Local, out.SizeLocal, err = c.locality(nd); err != nil {
			return err
		}
	}
	return c.one(out)
}
