package httpcache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestCrowdBehindOne: one whose own fields are why his answer cannot be kept sends nobody else to the
// handler.
func TestCrowdBehindOne(t *testing.T) {
	for name, fields := range map[string][]string{"Range": {"Range", "bytes=0-0"}, "Authorization": {"Authorization", "Basic eDp5"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Etag", fmt.Sprintf(`"%d"`, time.Now().Unix()))
					http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("hello, everybody"))
				}}
				front := h.Middleware(o)
				if name == "Range" {
					ask(front, "GET", "/a")
					time.Sleep(61 * time.Second)
				}
				o.calls.Store(0)
				var all sync.WaitGroup
				all.Go(func() { ask(front, "GET", "/a", fields...) })
				synctest.Wait()
				for range 1000 {
					all.Go(func() { ask(front, "GET", "/a") })
				}
				all.Wait()
				if n := o.calls.Load(); n > 3 {
					t.Errorf("%s: asked %d times", name, n)
				}
			})
		})
	}
}

// TestWithdrawn: what the handler says is gone, or private now, is not shown any more once it was asked.
func TestWithdrawn(t *testing.T) {
	for name, now := range map[string]http.HandlerFunc{
		"404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"410": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(410)
		},
		"private": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "private")
			io.WriteString(w, "for ann alone")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				var f atomic.Pointer[http.HandlerFunc]
				first := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					Policy{Shared: 10 * time.Second, StaleWhileRevalidate: time.Hour, StaleIfError: time.Hour}.Set(w.Header())
					io.WriteString(w, "a secret")
				})
				f.Store(&first)
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) { (*f.Load())(w, r) }}
				front := h.Middleware(o)
				ask(front, "GET", "/a")
				f.Store(&now)
				time.Sleep(11 * time.Second)
				ask(front, "GET", "/a")
				synctest.Wait()
				n := 0
				for range 100 {
					time.Sleep(10 * time.Second)
					if body(ask(front, "GET", "/a")) == "a secret" {
						n++
					}
					synctest.Wait()
				}
				if n > 0 {
					t.Errorf("%s: the handler said so %d times, and %d of 100 got what was there before, for 1000 s", name, o.calls.Load()-1, n)
				}
			})
		})
	}
}

// TestWithdrawnThenError: nor does it stand in for a failure.
func TestWithdrawnThenError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		step := 0
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			step++
			switch step {
			case 1:
				w.Header().Set("Cache-Control", "max-age=10")
				io.WriteString(w, "a secret")
			case 2:
				w.Header().Set("Cache-Control", "no-store")
				w.WriteHeader(410)
			default:
				w.WriteHeader(503)
			}
		}))
		ask(front, "GET", "/a")
		time.Sleep(11 * time.Second)
		if got := ask(front, "GET", "/a"); got.StatusCode != 410 {
			t.Fatal(got)
		}
		time.Sleep(time.Second)
		if got := ask(front, "GET", "/a"); got.StatusCode == 200 {
			t.Errorf("%q %v", body(got), got.Header)
		}
	})
}

// TestHerd: where the handler is slow or fails, those who wait do not go to it all at once.
func TestHerd(t *testing.T) {
	for name, f := range map[string]http.HandlerFunc{
		"fails": func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); w.WriteHeader(503) },
		"slow": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(12 * time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
		},
		"panics": func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{})
				var at, most atomic.Int64
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					n := at.Add(1)
					if n > most.Load() {
						most.Store(n)
					}
					defer at.Add(-1)
					f(w, r)
				}}
				front := h.Middleware(o)
				var all sync.WaitGroup
				for range 1000 {
					all.Go(func() {
						defer func() { _ = recover() }()
						ask(front, "GET", "/a")
					})
				}
				all.Wait()
				if n := most.Load(); n > 10 {
					t.Errorf("%s: %d calls, %d at once", name, o.calls.Load(), n)
				}
			})
		})
	}
}

