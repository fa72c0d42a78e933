package peers

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The cases of HTTP caches: a page of 2 KiB that is fresh for an hour, out of a
// handler that has it ready.
const (
	// HTTPHit asks for one of a thousand pages that are all there.
	HTTPHit Case = "http-hit"
	// HTTPMiss asks for a page for the first time, and it is kept.
	HTTPMiss Case = "http-miss"
	// HTTPCoalesce is a crowd of a thousand that asks at once for a page that nobody
	// has asked for before. The handler answers when all have asked.
	HTTPCoalesce Case = "http-coalesce"
)

// HTTPCache compares caches in front of a handler. A transport of a client is in
// front of one as in a proxy; none is the handler alone.
func HTTPCache() Suite {
	return Suite{
		Name: "httpcache",
		// What is kept in one round is not alive in the next one.
		Rounds: [][]Case{{HTTPHit}, {HTTPMiss}, {HTTPCoalesce}},
		Libraries: []Library{
			{Name: "seawall", build: seawallPages},
			{Name: "victorspringer", build: victorspringerPages},
			{Name: "gregjones", build: gregjonesPages},
			{Name: "none", build: func(c Case) (*Scene, error) { return paged(c, page, nil), nil }},
		},
	}
}

var aPage = []byte(strings.Repeat("0123456789abcde\n", 128))

// page is the handler. Its fields are the same slices each time, which is the least
// that a handler can do.
var page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	await(r)
	maps.Copy(w.Header(), pageFields)
	w.Write(aPage)
})

var pageFields = http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"max-age=3600"}}

// remote is the same for a transport, with the fields that a server would add.
type remote struct{ date []string }

func newRemote() remote { return remote{[]string{time.Now().UTC().Format(http.TimeFormat)}} }

func (o remote) RoundTrip(r *http.Request) (*http.Response, error) {
	await(r)
	header := maps.Clone(pageFields)
	header["Date"], header["Content-Length"] = o.date, pageLength
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(aPage)), Body: newBody(), Request: r,
	}, nil
}

var pageLength = []string{strconv.Itoa(len(aPage))}

// pageWriter counts the pages that it was given. It is the same for all, and keeps
// its map, as net/http would make a new one whatever a cache does.
type pageWriter struct {
	header http.Header
	status int
	bytes  int
}

func (w *pageWriter) Header() http.Header { return w.header }

func (w *pageWriter) Write(p []byte) (int, error) {
	w.bytes += len(p)
	return len(p), nil
}

func (w *pageWriter) WriteHeader(status int) { w.status = status }

// ask makes one request, and returns 1 if the page came back.
func (w *pageWriter) ask(h http.Handler, r *http.Request) int {
	clear(w.header)
	w.status, w.bytes = http.StatusOK, 0
	h.ServeHTTP(w, r)
	if w.status != http.StatusOK || w.bytes != len(aPage) {
		return 0
	}
	return 1
}

// visitor is who asks, with a URL of its own: some write to it.
type visitor struct {
	w *pageWriter
	r *http.Request
}

func newVisitor() (visitor, context.CancelFunc) {
	r, cancel := newRequest(http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}, "Accept-Language": {"en-US,en;q=0.5"}})
	return visitor{&pageWriter{header: make(http.Header)}, r}, cancel
}

func (v visitor) visit(h http.Handler, query string) int {
	*v.r.URL = url.URL{Path: "/feed/popular", RawQuery: query} // as a server has it
	return v.w.ask(h, v.r)
}

// paged makes the scene of a cache in front of the page.
func paged(c Case, h http.Handler, stop func()) *Scene {
	sc := &Scene{pages: h, stop: stop}
	switch c {
	case HTTPHit:
		sc.loop = hitting(h)
		sc.loop(many)
	case HTTPCoalesce:
		sc.coalesced = new(crowds)
		sc.loop = func(n int) int { return sc.coalesced.loop(h, n) }
	default:
		sc.loop = missing(h)
	}
	return sc
}

func hitting(h http.Handler) func(int) int {
	var pages [many]string
	for i := range pages {
		pages[i] = "page=" + strconv.Itoa(i)
	}
	return func(n int) (shown int) {
		v, cancel := newVisitor()
		defer cancel()
		for i := range n {
			shown += v.visit(h, pages[i%many])
		}
		return shown
	}
}

// pageNumber is that of the last page that was asked for the first time.
var pageNumber atomic.Uint64

func newPage() string { return "page=" + strconv.FormatUint(many+pageNumber.Add(1), 10) }

func missing(h http.Handler) func(int) int {
	return func(n int) (shown int) {
		v, cancel := newVisitor()
		defer cancel()
		for range n {
			shown += v.visit(h, newPage())
		}
		return shown
	}
}

// crowdSize is how many ask at once.
const crowdSize = 1000

// crowd asks at once.
type crowd struct {
	visitors [crowdSize]visitor
	shown    [crowdSize]int
	begun    atomic.Int64
	here     chan struct{} // closed when all have begun
	calls    atomic.Uint64 // of the handler
}

type crowdKey struct{}

// await is in the handler: it has the answer when the whole crowd has asked.
func await(r *http.Request) {
	if c, ok := r.Context().Value(crowdKey{}).(*crowd); ok {
		c.calls.Add(1)
		<-c.here
	}
}

func newCrowd() *crowd {
	c := &crowd{}
	for i := range c.visitors {
		v, _ := newVisitor() // whose context nobody ends
		v.r = v.r.WithContext(context.WithValue(v.r.Context(), crowdKey{}, c))
		v.r.URL = new(url.URL)
		c.visitors[i] = v
	}
	return c
}

// ask returns how many of the first n were shown the page, and how often the handler
// was called.
func (c *crowd) ask(h http.Handler, n int) (shown int, calls uint64) {
	query := newPage()
	c.begun.Store(0)
	c.calls.Store(0)
	c.here = make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if c.begun.Add(1) == int64(n) {
				close(c.here)
			}
			c.shown[i] = c.visitors[i].visit(h, query)
		})
	}
	wg.Wait()
	for _, one := range c.shown[:n] {
		shown += one
	}
	return shown, c.calls.Load()
}

// crowds are those of one scene. They are used again: to make one takes longer than
// to serve it.
type crowds struct {
	mu   sync.Mutex
	idle []*crowd
	// Of whole crowds, and how many requests were in crowds of any size for which the
	// handler was called once.
	whole, calls, once uint64
}

func (cs *crowds) loop(h http.Handler, n int) (shown int) {
	for n > 0 {
		size := min(n, crowdSize)
		n -= size
		c := cs.take()
		here, calls := c.ask(h, size)
		shown += here
		cs.put(c, size, calls)
	}
	return shown
}

func (cs *crowds) take() *crowd {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if last := len(cs.idle) - 1; last >= 0 {
		c := cs.idle[last]
		cs.idle = cs.idle[:last]
		return c
	}
	return newCrowd()
}

func (cs *crowds) put(c *crowd, size int, calls uint64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.idle) < runtime.GOMAXPROCS(0) {
		cs.idle = append(cs.idle, c)
	}
	if size == crowdSize {
		cs.whole++
		cs.calls += calls
	}
	if calls == 1 {
		cs.once += uint64(size)
	}
}

func (cs *crowds) served() uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.once
}

// Calls is how often the handler was called for a crowd of a thousand, on the
// average; false where there was none.
func (s *Scene) Calls() (float64, bool) {
	if s.coalesced == nil {
		return 0, false
	}
	cs := s.coalesced
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return float64(cs.calls) / float64(max(cs.whole, 1)), cs.whole > 0
}
