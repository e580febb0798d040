package main

import (
	"errors"
	"fmt"
	"os"

	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	bpath "github.com/ipfs/boxo/path"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	// Decoders for the nodes that links may lead to.
	_ "github.com/ipfs/go-ipld-cbor"
)

// parsePath accepts a CID, a path or an ipfs:// URI.
func parsePath(arg string) (bpath.ImmutablePath, error) {
	p, err := bpath.NewPathFromURI(arg)
	if err != nil {
		first := err // names what was really given
		if p, err = bpath.NewPath("/ipfs/" + arg); err != nil {
			return bpath.ImmutablePath{}, first
		}
	}
	ip, err := bpath.NewImmutablePath(p)
	if err != nil {
		return ip, fmt.Errorf("the test node resolves /ipfs and /ipld "+
			"paths only: %w", err)
	}
	return ip, nil
}

// child follows one name, or several where a node spans them, below nd.
func (c *call) child(nd ipld.Node, rest []string) (
	cid.Cid, []string, error) {
	dir, err := uio.NewDirectoryFromNode(c.getter(), nd)
	if err != nil { // no directory: links of other codecs
		l, left, err := nd.ResolveLink(rest)
		if err != nil {
			return cid.Undef, nil, fmt.Errorf("no link named %q under %s",
				rest[0], nd.Cid())
		}
		return l.Cid, left, nil
	}
	sub, err := dir.Find(c.ctx, rest[0])
	if errors.Is(err, os.ErrNotExist) {
		return cid.Undef, nil, fmt.Errorf("no link named %q under %s",
			rest[0], nd.Cid())
	}
	if err != nil {
		return cid.Undef, nil, err
	}
	return sub.Cid(), rest[1:], nil
}

// lookup turns an argument into the CID it names. Nothing is fetched for a
// plain CID.
func (c *call) lookup(arg string) (cid.Cid, error) {
	p, err := parsePath(arg)
	if err != nil {
		return cid.Undef, err
	}
	at, rest := p.RootCid(), p.Segments()[2:]
	for len(rest) > 0 {
		nd, err := c.getter().Get(c.ctx, at)
		if err != nil {
			return cid.Undef, err
		}
		if at, rest, err = c.child(nd, rest); err != nil {
			return cid.Undef, err
		}
	}
	return at, nil
}

func (c *call) arg(i int) (cid.Cid, error) { return c.lookup(c.args[i]) }

func resolve(c *call) error {
	p, err := parsePath(c.args[0])
	if err != nil {
		return err
	}
	k, err := c.arg(0)
	if err != nil {
		return err
	}
	return c.one(object{"Path": "/" + p.Namespace() + "/" + k.String()})
}