// TestHangs: who waits for a handler that hangs is shown what may stand in, and who
// comes then at once.
func TestHangs(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		var slow atomic.Bool
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() {
				time.Sleep(time.Minute)
			}
			w.Header().Set("Cache-Control", "max-age=10, stale-if-error=3600")
			io.WriteString(w, "hello")
		}))
		ask(front, "GET", "/a")
		slow.Store(true)
		time.Sleep(11 * time.Second)
		first := make(chan struct{})
		go func() {
			defer close(first)
			ask(front, "GET", "/a")
		}()
		synctest.Wait()
		for i, got := range rush(front, 10, "/a", nil) {
			if body(got.Response) != "hello" || got.took != h.cfg.Wait {
				t.Errorf("%d: after %v: %v", i, got.took, got.Header)
			}
		}
		began := time.Now()
		if got := ask(front, "GET", "/a"); body(got) != "hello" || time.Since(began) > 0 {
			t.Errorf("%v", got.Header)
		}
		if st := h.Stats(); st.Degraded != 10 {
			t.Errorf("%+v", st)
		}
		<-first
	})
}

// TestOnesRefusal: what is refused to one client for his own sake leaves the others' answer as it was
// to be.
func TestOnesRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Bad") != "" {
				seawall.Respond(w, r, &seawall.Rejection{Component: "ratelimit", Reason: seawall.RateLimited})
				return
			}
			w.Header().Set("Cache-Control", "max-age=10")
			fmt.Fprint(w, time.Now().Unix())
		}}
		front := h.Middleware(o)
		first := body(ask(front, "GET", "/a"))
		time.Sleep(11 * time.Second)
		old := 0
		for range 300 {
			ask(front, "GET", "/a", "X-Bad", "1")
			for range 7 {
				time.Sleep(100 * time.Millisecond)
				if body(ask(front, "GET", "/a")) == first {
					old++
				}
			}
			time.Sleep(600 * time.Millisecond) // a pause is over; the bad one is first again
		}
		if old > 0 {
			t.Errorf("%d of 2100 good clients got the old page", old)
		}
	})
}

// TestRenewalFails: a renewal that fails is told of.
func TestRenewalFails(t *testing.T) {
	for _, how := range []string{"503", "panic"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events atomic.Int64
				h := newCache(t, Config{Observer: observes(func(seawall.Event) { events.Add(1) })})
				var down atomic.Bool
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if down.Load() {
						if how == "panic" {
							panic("boom")
						}
						w.WriteHeader(503)
						return
					}
					w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=600, stale-if-error=600")
				}))
				ask(front, "GET", "/a")
				down.Store(true)
				for range 100 {
					time.Sleep(5 * time.Second)
					ask(front, "GET", "/a")
				}
				synctest.Wait()
				st := h.Stats()
				if st.Failed != st.Refreshes || events.Load() != int64(st.Failed) {
					t.Errorf("8 minutes down: degraded %d, events %d, refreshes %d, panics %d, stale %d", st.Degraded, events.Load(), st.Refreshes, st.Panics, st.Stale)
				}
			})
		})
	}
}

// TestHungOne: one request that hangs is waited for once.
func TestHungOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		var n atomic.Int64
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				time.Sleep(10 * time.Minute) // one lost packet to the database
			}
			w.Header().Set("Cache-Control", "private")
			io.WriteString(w, "hello")
		}))
		var all sync.WaitGroup
		all.Go(func() { ask(front, "GET", "/a") })
		slow := 0
		for range 60 {
			time.Sleep(time.Second)
			began := time.Now()
			ask(front, "GET", "/a")
			if time.Since(began) >= 10*time.Second {
				slow++
			}
		}
		if slow > 1 {
			t.Errorf("%d of 60 requests waited 10 s for one that hangs", slow)
		}
		all.Wait()
	})
}

type observes func(seawall.Event)

func (o observes) Observe(_ context.Context, e seawall.Event) { o(e) }
