package cachetest

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// answers is a writer that forgets.
type answers struct {
	header http.Header
	status int
}

func (a *answers) Header() http.Header { return a.header }
func (a *answers) WriteHeader(n int)   { a.status = n }
func (a *answers) Write(b []byte) (int, error) {
	return len(b), nil
}

// visit asks for a path, and says whether it was a hit.
func visit(front http.Handler, path string, fields ...string) bool {
	r, err := http.NewRequest(http.MethodGet, "http://site.example"+path, http.NoBody)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header[fields[i]] = []string{fields[i+1]}
	}
	a := answers{header: make(http.Header)}
	front.ServeHTTP(&a, r)
	return strings.Contains(a.header.Get("Cache-Status"), "; hit")
}

// TestHTTPBytes: what is kept takes as much of the heap as MaxBytes says, whatever
// responses are like. (SEAWALL_LONG: all kinds.)
func TestHTTPBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory on its own account")
	}
	const maxBytes = 16 << 20
	for name, c := range map[string]struct {
		body, fields, length, tags, path int
		vary                             bool
	}{
		"no body":                {},
		"100 B":                  {body: 100},
		"2 KiB":                  {body: 2 << 10},
		"2 KiB, 10 fields":       {body: 2 << 10, fields: 10, length: 20},
		"64 KiB":                 {body: 64 << 10},
		"100 B, 50 fields":       {body: 100, fields: 50, length: 40},
		"100 B, long fields":     {body: 100, fields: 3, length: 1000},
		"300 B, 8 tags":          {body: 300, tags: 8},
		"100 B, long URLs":       {body: 100, path: 500},
		"2 KiB, each a variant":  {body: 2 << 10, vary: true},
		"30 KiB, each a variant": {body: 30 << 10, vary: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.body < 2<<10 && c.fields == 0 && c.body != 100 && !long() || c.path > 0 && !long() {
				t.Skip("SEAWALL_LONG: takes seconds")
			}
			text := strings.Repeat("x", max(c.body, c.length))
			var names []string
			for i := range c.fields {
				names = append(names, fmt.Sprint("X-Field-", i))
			}
			before := heapAlloc()
			h := seawall.Must(httpcache.New(httpcache.Config{MaxBytes: maxBytes, PurgeDepth: 1}))
			defer h.Close(t.Context())
			n := 0
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header := w.Header()
				header["Cache-Control"] = []string{"max-age=600"}
				header["Content-Type"] = []string{"text/html; charset=utf-8"}
				header.Set("Etag", fmt.Sprintf(`"%d"`, n))
				for _, name := range names {
					header[name] = []string{text[:c.length]}
				}
				for i := range c.tags {
					header.Add("Surrogate-Key", fmt.Sprint("tag-", (n+i)%100))
				}
				if c.vary {
					header["Vary"] = []string{"Accept-Language"}
				}
				w.Write([]byte(text[:c.body]))
			}))
			each := 1000 + c.body + c.path + c.fields*(c.length+48)
			for n = range 2 * maxBytes / each {
				path := fmt.Sprintf("/%s%d", strings.Repeat("p", c.path), n)
				if c.vary {
					path = fmt.Sprintf("/%d", n/8)
				}
				for range 2 { // a hit is remembered, too
					visit(front, path, "Accept-Language", fmt.Sprint("de-", n))
				}
			}
			taken := float64(heapAlloc()-before) / maxBytes
			s := h.Stats()
			runtime.KeepAlive(h)
			t.Logf("%d of %d are kept: %.1f %% of MaxBytes on the heap, %.0f bytes each", s.Store.Entries, n+1, 100*taken, taken*maxBytes/float64(s.Store.Entries))
			if s.Store.Entries > n {
				t.Errorf("nothing had to go")
			}
			if taken > 1.1 || taken < 0.9 {
				t.Errorf("%.1f %% of MaxBytes on the heap", 100*taken)
			}
		})
	}
}
