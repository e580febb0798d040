package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ipfs/boxo/blockservice"
	ipld "github.com/ipfs/go-ipld-format"
)

type object map[string]any

// call is one RPC request and its response stream.
type call struct {
	*node
	cmd     command
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	opts    map[string]string
	args    []string
	form    *multipart.Reader // nil without a multipart body
	started bool              // the status line is out
}

func (c *call) has(name string) bool   { _, ok := c.opts[name]; return ok }
func (c *call) opt(name string) string { return c.opts[name] }

// flag and number need no error: parse has checked their text.
func (c *call) flag(name string, def bool) bool {
	if !c.has(name) {
		return def
	}
	b, err := strconv.ParseBool(c.opts[name])
	return err == nil && b
}

func (c *call) number(name string, def int64) int64 {
	if !c.has(name) {
		return def
	}
	v, err := strconv.ParseInt(c.opts[name], 0, 64)
	if err != nil {
		return def
	}
	return v
}

// getter is the DAG service for this request: online unless offline=true.
func (c *call) getter() ipld.DAGService {
	if c.flag("offline", false) {
		return c.local
	}
	return c.dag
}

// raw is the same for blocks that are not to be decoded.
func (c *call) raw() blockservice.BlockService {
	if c.flag("offline", false) {
		return c.own
	}
	return c.blocks
}

const exposed = "X-Stream-Output, X-Chunked-Output, X-Content-Length"

// begin sets what every answer of a command carries, failed or not.
func (c *call) begin(status int, ctype string) {
	h := c.w.Header()
	h.Set("Access-Control-Allow-Headers", exposed)
	h.Set("Access-Control-Expose-Headers", exposed)
	h.Set("Content-Type", ctype)
	h.Set("Server", agentVersion())
	h.Set("Trailer", "X-Stream-Error")
	c.started = true
	c.w.WriteHeader(status)
}

// start sends the header once; stream is the header that names its kind.
func (c *call) start(ctype, stream string) {
	if c.started {
		return
	}
	if stream != "" {
		c.w.Header().Set(stream, "1")
	}
	// add reports files while it still reads others
	if c.form != nil {
		// Fails only on HTTP/2, which is not served.
		_ = http.NewResponseController(c.w).EnableFullDuplex()
	}
	c.begin(http.StatusOK, ctype)
}

func (c *call) startJSON() { c.start("application/json", "X-Chunked-Output") }

func (c *call) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.w.Write(append(b, '\n'))
	return err
}

func (c *call) line(v any) error {
	if err := c.write(v); err != nil {
		return err
	}
	return http.NewResponseController(c.w).Flush()
}

// one answers with a single value, emit adds one to a stream.
func (c *call) one(v any) error {
	c.start("application/json", "")
	return c.line(v)
}

func (c *call) emit(v any) error {
	c.startJSON()
	return c.line(v)
}

// drain reads what is left of an upload. In full duplex net/http would go on
// reading the body beside the next request of the connection, and panic. A
// client that keeps sending loses its connection.
func (c *call) drain() {
	if c.form == nil {
		return
	}
	rc := http.NewResponseController(c.w)
	_ = rc.Flush() // the answer must not wait for the rest
	_ = rc.SetReadDeadline(time.Now().Add(drainTime))
	if _, err := io.Copy(io.Discard, c.r.Body); err == nil {
		_ = rc.SetReadDeadline(time.Time{})
	}
}

// drainTime bounds it.
const drainTime = 2 * time.Second

// clientError is answered as 400 with Code 1.
type clientError string

func (e clientError) Error() string { return string(e) }

// finish ends the answer: an error is a 500 before the first byte and a
// trailer after it, where the status can no longer tell.
func (c *call) finish(err error) {
	if err == nil {
		c.startJSON()
		return
	}
	if c.started {
		c.w.Header().Set("X-Stream-Error",
			strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	status, code := http.StatusInternalServerError, 0
	var bad clientError
	if errors.As(err, &bad) {
		status, code = http.StatusBadRequest, 1
	}
	c.w.Header().Del("X-Content-Length")
	c.begin(status, "application/json")
	// A write that fails here has nobody left to be told.
	_ = c.line(struct {
		Message string
		Code    int
		Type    string
	}{err.Error(), code, "error"})
}
