package httpcache

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

//house:sleep everything here runs in the bubble that inBubble makes

// refusing is a middleware that refuses everything while it is told to.
type refusing struct {
	atomic.Bool

	refused atomic.Int64
	status  int
}

func (m *refusing) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.Load() {
			m.refused.Add(1)
			seawall.Respond(w, r, &seawall.Rejection{Component: "shed", Reason: seawall.Overloaded, Status: m.status})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// TestStaleWhenRefusing: what a middleware within refuses is answered by what was
// good a while ago, as long as that may be shown, and marked; then the refusal
// passes. Once in each ErrorPause it is tried.
func TestStaleWhenRefusing(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		inBubble(t, Config{StaleIfError: 5 * time.Minute, ErrorPause: 10 * time.Second}, func(t *testing.T, h *Cache) {
			inner := &refusing{status: status}
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				write(w, "hello", "Cache-Control", r.Header.Get("X-Control"))
			}}
			front := h.Middleware(inner.Middleware(o))
			controls := map[string]time.Duration{ // for how long after their lifetime they are shown
				"max-age=60":                                       5 * time.Minute,
				"max-age=60, stale-if-error=120":                   2 * time.Minute,
				"max-age=60, must-revalidate":                      0,
				"s-maxage=60":                                      0,
				"max-age=60, stale-if-error=0":                     0,
				"max-age=60, stale-while-revalidate=30":            5 * time.Minute,
				"no-cache, max-age=60, stale-if-error=600":         -time.Minute,
				"max-age=60, proxy-revalidate":                     0,
				"max-age=60, stale-if-error=9999, must-revalidate": 0,
			}
			path := func(control string) string {
				return "/" + strings.NewReplacer(" ", "", ",", "", "=", "").Replace(control)
			}
			for control := range controls {
				ask(front, "GET", path(control), "X-Control", control)
			}
			inner.Store(true)
			for at := time.Second; at < 8*time.Minute; at += time.Second {
				time.Sleep(time.Second)
				for control, stale := range controls {
					got := ask(front, "GET", path(control))
					switch {
					case got.Header.Get("Warning") != "":
						t.Fatalf("%s after %v: %v", control, at, got.Header)
					case at < time.Minute+stale:
						if body(got) != "hello" || got.Header.Get(seawall.ReasonHeader) != "" || at > time.Minute && !strings.Contains(got.Header.Get("Cache-Status"), "ttl=-") {
							t.Fatalf("%s after %v: %v", control, at, got)
						}
					case got.StatusCode != status || got.Header.Get(seawall.ReasonHeader) == "" || got.Header.Get("Cache-Control") != "no-store":
						t.Fatalf("%s after %v: %v", control, at, got)
					}
				}
			}
			inner.Store(false)
			time.Sleep(20 * time.Second)
			for control := range controls {
				if got := ask(front, "GET", path(control), "X-Control", "max-age=60"); body(got) != "hello" {
					t.Errorf("%s: then %v", control, got)
				}
			}
		})
	}
}

// TestStalePause: the handler is asked about once in each ErrorPause, by however
// many, and soon after it is well again what it says is shown.
func TestStalePause(t *testing.T) {
	for _, control := range []string{"max-age=60", "max-age=60, stale-while-revalidate=3600"} {
		inBubble(t, Config{StaleIfError: time.Hour, ErrorPause: 10 * time.Second}, func(t *testing.T, h *Cache) {
			inner := &refusing{}
			front := h.Middleware(inner.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				write(w, "hello", "Cache-Control", control)
			})))
			ask(front, "GET", "/a")
			time.Sleep(2 * time.Minute)
			inner.Store(true)
			for range 1000 { // ten per second
				for _, got := range rush(front, 3, "/a", nil) {
					if body(got.Response) != "hello" || got.took != 0 {
						t.Fatalf("%v after %v", got.Response, got.took)
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			if n := inner.refused.Load(); n < 7 || n > 14 {
				t.Errorf("%s: tried %d times in 100 s", control, n)
			}
			inner.Store(false)
			time.Sleep(13 * time.Second)
			ask(front, "GET", "/a")
			synctest.Wait()
			if got := ask(front, "GET", "/a"); got.Header.Get("Cache-Status") != "seawall; hit; ttl=60" {
				t.Errorf("%s: then %v", control, got.Header)
			}
		})
	}
}

// TestStaleForAll: all who wait for a renewal that is refused get what was good.
func TestStaleForAll(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		bad := false
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if bad {
				time.Sleep(time.Second)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			write(w, "hello", "Cache-Control", "max-age=60")
		}}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		time.Sleep(2 * time.Minute)
		bad = true
		for i, got := range rush(front, 100, "/a", nil) {
			if body(got.Response) != "hello" || got.took != time.Second || !strings.Contains(got.Header.Get("Cache-Status"), "fwd=stale; fwd-status=502") {
				t.Errorf("%d: %v after %v", i, got.Response, got.took)
			}
		}
		if n := o.calls.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		if st := h.Stats(); st.Degraded == 0 {
			t.Errorf("%+v", st)
		}
	})
}
