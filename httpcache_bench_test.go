package seawall_test

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// pageWriter is the writer of a connection that keeps nothing but its map.
type pageWriter struct {
	header http.Header
	status int
}

func (w *pageWriter) Header() http.Header         { return w.header }
func (w *pageWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *pageWriter) WriteHeader(status int)      { w.status = status }

func (w *pageWriter) ask(h http.Handler, r *http.Request) {
	clear(w.header)
	w.status = http.StatusOK
	h.ServeHTTP(w, r)
}

// BenchmarkHTTPCache is what a request for a page of 2 KiB pays, by how it is found.
func BenchmarkHTTPCache(b *testing.B) {
	lasting := http.Header{"Cache-Control": {"max-age=100000000"}}
	varying := http.Header{"Cache-Control": {"max-age=100000000"}, "Vary": {"Accept-Encoding"}, "Etag": {`"v1"`}}
	stale := http.Header{"Cache-Control": {"max-age=1"}, "Age": {"1"}, "Etag": {`"v1"`}}
	for _, c := range []struct {
		name      string
		page, ask http.Header
		status    int
		way       string
	}{
		{"hit", lasting, nil, 200, "seawall; hit"},
		{"hit-vary", varying, nil, 200, "seawall; hit"},
		{"304", varying, http.Header{"If-None-Match": {`"v1"`}}, 304, "seawall; hit"},
		{"range", lasting, http.Header{"Range": {"bytes=100-199"}}, 206, "seawall; hit"},
		{"stale", stale, nil, 200, "seawall; hit"}, // the handler has just refused
		{"refused", stale, http.Header{"Cache-Control": {"no-cache"}}, 200, "seawall; fwd=stale; fwd-status=503"},
		{"miss", lasting, nil, 200, "seawall; fwd=uri-miss; fwd-status=200; stored"},
		{"none", lasting, nil, 200, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			var front http.Handler = &frontPage{fields: c.page, once: c.name == "stale" || c.name == "refused"}
			if c.name != "none" {
				front = cached(b, front)
			}
			w, r := &pageWriter{header: make(http.Header)}, pageRequest(b)
			for range 2 { // if it is stale, it is so from the second time on
				w.ask(front, r)
			}
			maps.Copy(r.Header, c.ask)
			b.ReportAllocs()
			for n := 2; b.Loop(); n++ {
				if c.name == "miss" {
					r.URL.RawQuery = "page=" + strconv.Itoa(n)
				}
				if w.ask(front, r); w.status != c.status {
					b.Fatal(w.status)
				}
			}
			if way, _, _ := strings.Cut(strings.Join(w.header["Cache-Status"], ""), "; ttl="); way != c.way {
				b.Errorf("%q", way)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		page := &frontPage{fields: lasting, once: true} // who is no hit is refused
		front := cached(b, page)
		(&pageWriter{header: make(http.Header)}).ask(front, pageRequest(b))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			w, r := &pageWriter{header: make(http.Header)}, pageRequest(b)
			for pb.Next() {
				if w.ask(front, r); w.status != http.StatusOK {
					b.Error(w.status)
				}
			}
		})
	})
}

// frontPage is a handler, which after the first request refuses all others if once.
type frontPage struct {
	fields      http.Header
	once, shown bool
}

var frontBody = []byte(strings.Repeat("0123456789abcde\n", 128))

func (p *frontPage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if p.once && p.shown {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p.shown = true
	header := w.Header()
	header["Content-Type"] = []string{"application/json"}
	maps.Copy(header, p.fields)
	w.Write(frontBody)
}

func cached(b *testing.B, page http.Handler) http.Handler {
	b.Helper()
	h := seawall.Must(httpcache.New(httpcache.Config{ErrorPause: time.Hour, MinReload: seawall.Off}))
	b.Cleanup(func() { h.Close(context.Background()) })
	return h.Middleware(page)
}

func pageRequest(b *testing.B) *http.Request {
	b.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://shop.example/feed/popular?page=1", http.NoBody)
	if err != nil {
		panic(err) // the address above is a constant
	}
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	return r
}
