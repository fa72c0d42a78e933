package cachetest

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// TestHTTPFlood: URLs and variants that nobody asks for again, however many, take no
// memory beyond the bound, and do not push out a page that is asked for all the time.
// (SEAWALL_LONG: ten million URLs, a million variants.)
func TestHTTPFlood(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory on its own account")
	}
	const maxBytes = 16 << 20
	long16 := strings.Repeat("x", 16<<10)
	for name, c := range map[string]struct {
		n, long int
		flood   func(i int) (path string, fields []string)
	}{
		"URLs":    {40_000, 10_000_000, func(i int) (string, []string) { return fmt.Sprint("/", i), nil }},
		"queries": {30_000, 1_000_000, func(i int) (string, []string) { return fmt.Sprint("/hot?", i), nil }},
		"languages": {30_000, 1_000_000, func(i int) (string, []string) {
			return "/hot", []string{"Accept-Language", fmt.Sprint("x-", i)}
		}},
		"agents": {30_000, 1_000_000, func(i int) (string, []string) {
			return "/hot", []string{"User-Agent", fmt.Sprint("Mozilla/5.0 ", i), "Accept-Language", "de"}
		}},
		"long agents of many URLs": {20_000, 200_000, func(i int) (string, []string) {
			return fmt.Sprint("/", i/30), []string{"User-Agent", fmt.Sprint(long16, i)}
		}},
		"long hosts forwarded": {20_000, 200_000, func(i int) (string, []string) {
			return "/hot", []string{"X-Forwarded-Host", fmt.Sprint(long16, i)}
		}},
		"forwarded hosts of many URLs": {30_000, 1_000_000, func(i int) (string, []string) {
			return fmt.Sprint("/?n=", i), []string{"X-Forwarded-Host", fmt.Sprint(i, ".example")}
		}},
		"deep paths":  {30_000, 1_000_000, func(i int) (string, []string) { return fmt.Sprintf("/%d/a/b/", i), nil }},
		"tags":        {30_000, 1_000_000, func(i int) (string, []string) { return fmt.Sprint("/tagged/", i), nil }},
		"private":     {30_000, 1_000_000, func(i int) (string, []string) { return fmt.Sprint("/private/", i), nil }},
		"many fields": {30_000, 1_000_000, func(i int) (string, []string) { return fmt.Sprint("/fields/", i), nil }},
	} {
		t.Run(name, func(t *testing.T) {
			n := c.n
			if long() {
				n = c.long
			}
			before := heapAlloc()
			h := seawall.Must(httpcache.New(httpcache.Config{MaxBytes: maxBytes}))
			defer h.Close(t.Context())
			var hot atomic.Int64
			page := strings.Repeat("x", 2<<10)
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header := w.Header()
				header["Cache-Control"] = []string{"max-age=31536000"}
				switch {
				case strings.HasPrefix(r.URL.Path, "/private/"):
					header["Cache-Control"] = []string{"private"}
				case strings.HasPrefix(r.URL.Path, "/tagged/"):
					header["Surrogate-Key"] = []string{r.URL.Path}
				case strings.HasPrefix(r.URL.Path, "/fields/"):
					for i := range 40 {
						header[fmt.Sprint("X-Field-", i)] = []string{r.URL.Path}
					}
				case r.URL.Path == "/hot" && r.URL.RawQuery == "" && r.Header.Get("Accept-Language") == "de" && r.Header.Get("User-Agent") == "":
					hot.Add(1)
				}
				if r.URL.Path == "/hot" {
					header["Surrogate-Key"] = []string{"hot"}
				}
				header["Vary"] = []string{"Accept-Language, User-Agent"}
				io.WriteString(w, page)
			}))
			hits, asked := 0, 0
			for i := range n {
				path, fields := c.flood(i)
				visit(front, path, fields...)
				if i%10 == 0 {
					asked++
					if visit(front, "/hot", "Accept-Language", "de") {
						hits++
					}
				}
			}
			taken := float64(heapAlloc()-before) / maxBytes
			s := h.Stats()
			runtime.KeepAlive(h)
			t.Logf("%d: %d are kept, %.1f %% of MaxBytes on the heap; the page that is asked for was a hit %d times of %d", n, s.Store.Entries, 100*taken, hits, asked)
			if taken > 1.1 {
				t.Errorf("%.1f %% of MaxBytes on the heap", 100*taken)
			}
			if asked-hits > 3+asked/1000 {
				t.Errorf("the page that is asked for was missed %d times", asked-hits)
			}
		})
	}
}
