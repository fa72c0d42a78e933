package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRenewOuterFields: what a renewal in the background has kept goes with what
// stands in front of the cache as if a client had waited for it.
func TestRenewOuterFields(t *testing.T) {
	const from = "https://site.example"
	for name, etag := range map[string]string{"200": "", "304": `"a"`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=60")
					w.Header().Add("Vary", "Accept-Encoding")
					w.Header().Del("X-Frame-Options")
					if etag != "" {
						w.Header().Set("Etag", etag)
					}
					if etag != "" && r.Header.Get("If-None-Match") == etag {
						w.WriteHeader(http.StatusNotModified)
						return
					}
					io.WriteString(w, "hello")
				}}
				front := h.Middleware(o)
				cors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Vary", "Origin")
					w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
					w.Header().Set("X-Frame-Options", "DENY")
					front.ServeHTTP(w, r)
				})
				for i, rest := range []time.Duration{0, time.Second, 61 * time.Second, time.Second} {
					time.Sleep(rest)
					got := ask(cors, "GET", "/a", "Origin", from)
					synctest.Wait()
					if status := got.Header.Get("Cache-Status"); i == 3 && status != "seawall; hit; ttl=59" {
						t.Errorf("not renewed: %s", status)
					}
					if vary := strings.Join(got.Header["Vary"], ","); vary != "Origin,Accept-Encoding" {
						t.Errorf("answer %d: Vary is %q", i, vary)
					}
					if allowed := got.Header["Access-Control-Allow-Origin"]; !slices.Equal(allowed, []string{from}) {
						t.Errorf("answer %d: for %q", i, allowed)
					}
					if got.Header["X-Frame-Options"] != nil {
						t.Errorf("answer %d: the handler has taken away X-Frame-Options", i)
					}
				}
				if n := o.calls.Load(); n != 2 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// TestRenewOuterPrivate: what a middleware in front has written for the one whose
// request is the reason for a renewal is shown to nobody else, nor does a handler
// that writes to its header reach that one's answer.
func TestRenewOuterPrivate(t *testing.T) {
	for _, name := range []string{"X-Request-Id", "Set-Cookie"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				var version atomic.Int64
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=60")
					w.Header().Set("X-Version", fmt.Sprint(version.Load()))
					io.WriteString(w, "hello")
				}))
				outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if own := r.Header.Get("X-Own"); own != "" {
						w.Header().Set(name, own)
					}
					front.ServeHTTP(w, r)
				})
				ask(outside, "GET", "/a")
				time.Sleep(11 * time.Second)
				version.Store(1)
				got := ask(outside, "GET", "/a", "X-Own", "ann=1")
				synctest.Wait()
				if !slices.Equal(got.Header[name], []string{"ann=1"}) || got.Header.Get("X-Version") != "0" {
					t.Errorf("ann: %v", got.Header)
				}
				for _, own := range []string{"", "bob=2"} {
					got := ask(outside, "GET", "/a", "X-Own", own)
					synctest.Wait()
					if got.Header.Get(name) != own || len(got.Header[name]) > 1 {
						t.Errorf("%q: %v", own, got.Header)
					}
					if got.Header.Get("X-Version") != "1" {
						t.Errorf("%q: not renewed: %v", own, got.Header)
					}
				}
			})
		})
	}
}

// TestRenewAsksForAll: what the client wants for itself is not what the handler is
// asked in the background: that is for all.
func TestRenewAsksForAll(t *testing.T) {
	for name, value := range map[string]string{
		"If-None-Match": `"x"`, "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT", "Range": "bytes=0-1", "If-Range": `"x"`,
		"Cache-Control": "max-age=100", "Pragma": "x",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				var seen atomic.Pointer[http.Request]
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					seen.Store(r)
					w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=60")
					io.WriteString(w, "hello")
				}))
				ask(front, "GET", "/a")
				time.Sleep(11 * time.Second)
				seen.Store(nil)
				ask(front, "GET", "/a", name, value, "X-Other", "yes")
				synctest.Wait()
				switch r := seen.Load(); {
				case r == nil:
					t.Error("not renewed")
				case r.Header[name] != nil || r.Header.Get("X-Other") != "yes":
					t.Errorf("asked with %v", r.Header)
				}
			})
		})
	}
}
