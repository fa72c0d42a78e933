package httpcache

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const pageURL = "http://example.com/a"

// TestForgottenMeanwhile: what is purged while the handler fails does not stand in
// for it.
func TestForgottenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		var down atomic.Bool
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if down.Load() {
				time.Sleep(2 * time.Second)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			write(w, "old", "Cache-Control", "max-age=10")
		}))
		ask(front, "GET", "/a")
		time.Sleep(11 * time.Second)
		down.Store(true)
		if got := ask(front, "GET", "/a"); got.StatusCode != http.StatusOK {
			t.Errorf("not purged yet: %s", got.Status)
		}
		time.Sleep(time.Minute) // after ErrorPause
		var all sync.WaitGroup
		all.Go(func() {
			if got := ask(front, "GET", "/a"); got.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("purged, and shown: %v", got.Header)
			}
		})
		time.Sleep(time.Second)
		if err := h.Purge(t.Context(), pageURL); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

// TestUnaskedMeanwhile: nobody asks whether what was purged while he waited is still
// good: it would be shown again.
func TestUnaskedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{StaleIfError: -1})
		var calls atomic.Int64
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := calls.Add(1)
			if n == 2 {
				time.Sleep(time.Minute)
			}
			w.Header().Set("Cache-Control", "max-age=10")
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-None-Match") == `"a"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, []string{"", "bad", "hangs", "mended"}[n])
		}))
		ask(front, "GET", "/a")
		time.Sleep(11 * time.Second)
		var all sync.WaitGroup
		all.Go(func() { ask(front, "GET", "/a") })
		synctest.Wait()
		all.Go(func() { // has looked before the purge, and waits for the first
			if got := ask(front, "GET", "/a"); body(got) != "mended" {
				t.Errorf("%v", got.Header)
			}
		})
		time.Sleep(time.Second)
		if err := h.Purge(t.Context(), pageURL); err != nil {
			t.Error(err)
		}
		all.Wait()
		if n := calls.Load(); n != 3 {
			t.Errorf("asked %d times", n)
		}
	})
}

// asking is the context of a request that does something when it has looked at what is
// stored, and found that it has to ask.
type asking struct {
	context.Context

	once sync.Once
	do   func()
}

func (a *asking) Value(key any) any {
	if key == (leading{}) {
		a.once.Do(a.do)
	}
	return a.Context.Value(key)
}

// TestRenewedMeanwhile: what another one has renewed since a request looked is not
// asked for again, nor in the tier that processes share.
func TestRenewedMeanwhile(t *testing.T) {
	for _, tier := range []string{"local", "shared"} {
		t.Run(tier, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newEdition("Cache-Control", "max-age=10")
				cfg := Config{Name: "pages"}
				if tier == "shared" {
					d := newDepot()
					cfg.Shared.L2, cfg.Shared.Bus = d, d
				}
				h := newCache(t, cfg)
				front := h.Middleware(s.f)
				time.Sleep(2 * time.Second)
				ask(front, "GET", "/a")
				time.Sleep(11 * time.Second)
				s.n.Store(2)
				r := httptest.NewRequest(http.MethodGet, "/a", nil)
				ctx := &asking{Context: r.Context(), do: func() {
					ask(front, "GET", "/a")
					s.n.Store(3)
				}}
				w := httptest.NewRecorder()
				front.ServeHTTP(w, r.WithContext(ctx))
				if b := w.Body.String(); b != "/a of 2" {
					t.Errorf("%s %v", b, w.Header())
				}
			})
		})
	}
}

// TestNotedMeanwhile: that an answer cannot be kept is not noted of what was purged
// since it was asked for: the next one may be for all.
func TestNotedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		var public atomic.Bool
		o := &origin{}
		o.f = func(w http.ResponseWriter, _ *http.Request) {
			control := "no-store"
			if public.Load() {
				control = "max-age=60"
			}
			time.Sleep(2 * time.Second)
			write(w, "hello", "Cache-Control", control)
		}
		front := h.Middleware(o)
		var first sync.WaitGroup
		first.Go(func() { ask(front, "GET", "/a") })
		time.Sleep(time.Second)
		public.Store(true)
		if err := h.Purge(t.Context(), pageURL); err != nil {
			t.Error(err)
		}
		first.Wait()
		o.calls.Store(0)
		rush(front, 10, "/a", nil)
		if n := o.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestTooLongAtOnce: who waits for what gets too long asks as soon as that is known,
// also where it cannot be noted, since what is there is not that old.
func TestTooLongAtOnce(t *testing.T) {
	inBubble(t, Config{MaxBody: 1000, Wait: time.Hour}, func(t *testing.T, h *Cache) {
		n := 1
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			write(w, strings.Repeat("x", 500*n), "Cache-Control", "max-age=60")
			io.WriteString(w, strings.Repeat("x", 500*n))
		}))
		ask(front, "GET", "/a")
		time.Sleep(2 * time.Minute)
		n = 3
		for i, got := range rush(front, 20, "/a", nil) {
			if got.took > 2*time.Second || len(body(got.Response)) != 3000 {
				t.Errorf("%d: %v after %v", i, got.Header, got.took)
			}
		}
	})
}

// TestDeclaredLess: a handler that writes more than it has declared hears of it as
// without a cache, and the client has what was declared.
func TestDeclaredLess(t *testing.T) {
	var writes []error
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Length", "5")
		writes = nil
		for _, part := range []string{"hello", "world"} {
			_, err := io.WriteString(w, part)
			writes = append(writes, err)
		}
	})
	for name, front := range map[string]http.Handler{"bare": handler, "cache": newCache(t, Config{}).Middleware(handler)} {
		s := httptest.NewServer(front)
		got, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(got.Body)
		if string(text) != "hello" || err != nil {
			t.Errorf("%s: %q %v", name, text, err)
		}
		got.Body.Close()
		s.Close()
		if !slices.Equal(writes, []error{nil, http.ErrContentLength}) {
			t.Errorf("%s: the handler heard %v", name, writes)
		}
	}
}

// TestUnchangedEncoding: a 304 out of the cache says nothing of the body that it does
// not send.
func TestUnchangedEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			write(w, "\x1f\x8b", "Cache-Control", "max-age=60", "Etag", `"a"`, "Content-Encoding", "gzip", "Content-Type", "text/html")
		}))
		for i := range 2 { // the first one is written by the handler
			got := ask(front, "GET", "/a", "If-None-Match", `"a"`)
			if got.StatusCode != http.StatusNotModified || got.Header.Get("Etag") != `"a"` {
				t.Errorf("%d: %s %v", i, got.Status, got.Header)
			}
			for _, name := range []string{"Content-Encoding", "Content-Type", "Content-Length"} {
				if got.Header[name] != nil {
					t.Errorf("%d: %s: %q", i, name, got.Header[name])
				}
			}
		}
	})
}
