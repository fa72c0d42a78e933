package httpcache

//house:sleep the cases sleep in the bubble that bubble makes

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
)

// rfcCase is one thing that an RFC asks of a shared cache. Its name begins with the
// section. Switching its rule off should turn it red; that of a case which no rule
// stands for is noRule.
type rfcCase struct {
	name string
	rule rule
	cfg  Config
	run  func(t *bubbleT)
}

const noRule = rules

// rfcCases are all of them. Each file adds its own in an init function, or by
// cases.
var rfcCases []rfcCase

// cases adds to rfcCases: var _ = cases(rfcCase{...}, ...).
func cases(more ...rfcCase) bool {
	rfcCases = append(rfcCases, more...)
	return true
}

// bubbleT is a Cache in a bubble, with an origin behind it. It collects what is
// wrong, so that a test can want something to be wrong.
type bubbleT struct {
	h     *Cache
	front http.Handler

	mu     sync.Mutex
	origin http.HandlerFunc
	calls  int
	seen   *http.Request // the last one that came through
	wrong  []string
}

func (t *bubbleT) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

func (t *bubbleT) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	t.calls++
	t.seen = r
	f := t.origin
	t.mu.Unlock()
	f(w, r)
}

// handle sets the origin.
func (t *bubbleT) handle(f http.HandlerFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.origin = f
}

// serve makes the origin answer with 200, and fields in pairs of name and value. The
// body is "body 1" for the first request that it sees, and so on.
func (t *bubbleT) serve(fields ...string) { t.serveStatus(http.StatusOK, fields...) }

func (t *bubbleT) serveStatus(status int, fields ...string) {
	t.handle(func(w http.ResponseWriter, r *http.Request) {
		add(w.Header(), fields)
		w.WriteHeader(status)
		if r.Method != http.MethodHead && !bodyless(status) {
			fmt.Fprintf(w, "body %d", t.count())
		}
	})
}

func add(header http.Header, fields []string) {
	for i := 0; i+1 < len(fields); i += 2 {
		header.Add(fields[i], fields[i+1])
	}
}

// count is how many requests the origin has seen.
func (t *bubbleT) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}

// request is the last that the origin has seen.
func (t *bubbleT) request() *http.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// ask makes a request with fields in pairs of name and value.
func (t *bubbleT) ask(method, url string, fields ...string) *http.Response {
	return ask(t.front, method, url, fields...)
}

// hit asks, and the origin should not be. miss: it should be, once.
func (t *bubbleT) hit(method, url string, fields ...string) *http.Response {
	return t.counted(0, method, url, fields)
}

func (t *bubbleT) miss(method, url string, fields ...string) *http.Response {
	return t.counted(1, method, url, fields)
}

func (t *bubbleT) counted(want int, method, url string, fields []string) *http.Response {
	before := t.count()
	got := t.ask(method, url, fields...)
	if n := t.count() - before; n != want {
		t.Errorf("%s %s %q: the origin was asked %d times instead of %d: %d %v", method, url, fields, n, want, got.StatusCode, got.Header)
	}
	return got
}

// want judges an answer; fields are names with what their first value should be, or
// "" where there should be none.
func (t *bubbleT) want(got *http.Response, status int, text string, fields ...string) {
	if b := body(got); got.StatusCode != status || b != text {
		t.Errorf("got %d %q %v, want %d %q", got.StatusCode, b, got.Header, status, text)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if v := got.Header.Get(fields[i]); v != fields[i+1] {
			t.Errorf("%s is %q instead of %q", fields[i], v, fields[i+1])
		}
	}
}

// bubble runs a case with some rules off, and returns what was wrong.
func bubble(t *testing.T, c rfcCase, off ...rule) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		cfg := c.cfg
		if cfg.MaxBytes == 0 {
			cfg.MaxBytes = 2 << 20
		}
		h, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(context.Background())
		for _, r := range off {
			h.off |= 1 << r
		}
		b := &bubbleT{h: h}
		b.front = h.Middleware(b)
		b.serve()
		c.run(b)
		wrong = b.wrong
	})
	return wrong
}

// TestRFC: what the RFCs ask for is done.
func TestRFC(t *testing.T) {
	for _, c := range rfcCases {
		t.Run(c.name, func(t *testing.T) {
			for _, w := range bubble(t, c) {
				t.Error(w)
			}
		})
	}
}

// serveTagged is serve for a representation with an entity tag, which conditional
// requests are about. The fields go with a 304, too.
func (t *bubbleT) serveTagged(etag string, fields ...string) {
	t.handle(func(w http.ResponseWriter, r *http.Request) {
		add(w.Header(), fields)
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, "body of %s", etag)
	})
}
