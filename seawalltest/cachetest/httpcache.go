package cachetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// HTTPCache runs a site behind four processes with an HTTP cache each over a server,
// as parallel subtests. It checks that a crowd at all of them asks the handler once,
// and one that begins later not at all; that all forget what one of them purges; and
// that each answers by itself while the server is stopped, and they share again when
// it is back, empty. Of the Engine it needs Addr, Node, Stop and Start, and with a bus
// better Listening. It takes some two seconds.
func HTTPCache(t *testing.T, newEngine func(t *testing.T) Engine) {
	t.Helper()
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, vary := range s.vary {
				e := newEngine(t)
				if err := s.run(t, &e, vary); err != nil {
					t.Fatalf("Vary %q: %v", vary, err)
				}
			}
		})
	}
}

// scene is what happens to a site.
type scene struct {
	name string
	vary []string
	run  func(t *testing.T, e *Engine, vary string) error
}

var scenes = []scene{
	{"crowd", []string{"", "Accept-Language"}, pagesCrowd},
	{"purge", []string{"", "Accept-Language"}, pagesPurge},
	{"gone", []string{""}, pagesGone},
}

// pages is a site behind several processes with an HTTP cache each.
type pages struct {
	edition, status, calls atomic.Int64
	takes                  atomic.Int64
	vary                   string
	quick                  bool // all ask again after quickTTL, though there is a bus
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

// quickTTL is after what time a process without a bus has heard of what another one
// did.
const quickTTL = 100 * time.Millisecond

// open adds a process.
func (p *pages) open(t *testing.T, e *Engine) (int, error) {
	l2, bus := e.Node(t, e.Addr)
	shared := cache.Shared[httpcache.Key, *httpcache.Response]{
		L2: l2, Bus: bus,
		Budget: 5 * time.Second, LeaseWait: 20 * time.Second, // a busy machine
	}
	if bus == nil || p.quick {
		shared.LocalTTL = quickTTL
	}
	h, err := httpcache.New(httpcache.Config{
		Name: "pages", MaxBytes: 4 << 20, ErrorPause: time.Millisecond, Shared: shared,
	})
	if err != nil {
		return 0, err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h.Close(ctx)
	})
	p.caches = append(p.caches, h)
	p.fronts = append(p.fronts, h.Middleware(p))
	return len(p.caches) - 1, nil
}

func openPages(t *testing.T, e *Engine, vary string, quick bool) (*pages, error) {
	p := &pages{vary: vary, quick: quick}
	p.edition.Store(1)
	for range 4 {
		if _, err := p.open(t, e); err != nil {
			return nil, err
		}
	}
	if e.Listening == nil {
		return p, nil
	}
	return p, becomes("all to listen", func() bool { return e.Listening() == len(p.caches) })
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
func (p *pages) crowd(each int, path, want string) error {
	wrong := make([]error, len(p.fronts)) // the last of each
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range p.fronts {
		for range each {
			wg.Go(func() {
				if got, header := p.get(i, "GET", path); got != want {
					mu.Lock()
					defer mu.Unlock()
					wrong[i] = fmt.Errorf("%d: got %q, want %q (%s)", i, got, want, header.Get("Cache-Status"))
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(wrong...)
}

// becomes waits for something that another process does.
func becomes(what string, ok func() bool) error {
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
	return nil
}

// pagesCrowd: four processes ask the handler once for all their clients, and one that
// begins later not at all.
func pagesCrowd(t *testing.T, e *Engine, vary string) error {
	p, err := openPages(t, e, vary, false)
	if err != nil {
		return err
	}
	want := "/cold  1"
	if vary != "" {
		want = "/cold de 1"
	}
	p.takes.Store(int64(50 * time.Millisecond))
	err = p.crowd(250, "/cold", want)
	p.edition.Store(2)
	late, openErr := p.open(t, e)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	got, header := p.get(late, "GET", "/cold")
	if status := header.Get("Cache-Status"); got != want || !strings.HasPrefix(status, "seawall; hit") {
		err = errors.Join(err, fmt.Errorf("a process that began later shows %q (%s)", got, status))
	}
	if n := p.calls.Load(); n != 1 {
		err = errors.Join(err, fmt.Errorf("the handler was asked %d times", n))
	}
	return err
}

// pagesPurge: what one process forgets all forget.
func pagesPurge(t *testing.T, e *Engine, vary string) error {
	p, err := openPages(t, e, vary, false)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for n, purge := range []func(h *httpcache.Cache) error{
		func(h *httpcache.Cache) error { return h.Purge(ctx, "http://site.example/shop/a") },
		func(h *httpcache.Cache) error { return h.PurgeTags(ctx, "wares") },
		func(h *httpcache.Cache) error { return h.PurgePrefix(ctx, "http://site.example/shop/") },
		func(h *httpcache.Cache) error { return h.Clear(ctx) },
		func(*httpcache.Cache) error { p.get(3, "POST", "/shop/a"); return nil },
	} {
		before, _ := p.get(0, "GET", "/shop/a")
		err := p.crowd(5, "/shop/a", before)
		p.edition.Add(1)
		if err := errors.Join(err, p.crowd(5, "/shop/a", before), purge(p.caches[n%4])); err != nil {
			return fmt.Errorf("by way %d: %w", n, err)
		}
		want := strings.Replace(before, fmt.Sprint(p.edition.Load()-1), fmt.Sprint(p.edition.Load()), 1)
		for i := range p.fronts {
			if err := becomes(fmt.Sprintf("process %d to forget by way %d", i, n), func() bool {
				got, _ := p.get(i, "GET", "/shop/a")
				return got == want
			}); err != nil {
				return err
			}
		}
		if err := p.crowd(5, "/shop/a", want); err != nil {
			return fmt.Errorf("forgotten by way %d, and it comes back: %w", n, err)
		}
	}
	return nil
}

// pagesGone: while the server is away each process answers by itself, also if the
// handler fails then; and when it is back, empty, they share again.
func pagesGone(t *testing.T, e *Engine, vary string) error {
	p, err := openPages(t, e, vary, true)
	if err != nil {
		return err
	}
	found := p.crowd(5, "/a", "/a  1")
	e.Stop()
	found = errors.Join(found, p.crowd(5, "/b", "/b  1"))
	if err := becomes("all to know that it is gone", func() bool {
		for i, h := range p.caches {
			p.get(i, "HEAD", "/other")
			if h.Snapshot().State != "l2_down" {
				return false
			}
		}
		return true
	}); err != nil {
		return errors.Join(found, err)
	}
	time.Sleep(2 * quickTTL)
	p.status.Store(http.StatusServiceUnavailable)
	for range 3 {
		found = errors.Join(found, p.crowd(5, "/a", "/a  1"))
	}
	found = errors.Join(found, p.caches[1].Purge(context.Background(), "http://site.example/a"))
	if got, _ := p.get(1, "GET", "/a"); got != "503 Service Unavailable" {
		found = errors.Join(found, fmt.Errorf("purged, and it is %q", got))
	}
	p.status.Store(0)
	p.edition.Store(2)
	e.Start()
	for i := range p.fronts {
		if err := becomes(fmt.Sprintf("process %d to hear of a purge", i), func() bool {
			got, _ := p.get(i, "GET", "/a")
			return got == "/a  2"
		}); err != nil {
			return errors.Join(found, err)
		}
	}
	err = becomes("one to ask for all", func() bool {
		path := fmt.Sprintf("/new-%d", time.Now().UnixNano())
		p.calls.Store(0)
		found = errors.Join(found, p.crowd(5, path, path+"  2"))
		return p.calls.Load() == 1
	})
	return errors.Join(found, err)
}
