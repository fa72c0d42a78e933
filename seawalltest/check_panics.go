package seawalltest

import (
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
)

// A panic passes through as if the middleware was not there: the same value, with
// the stack of where it began, and what it means to net/http. Who recovers it,
// if only to count it, spoils that.
var panicChecks = []checkInfo{
	{name: "panic-propagates", run: checkPanicPropagates},
	{name: "panic-origin", run: checkPanicOrigin},
	{name: "abort-handler", run: checkAbortHandler},
	{name: "abort-before-write", run: checkAbortBeforeWrite},
	{name: "h2-abort-resets", run: checkH2AbortResets},
	{name: "same-goroutine", run: checkSameGoroutine},
}

// caught is what a layer outside of the middleware sees of a panic.
type caught struct {
	value any
	stack string
}

// catch runs h behind the middleware once for each protocol and returns what a
// deferred call outside of it sees.
func (c *check) catch(h http.HandlerFunc, see func(proto string, got caught)) {
	for _, proto := range protocols {
		got := make(chan caught, 1)
		s := c.serveWith(func(next http.Handler) http.Handler {
			inner := c.mw(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					stack := string(debug.Stack()) // before recover: it still has the origin
					got <- caught{recover(), stack}
				}()
				inner.ServeHTTP(w, r)
			})
		}, h)
		s.do(s.client(proto), http.MethodGet, "/", nil)
		see(proto, await(c, got, "the panic comes out"))
	}
}

// originOfPanic is the function that must be on the stack outside.
//
//go:noinline
func originOfPanic(v any) { panic(v) }

func checkPanicPropagates(c *check) {
	for _, value := range []any{errors.New("seawalltest: planted panic"), http.ErrAbortHandler} {
		c.catch(func(http.ResponseWriter, *http.Request) { originOfPanic(value) }, func(proto string, got caught) {
			if got.value != value {
				c.errorf("%s: panic(%v) comes out as %v", proto, value, got.value)
			}
		})
	}
}

func checkPanicOrigin(c *check) {
	c.catch(func(http.ResponseWriter, *http.Request) { originOfPanic("planted") }, func(proto string, got caught) {
		if !strings.Contains(got.stack, "originOfPanic") {
			c.errorf("%s: the stack outside does not show where the panic began:\n%s", proto, got.stack)
		}
	})
}

// abort checks that http.ErrAbortHandler cuts the answer short without a line in
// the log, so that nobody takes the half of it for the whole.
func (c *check) abort(proto string, h http.HandlerFunc) {
	entered := make(chan struct{}, 16) // a client may repeat a GET
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		h(w, r)
		panic(http.ErrAbortHandler)
	})
	if resp, body, err := s.do(s.client(proto), http.MethodGet, "/", nil); err == nil {
		c.errorf("%s: the client takes a cut answer for a whole one: %d, %d bytes", proto, resp.StatusCode, len(body))
	}
	await(c, entered, "the handler starts")
	s.close()
	if s.log.String() != "" {
		c.errorf("%s: the server logs: %s", proto, s.log)
	}
}

func writeHalf(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, strings.Repeat("x", 32<<10))
	http.NewResponseController(w).Flush()
}

func checkAbortHandler(c *check)  { c.abort("HTTP/1.1", writeHalf) }
func checkH2AbortResets(c *check) { c.abort("HTTP/2", writeHalf) }

func checkAbortBeforeWrite(c *check) {
	for _, proto := range protocols {
		c.abort(proto, func(http.ResponseWriter, *http.Request) {})
	}
}

func checkSameGoroutine(c *check) {
	for _, proto := range protocols {
		ids := make(chan string, 2)
		s := c.serveWith(func(next http.Handler) http.Handler {
			inner := c.mw(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ids <- goroutineID()
				inner.ServeHTTP(w, r)
			})
		}, func(w http.ResponseWriter, r *http.Request) { ids <- goroutineID() })
		s.get(s.client(proto), "/", http.StatusOK)
		out, in := await(c, ids, "the middleware runs"), await(c, ids, "the handler runs")
		if out != in {
			c.errorf("%s: the handler runs in goroutine %s, called by goroutine %s", proto, in, out)
		}
	}
}
