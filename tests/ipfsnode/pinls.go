package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipfs/boxo/ipld/merkledag"
	pin "github.com/ipfs/boxo/pinning/pinner"
	"github.com/ipfs/go-cid"
)

// pinList is one pin/ls: either a stream of lines or one map.
type pinList struct {
	*call
	mode   pin.Mode
	names  bool
	part   string // part of a name that is asked for
	stream bool
	keys   map[string]pinEntry
}

type pinEntry struct{ Type, Name string }

type pinLine struct {
	Cid  string `json:",omitempty"`
	Name string `json:",omitempty"`
	Type string `json:",omitempty"`
}

func pinLs(c *call) error {
	l := &pinList{call: c, part: c.opt("name"),
		stream: c.flag("stream", false), keys: map[string]pinEntry{}}
	l.names = c.flag("names", false) || l.part != ""
	kind := "all"
	if c.has("type") {
		kind = c.opt("type")
	}
	var ok bool
	if l.mode, ok = pin.StringToMode(kind); !ok {
		return fmt.Errorf("invalid type '%s', must be one of "+
			"{direct, indirect, recursive, all}", kind)
	}
	run := l.all
	if len(c.args) > 0 {
		run = l.some
	}
	if err := run(); err != nil || l.stream {
		return err
	}
	// Without pins the answer is {}, as Kubo's.
	return c.one(struct {
		Keys map[string]pinEntry `json:",omitempty"`
	}{l.keys})
}

func (l *pinList) out(k cid.Cid, kind, name string) error {
	if !strings.Contains(name, l.part) {
		return nil
	}
	if !l.stream {
		l.keys[k.String()] = pinEntry{kind, name}
		return nil
	}
	l.startJSON()
	return l.write(pinLine{k.String(), name, kind})
}

// some looks up the arguments. The first that is not pinned fails them all.
func (l *pinList) some() error {
	for _, a := range l.args {
		k, err := l.lookup(a)
		if err != nil {
			return err
		}
		got, err := l.pins.CheckIfPinnedWithType(l.ctx, l.mode, l.names, k)
		if err != nil {
			return err
		}
		if len(got) == 0 || !got[0].Pinned() {
			return fmt.Errorf("path '%s' is not pinned", a)
		}
		kind, _ := pin.ModeToString(got[0].Mode)
		if got[0].Mode == pin.Indirect {
			kind = "indirect through " + got[0].Via.String()
		}
		if err := l.out(k, kind, got[0].Name); err != nil {
			return err
		}
	}
	return nil
}

func (l *pinList) all() error {
	seen := cid.NewSet()
	drain := func(ch <-chan pin.StreamedPin, kind string) error {
		for p := range ch {
			if p.Err != nil {
				return p.Err
			}
			seen.Add(p.Pin.Key)
			if err := l.out(p.Pin.Key, kind, p.Pin.Name); err != nil {
				return err
			}
		}
		return nil
	}
	wants := func(m pin.Mode) bool { return l.mode == m || l.mode == pin.Any }
	if wants(pin.Recursive) {
		keys := l.pins.RecursiveKeys(l.ctx, l.names)
		if err := drain(keys, "recursive"); err != nil {
			return err
		}
	}
	if wants(pin.Direct) {
		keys := l.pins.DirectKeys(l.ctx, l.names)
		if err := drain(keys, "direct"); err != nil {
			return err
		}
	}
	if !wants(pin.Indirect) {
		return nil
	}
	return l.below(func(k cid.Cid) error {
		if !seen.Visit(k) {
			return nil
		}
		return l.out(k, "indirect", "")
	})
}

// below visits every node under a recursive pin, as far as it is local.
func (l *pinList) below(each func(cid.Cid) error) error {
	links := merkledag.GetLinksWithDAG(l.local)
	for p := range l.pins.RecursiveKeys(l.ctx, false) {
		if p.Err != nil {
			return p.Err
		}
		var fail error
		err := merkledag.Walk(l.ctx, links, p.Pin.Key,
			func(k cid.Cid) bool {
				if fail == nil && !k.Equals(p.Pin.Key) {
					fail = each(k)
				}
				return fail == nil
			})
		if err = errors.Join(err, fail); err != nil {
			return err
		}
	}
	return nil
}
