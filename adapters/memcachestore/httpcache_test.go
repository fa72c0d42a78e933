package memcachestore

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/cache/httpcache"
)

//house:sleep a memcached goes by its own clock

// pages is a site behind several processes with an HTTP cache each.
type pages struct {
	edition, status, calls atomic.Int64
	takes                  atomic.Int64
	vary                   string
	caches                 []*httpcache.Cache
	fronts                 []http.Handler
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	edition := p.edition.Load()
	time.Sleep(time.Duration(p.takes.Load()))
	if status := int(p.status.Load()); status != 0 {
		w.WriteHeader(status)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", "max-age=3600")
	header.Set("Surrogate-Key", "wares")
	if p.vary != "" {
		header.Set("Vary", p.vary)
	}
	fmt.Fprintf(w, "%s %s %d", r.URL.Path, r.Header.Get(p.vary), edition)
}

// localTTL is after what time a process has heard of what another one did.
const localTTL = 100 * time.Millisecond

// open adds a process.
func (p *pages) open(t *testing.T, e *engine) int {
	t.Helper()
	h := seawall.Must(httpcache.New(httpcache.Config{
		Name: "pages", MaxBytes: 4 << 20, ErrorPause: time.Millisecond,
		Shared: cache.Shared[httpcache.Key, *httpcache.Response]{
			L2: storeOf(t, e), LocalTTL: localTTL,
			Budget: 5 * time.Second, LeaseWait: 20 * time.Second, // a busy machine
		},
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h.Close(ctx)
	})
	p.caches = append(p.caches, h)
	p.fronts = append(p.fronts, h.Middleware(p))
	return len(p.caches) - 1
}

func openPages(t *testing.T, e *engine, vary string) *pages {
	t.Helper()
	p := &pages{vary: vary}
	p.edition.Store(1)
	for range 4 {
		p.open(t, e)
	}
	return p
}

// get asks process i, and returns the body, or the status if that is not 200.
func (p *pages) get(i int, method, path string) (string, http.Header) {
	r := httptest.NewRequest(method, "http://site.example"+path, nil)
	r.Header.Set("Accept-Language", "de")
	w := httptest.NewRecorder()
	p.fronts[i].ServeHTTP(w, r)
	if got := w.Result(); got.StatusCode != http.StatusOK {
		return got.Status, got.Header
	}
	b, _ := io.ReadAll(w.Body)
	return string(b), w.Header()
}

// crowd asks all processes at once.
func (p *pages) crowd(t *testing.T, each int, path, want string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range p.fronts {
		for range each {
			wg.Go(func() {
				if got, header := p.get(i, "GET", path); got != want {
					t.Errorf("%d: got %q, want %q (%s)", i, got, want, header.Get("Cache-Status"))
				}
			})
		}
	}
	wg.Wait()
}

// TestHTTPCacheCrowd: four processes ask the handler once for all their clients, and
// one that begins later not at all.
func TestHTTPCacheCrowd(t *testing.T) {
	t.Parallel()
	for _, vary := range []string{"", "Accept-Language"} {
		e := startMemcached(t)
		p := openPages(t, e, vary)
		want := "/cold  1"
		if vary != "" {
			want = "/cold de 1"
		}
		p.takes.Store(int64(50 * time.Millisecond))
		p.crowd(t, 250, "/cold", want)
		p.edition.Store(2)
		got, header := p.get(p.open(t, e), "GET", "/cold")
		if got != want || !strings.HasPrefix(header.Get("Cache-Status"), "seawall; hit") {
			t.Errorf("a process that began later shows %q (%s)", got, header.Get("Cache-Status"))
		}
		if n := p.calls.Load(); n != 1 {
			t.Errorf("Vary %q: the handler was asked %d times", vary, n)
		}
	}
}

// TestHTTPCachePurge: what one process forgets all forget.
func TestHTTPCachePurge(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, vary := range []string{"", "Accept-Language"} {
		p := openPages(t, startMemcached(t), vary)
		for n, purge := range []func(h *httpcache.Cache) error{
			func(h *httpcache.Cache) error { return h.Purge(ctx, "http://site.example/shop/a") },
			func(h *httpcache.Cache) error { return h.PurgeTags(ctx, "wares") },
			func(h *httpcache.Cache) error { return h.PurgePrefix(ctx, "http://site.example/shop/") },
			func(h *httpcache.Cache) error { return h.Clear(ctx) },
			func(*httpcache.Cache) error { p.get(3, "POST", "/shop/a"); return nil },
		} {
			before, _ := p.get(0, "GET", "/shop/a")
			p.crowd(t, 5, "/shop/a", before)
			p.edition.Add(1)
			p.crowd(t, 5, "/shop/a", before)
			if err := purge(p.caches[n%4]); err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(before, fmt.Sprint(p.edition.Load()-1), fmt.Sprint(p.edition.Load()), 1)
			for i := range p.fronts {
				eventually(t, fmt.Sprintf("process %d to forget by way %d", i, n), func() bool {
					got, _ := p.get(i, "GET", "/shop/a")
					return got == want
				})
			}
			p.crowd(t, 5, "/shop/a", want) // and nothing brings it back
		}
	}
}

// TestHTTPCacheMemcachedGone: while memcached is away each process answers by itself, also if
// the handler fails then; and when it is back, empty, they share again.
func TestHTTPCacheMemcachedGone(t *testing.T) {
	t.Parallel()
	e := startMemcached(t)
	p := openPages(t, e, "")
	p.crowd(t, 5, "/a", "/a  1")
	e.kill()
	p.crowd(t, 5, "/b", "/b  1")
	eventually(t, "all to know that it is gone", func() bool {
		for i, h := range p.caches {
			p.get(i, "HEAD", "/other")
			if h.Snapshot().State != "l2_down" {
				return false
			}
		}
		return true
	})
	time.Sleep(2 * localTTL)
	p.status.Store(http.StatusServiceUnavailable)
	for range 3 {
		p.crowd(t, 5, "/a", "/a  1")
	}
	if err := p.caches[1].Purge(context.Background(), "http://site.example/a"); err != nil {
		t.Error(err)
	}
	if got, _ := p.get(1, "GET", "/a"); got != "503 Service Unavailable" {
		t.Errorf("purged, and it is %q", got)
	}
	p.status.Store(0)
	p.edition.Store(2)
	e.start()
	for i := range p.fronts {
		eventually(t, "a purge to be heard of", func() bool {
			got, _ := p.get(i, "GET", "/a")
			return got == "/a  2"
		})
	}
	eventually(t, "one to ask for all", func() bool {
		path := fmt.Sprintf("/new-%d", time.Now().UnixNano())
		p.calls.Store(0)
		p.crowd(t, 5, path, path+"  2")
		return p.calls.Load() == 1
	})
}
