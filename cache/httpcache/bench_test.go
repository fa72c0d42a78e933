package httpcache

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nullWriter is the writer of a connection that keeps nothing. It keeps its map, as
// net/http would make a new one whatever the middleware does.
type nullWriter struct {
	header http.Header
	status int
	bytes  int
}

func (w *nullWriter) Header() http.Header { return w.header }

func (w *nullWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.bytes += len(b)
	return len(b), nil
}

func (w *nullWriter) WriteHeader(status int) { w.status = status }

// client asks the same again and again.
type client struct {
	h http.Handler
	r *http.Request
	w nullWriter
}

func newClient(h http.Handler, fields ...string) *client {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://shop.example/feed/popular?page=1", http.NoBody)
	if err != nil {
		panic(err) // the address above is a constant
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	r.Header.Set("Accept-Language", "en-US,en;q=0.5")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return &client{h, r, nullWriter{header: make(http.Header)}}
}

// ask makes one request, and returns the status.
func (c *client) ask() int {
	clear(c.w.header)
	c.w.status, c.w.bytes = 0, 0
	c.h.ServeHTTP(&c.w, c.r)
	return c.w.status
}

func (c *client) way() string {
	way, _, _ := strings.Cut(strings.Join(c.w.header[cacheStatusField], ""), "; ttl=")
	return way
}

// page answers with 2 KiB, and what it says in fields.
func page(fields ...string) http.HandlerFunc {
	body := []byte(strings.Repeat("0123456789abcde\n", 128))
	return func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header["Content-Type"] = []string{"application/json"}
		for i := 0; i < len(fields); i += 2 {
			header[fields[i]] = []string{fields[i+1]}
		}
		w.Write(body)
	}
}

// kinds are the ways in which something that is stored is shown.
var kinds = []struct {
	name   string
	page   []string // fields of the response
	asks   []string // those of the request
	status int
	bytes  int
	way    string
}{
	{"hit", nil, nil, 200, 2048, "seawall; hit"},
	{"vary", []string{"Vary", "Accept-Encoding"}, nil, 200, 2048, "seawall; hit"},
	{"304", []string{"Etag", `"v1"`}, []string{"If-None-Match", `"v1"`}, 304, 0, "seawall; hit"},
	{"range", nil, []string{"Range", "bytes=100-199"}, 206, 100, "seawall; hit"},
}

// twelve fields are what a browser sends through a proxy, with the three of newClient.
var twelve = []string{
	"Accept", "text/html", "Cookie", "session=1", "Referer", "http://shop.example/", "Priority", "u=0, i", "Sec-Fetch-Dest", "document",
	"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Upgrade-Insecure-Requests", "1", "X-Forwarded-For", "192.0.2.1",
}

// warmed returns a client that finds what it asks for.
func warmed(tb testing.TB, page http.HandlerFunc, asks ...string) *client {
	tb.Helper()
	front := newCache(tb, Config{}).Middleware(page)
	newClient(front).ask()
	return newClient(front, asks...)
}

func lasting(fields []string) http.HandlerFunc {
	return page(append([]string{"Cache-Control", "max-age=100000000"}, fields...)...)
}

// BenchmarkShow is what somebody pays for what is stored. The first one is the
// handler alone.
func BenchmarkShow(b *testing.B) {
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for c := newClient(lasting(nil)); b.Loop(); {
			c.ask()
		}
	})
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			c := warmed(b, lasting(kind.page), kind.asks...)
			for b.Loop() {
				if status := c.ask(); status != kind.status {
					b.Fatal(status)
				}
			}
			if way := c.way(); way != kind.way {
				b.Error(way)
			}
		})
	}
	b.Run("12 fields", func(b *testing.B) {
		b.ReportAllocs()
		c := warmed(b, lasting(nil), twelve...)
		for b.Loop() {
			c.ask()
		}
		if way := c.way(); way != "seawall; hit" || len(c.r.Header) != 12 {
			b.Error(way, len(c.r.Header))
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		front := warmed(b, lasting(nil)).h
		b.RunParallel(func(pb *testing.PB) {
			c := newClient(front)
			for pb.Next() {
				c.ask()
			}
			if way := c.way(); way != "seawall; hit" && way != "" { // who had no turn
				b.Error(way)
			}
		})
	})
}

// failing is a client of a page that is stale at once, whose handler was there for
// one request only, and what is stored of it.
func failing(tb testing.TB) (*client, *Response) {
	tb.Helper()
	there, ok := true, page("Cache-Control", "max-age=1", "Age", "1", "Etag", `"v1"`)
	h := newCache(tb, Config{ErrorPause: time.Hour})
	c := newClient(h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if there {
			there = false
			ok(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})))
	c.ask()
	c.ask()
	return c, h.peek(h.keyOf(c.r))
}

// BenchmarkFailing: the handler is not asked, for a while after it has failed, or is
// asked each time and refuses.
func BenchmarkFailing(b *testing.B) {
	for name, want := range map[string]string{"stale": "seawall; hit", "refused": "seawall; fwd=stale; fwd-status=503"} {
		b.Run(name, func(b *testing.B) {
			c, p := failing(b)
			b.ReportAllocs()
			for b.Loop() {
				if name == "refused" {
					p.pause.Store(0)
				}
				if status := c.ask(); status != http.StatusOK {
					b.Fatal(status)
				}
			}
			if way := c.way(); way != want {
				b.Errorf("%q", way)
			}
		})
	}
}

// BenchmarkMiss is a page that nobody has asked for: it is kept, is not to be kept,
// or is so and this is known.
func BenchmarkMiss(b *testing.B) {
	for name, control := range map[string]string{"kept": "max-age=60", "private": "private", "known": "no-store"} {
		b.Run(name, func(b *testing.B) {
			h := newCache(b, Config{MaxBytes: 16 << 20})
			c := newClient(h.Middleware(page("Cache-Control", control)))
			c.ask()
			b.ReportAllocs()
			for n := 2; b.Loop(); n++ {
				if name != "known" {
					c.r.URL.RawQuery = "page=" + strconv.Itoa(n)
				}
				if status := c.ask(); status != http.StatusOK {
					b.Fatal(status)
				}
			}
			if way := c.way(); !strings.HasPrefix(way, "seawall; fwd=uri-miss; fwd-status=200") {
				b.Errorf("%q", way)
			}
			if s := h.Stats(); s.Hits != 0 {
				b.Errorf("%d hits", s.Hits)
			}
		})
	}
}
