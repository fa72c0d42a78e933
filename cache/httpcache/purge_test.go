package httpcache

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep everything here runs in the bubble that inBubble makes

// waysToPurge are all of them. Each takes /a/1.
var waysToPurge = map[string]func(h *Cache, front http.Handler) error{
	"URL":    func(h *Cache, _ http.Handler) error { return h.Purge(h.ctx, "http://example.com/a/1") },
	"tag":    func(h *Cache, _ http.Handler) error { return h.PurgeTags(h.ctx, "page") },
	"prefix": func(h *Cache, _ http.Handler) error { return h.PurgePrefix(h.ctx, "http://example.com/a/") },
	"all":    func(h *Cache, _ http.Handler) error { return h.Clear(h.ctx) },
	"unsafe": func(_ *Cache, front http.Handler) error { ask(front, "DELETE", "/a/1"); return nil },
}

// TestPurgeWhileAsking: who comes after a purge gets nothing that was asked for
// before it, neither as one of many who wait nor from what is kept.
func TestPurgeWhileAsking(t *testing.T) {
	for name, purge := range waysToPurge {
		for _, fields := range [][]string{{}, {"Vary", "Accept"}} {
			inBubble(t, Config{}, func(t *testing.T, h *Cache) {
				var version atomic.Int64
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					text := string(rune('0' + version.Load()))
					if r.Method == http.MethodGet {
						time.Sleep(time.Second)
					}
					write(w, text, append([]string{"Cache-Control", "max-age=60", "Surrogate-Key", "page"}, fields...)...)
				}}
				front := h.Middleware(o)
				before := comes(t.Context(), front, "/a/1")
				synctest.Wait()
				version.Store(1)
				if err := purge(h, front); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
				after := comes(t.Context(), front, "/a/1")
				if b := body(<-before); b != "0" {
					t.Errorf("%s: %q", name, b)
				}
				if b := body(<-after); b != "1" {
					t.Errorf("%s: after it %q", name, b)
				}
				if got := ask(front, "GET", "/a/1"); body(got) != "1" || got.Header.Get("Age") == "" {
					t.Errorf("%s: then %v", name, got.Header)
				}
			})
		}
	}
}

// between is an L1 in which something happens after the first look.
type between struct {
	cache.L1[Key, *Response]

	then atomic.Pointer[func()]
}

func (b *between) Get(k Key) (*cache.Entry[*Response], bool) {
	e, ok := b.L1.Get(k)
	if then := b.then.Swap(nil); then != nil {
		(*then)()
	}
	return e, ok
}

// TestPurgeAfterLooking: what somebody has just found when it is purged is not put
// back by a HEAD that says nothing about it, nor shown again because something fails.
func TestPurgeAfterLooking(t *testing.T) {
	for name, purge := range waysToPurge {
		for _, method := range []string{"HEAD", "GET"} {
			l1, err := cache.LRU[Key, *Response](100)
			if err != nil {
				t.Fatal(err)
			}
			engine := &between{L1: l1}
			inBubble(t, Config{L1: engine}, func(t *testing.T, h *Cache) {
				down := false
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					if down && r.Method == http.MethodGet {
						w.WriteHeader(http.StatusBadGateway)
						return
					}
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Surrogate-Key", "page")
					if !down {
						w.Header().Set("Etag", `"a"`)
					}
					if r.Method == http.MethodGet {
						io.WriteString(w, "old")
					}
				}}
				front := h.Middleware(o)
				ask(front, "GET", "/a/1")
				time.Sleep(2 * time.Minute)
				down = true
				then := func() {
					if err := purge(h, front); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
				engine.then.Store(&then)
				if got := ask(front, method, "/a/1"); method == "GET" && got.StatusCode != http.StatusBadGateway {
					t.Errorf("%s: %v", name, got)
				}
				if got := ask(front, "GET", "/a/1"); got.StatusCode != http.StatusBadGateway {
					t.Errorf("%s: after a %s: %v", name, method, got)
				}
			})
		}
	}
}

// TestPurgeSpares: nothing else is purged.
func TestPurgeSpares(t *testing.T) {
	for name, purge := range waysToPurge {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				write(w, "hello", "Cache-Control", "max-age=60", "Surrogate-Key", "of"+r.URL.Path)
				if r.URL.Path == "/a/1" {
					w.Header().Add("Surrogate-Key", "page")
				}
			}}
			front := h.Middleware(o)
			for _, url := range []string{"/a/1", "/b/1", "/a/1?x=1", "http://other.example/a/1"} {
				ask(front, "GET", url)
			}
			if err := purge(h, front); err != nil {
				t.Fatal(err)
			}
			left := 0
			for _, url := range []string{"/b/1", "/a/1?x=1", "http://other.example/a/1"} {
				if ask(front, "GET", url).Header.Get("Age") != "" {
					left++
				}
			}
			if want := map[string]int{"URL": 3, "unsafe": 3, "tag": 3, "prefix": 2}[name]; left != want {
				t.Errorf("%s: %d are left, want %d", name, left, want)
			}
		})
	}
}
