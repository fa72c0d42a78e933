package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOnesError: an error that one client's request has caused is not shown to
// others, though a middleware says of all answers that they may be kept.
func TestOnesError(t *testing.T) {
	for _, status := range []int{400, 402, 403, 406, 409, 411, 413, 415, 422, 423, 424, 431} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				front := newCache(t, Config{MaxBytes: 2 << 20}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "public, max-age=60")
					if r.Header.Get("X-Bad") != "" {
						http.Error(w, "bad", status)
						return
					}
					io.WriteString(w, "hello")
				}))
				if got := ask(front, "GET", "/a", "X-Bad", "1"); got.StatusCode != status {
					t.Errorf("who has caused it sees %d", got.StatusCode)
				}
				if got := ask(front, "GET", "/a"); got.StatusCode != http.StatusOK {
					t.Errorf("others see %d: %v", got.StatusCode, got.Header)
				}
			})
		})
	}
}

// TestOuterCookie: a cookie that a middleware in front sets on each answer keeps none
// from being kept, and is not kept. One of the handler's does.
func TestOuterCookie(t *testing.T) {
	for name, c := range map[string]struct {
		handler func(http.Header)
		asked   int64
	}{
		"in front":     {handler: func(http.Header) {}, asked: 1},
		"added":        {handler: func(h http.Header) { h.Add("Set-Cookie", "session=1") }, asked: 4},
		"in its place": {handler: func(h http.Header) { h.Set("Set-Cookie", "session=1") }, asked: 4},
		"changed":      {handler: func(h http.Header) { h["Set-Cookie"][0] = "session=1" }, asked: 4},
		"before it":    {handler: func(h http.Header) { h["Set-Cookie"] = append([]string{"session=1"}, h["Set-Cookie"]...) }, asked: 4},
		"added, but not kept": {handler: func(h http.Header) {
			h.Add("Set-Cookie", "session=1")
			h.Set("Cache-Control", `max-age=60, no-cache="Set-Cookie"`)
		}, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{f: func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					c.handler(w.Header())
					io.WriteString(w, "hello")
				}}
				front := newCache(t, Config{}).Middleware(o)
				outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Add("Set-Cookie", "count="+r.Header.Get("X-N"))
					front.ServeHTTP(w, r)
				})
				for i := range 4 {
					want := fmt.Sprint("count=", i)
					got := ask(outside, "GET", "/a", "X-N", fmt.Sprint(i)).Header["Set-Cookie"]
					if c.asked == 1 && i > 0 && !slices.Equal(got, []string{want}) {
						t.Errorf("a hit sets %q, want %s", got, want)
					}
				}
				if n := o.calls.Load(); n != c.asked {
					t.Errorf("asked %d times, want %d", n, c.asked)
				}
			})
		})
	}
}

// TestOuterCookieAnew: it is the same where the handler only says that nothing has
// changed.
func TestOuterCookieAnew(t *testing.T) {
	for name, sets := range map[string]string{"in front": "", "within": "session=1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Etag", `"a"`)
					if r.Header.Get("If-None-Match") != "" {
						if sets != "" {
							w.Header().Add("Set-Cookie", sets)
						}
						w.WriteHeader(http.StatusNotModified)
					}
				}}
				front := newCache(t, Config{}).Middleware(o)
				outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Set-Cookie", "count="+r.Header.Get("X-N"))
					front.ServeHTTP(w, r)
				})
				ask(outside, "GET", "/a", "X-N", "1")
				time.Sleep(61 * time.Second)
				anew := ask(outside, "GET", "/a", "X-N", "2").Header
				want := []string{"count=2"}
				if sets != "" {
					want = append(want, sets)
				}
				if !slices.Equal(anew["Set-Cookie"], want) || strings.HasSuffix(anew.Get("Cache-Status"), "stored; ttl=60") != (sets == "") {
					t.Errorf("renewed: %v", anew)
				}
				if got := ask(outside, "GET", "/a", "X-N", "3").Header["Set-Cookie"]; sets == "" && !slices.Equal(got, []string{"count=3"}) {
					t.Errorf("a hit sets %q", got)
				}
				if n := o.calls.Load(); (n == 2) != (sets == "") {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// TestOnesHead: nothing of the answer to a HEAD that is not to be stored is.
func TestOnesHead(t *testing.T) {
	for control, want := range map[string]string{"no-store": "first", "max-stale": "head"} {
		synctest.Test(t, func(t *testing.T) {
			front := newCache(t, Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Etag", `"a"`)
				w.Header().Set("X-Who", r.Header.Get("X-Who"))
				io.WriteString(w, "hello")
			}))
			ask(front, "GET", "/a", "X-Who", "first")
			time.Sleep(61 * time.Second)
			ask(front, "HEAD", "/a", "X-Who", "head", "Cache-Control", control+", max-age=0")
			if got := ask(front, "GET", "/a", "Cache-Control", "max-stale=60").Header.Get("X-Who"); got != want {
				t.Errorf("after a HEAD with %s a GET is shown that of %q, want %q", control, got, want)
			}
		})
	}
}
