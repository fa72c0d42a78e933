package httpcache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// open makes a Cache that is closed with the test.
func newCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// origin counts how often it is asked, and answers by f.
type origin struct {
	calls atomic.Int64
	f     http.HandlerFunc
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.calls.Add(1)
	o.f(w, r)
}

// ask makes one request; fields are names and values.
func ask(h http.Handler, method, url string, fields ...string) *http.Response {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func TestHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("X-Own", "yes")
			fmt.Fprintf(w, "hello %s", r.URL.Path)
		}}
		front := h.Middleware(o)
		for i, want := range []string{"seawall; fwd=uri-miss; fwd-status=200; stored", "seawall; hit; ttl=60", "seawall; hit; ttl=50"} {
			if i == 2 {
				time.Sleep(10 * time.Second)
			}
			got := ask(front, "GET", "/a")
			if b := body(got); b != "hello /a" || got.Header.Get("Cache-Status") != want || got.Header.Get("X-Own") != "yes" {
				t.Errorf("%d: %q %v", i, b, got.Header)
			}
		}
		if n := o.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(51 * time.Second)
		if got := ask(front, "GET", "/a"); got.Header.Get("Cache-Status") != "seawall; fwd=stale; fwd-status=200; stored" || o.calls.Load() != 2 {
			t.Errorf("%v", got.Header)
		}
	})
}

func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hello")
		}}
		front := h.Middleware(o)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if got := ask(front, "GET", "/a"); body(got) != "hello" {
					t.Error("body")
				}
			})
		}
		all.Wait()
		if n := o.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		t.Logf("%+v", h.Stats())
	})
}

func TestVaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Vary", "Accept-Language")
			io.WriteString(w, "hello "+r.Header.Get("Accept-Language"))
		}}
		front := h.Middleware(o)
		for range 3 {
			for _, l := range []string{"de", "en", "fr"} {
				got := ask(front, "GET", "/a", "Accept-Language", l)
				if b := body(got); b != "hello "+l {
					t.Error(b)
				}
				t.Log(got.Header)
			}
		}
		if n := o.calls.Load(); n != 3 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestStaleWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		var down atomic.Bool
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if down.Load() {
				w.WriteHeader(503)
				io.WriteString(w, "sorry")
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-None-Match") == `"a"` {
				w.WriteHeader(304)
				return
			}
			io.WriteString(w, "hello")
		}}
		front := h.Middleware(o)
		for i := range 5 {
			got := ask(front, "GET", "/a")
			if b := body(got); b != "hello" || got.StatusCode != 200 {
				t.Error(b, got)
			}
			t.Log(got.Header)
			if i == 2 {
				down.Store(true)
			}
			time.Sleep(61 * time.Second)
		}
		time.Sleep(700 * time.Second)
		if got := ask(front, "GET", "/a"); got.StatusCode != 503 {
			t.Error(got)
		}
	})
}
