package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBodyArgs bounds the arguments that may come in a request body.
const maxBodyArgs = 64 << 20

var errNotFound = errors.New("404 page not found")

// plain writes the answer to a call that was never run.
func plain(w http.ResponseWriter, status int, text string) {
	http.Error(w, text, status)
}

// rpc returns the handler for a listener at addr. The order of the checks is
// Kubo's: authorization, method, browser, command, options, timeout.
func (n *node) rpc(addr net.Addr) http.Handler {
	allowed := allowedOrigins(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.authorized(r) {
			plain(w, http.StatusForbidden, "Kubo RPC Access Denied: "+
				"Please provide a valid authorization token as defined "+
				"in the API.Authorizations configuration.")
			return
		}
		if !method(w, r, allowed) {
			return
		}
		if !sameOrigin(r, allowed) {
			plain(w, http.StatusForbidden, "403 - Forbidden")
			return
		}
		c, err := n.parse(w, r)
		if errors.Is(err, errNotFound) {
			plain(w, http.StatusNotFound, err.Error())
			return
		}
		if err != nil {
			plain(w, http.StatusBadRequest, err.Error())
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		if t := c.opt("timeout"); c.has("timeout") {
			d, err := time.ParseDuration(t)
			if err != nil {
				cancel()
				return // Kubo's answer is an empty 200
			}
			ctx, cancel = context.WithTimeout(r.Context(), d)
		}
		defer cancel()
		c.ctx = ctx
		c.finish(c.cmd.run(c))
		c.drain()
	})
}

func (n *node) authorized(r *http.Request) bool {
	given, want := r.Header.Get("Authorization"), "Bearer "+n.token
	return n.token == "" ||
		subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// method lets POST pass and answers everything else.
func method(w http.ResponseWriter, r *http.Request,
	allowed map[string]bool) bool {
	w.Header().Set("Vary", "Origin")
	if o := r.Header.Get("Origin"); allowed[o] {
		w.Header().Set("Access-Control-Allow-Origin", o)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	switch {
	case r.Method == http.MethodPost:
		return true
	case r.Method != http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS, POST")
		plain(w, http.StatusMethodNotAllowed, "405 - Method Not Allowed")
	case r.Header.Get("Access-Control-Request-Method") != "":
		w.Header().Set("Vary", "Origin, Access-Control-Request-Method, "+
			"Access-Control-Request-Headers")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "OPTIONS, POST")
		w.WriteHeader(http.StatusNoContent)
	}
	return false
}

// allowedOrigins are the pages that may call the RPC: those of this address.
func allowedOrigins(addr net.Addr) map[string]bool {
	out := map[string]bool{}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		port := strconv.Itoa(tcp.Port)
		for _, h := range []string{"127.0.0.1", "[::1]", "localhost"} {
			out["http://"+h+":"+port] = true
			out["https://"+h+":"+port] = true
		}
	}
	return out
}

// sameOrigin keeps web pages out, which can send a POST to any address.
func sameOrigin(r *http.Request, allowed map[string]bool) bool {
	origin, referer := r.Header.Get("Origin"), r.Header.Get("Referer")
	if origin != "" && !allowed[origin] {
		return false
	}
	if referer != "" {
		u, err := url.Parse(referer)
		if err != nil || !allowed[u.Scheme+"://"+u.Host] {
			return false
		}
	}
	agent := r.UserAgent()
	return origin != "" || referer != "" ||
		!strings.HasPrefix(agent, "Mozilla") ||
		strings.Contains(agent, "Electron")
}

// parse checks a request as far as Kubo does before it runs a command.
func (n *node) parse(w http.ResponseWriter, r *http.Request) (*call, error) {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v0/")
	if !ok {
		return nil, errNotFound
	}
	cmd, first, ok := find(path)
	if !ok {
		return nil, errNotFound
	}
	c := &call{node: n, cmd: cmd, w: w, r: r, opts: map[string]string{}}
	if first != "" {
		c.args = append(c.args, first)
	}
	shorts := shortNames(cmd.shorts)
	for name, values := range r.URL.Query() {
		if name == "arg" {
			c.args = append(c.args, values...)
			continue
		}
		if long, ok := shorts[name]; ok {
			name = long
		}
		if len(values) > 1 {
			return nil, fmt.Errorf("expected key %s to have only a "+
				"single value, received %v", name, values)
		}
		if err := checkOption(name, values[0]); err != nil {
			return nil, err
		}
		c.opts[name] = values[0]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"),
		"multipart/form-data") {
		var err error
		if c.form, err = r.MultipartReader(); err != nil {
			return nil, err
		}
	}
	if cmd.file != "" && c.form == nil {
		return nil, fmt.Errorf("file argument '%s' is required", cmd.file)
	}
	return c, c.checkArgs()
}

func checkOption(name, value string) error {
	var err error
	kind := optionTypes[name]
	switch kind {
	case "bool":
		_, err = strconv.ParseBool(value)
	case "int", "int64":
		_, err = strconv.ParseInt(value, 0, 64)
	}
	if err == nil {
		return nil
	}
	shown := fmt.Sprintf("value %q", value)
	if value == "" {
		shown = "empty value"
	}
	return fmt.Errorf("could not convert %s to type %q (for option %q)",
		shown, kind, "-"+name)
}

// checkArgs takes further arguments from the body and asks for missing ones.
func (c *call) checkArgs() error {
	names := strings.Fields(c.cmd.args)
	if len(names) > 0 && c.form != nil {
		more, err := bodyArgs(c.form)
		if err != nil {
			return err
		}
		c.args = append(c.args, more...)
	}
	for i, name := range names {
		if strings.HasSuffix(name, "*") || i < len(c.args) {
			continue
		}
		return fmt.Errorf("argument %q is required",
			strings.TrimSuffix(name, "+"))
	}
	return nil
}

// bodyArgs reads arguments, one a line, from the first file of a form.
func bodyArgs(form *multipart.Reader) ([]string, error) {
	part, err := form.NextPart()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(part, maxBodyArgs))
	return strings.Fields(string(b)), err
}
