package httpcache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

//house:sleep everything here runs in the bubble that inBubble makes

// inBubble runs a test with a Cache in a testing/synctest bubble.
func inBubble(t *testing.T, cfg Config, run func(t *testing.T, h *Cache)) {
	t.Helper()
	if cfg.L1 == nil && cfg.MaxBytes == 0 {
		cfg.MaxBytes = 8 << 20 // there are many of them
	}
	synctest.Test(t, func(t *testing.T) { run(t, newCache(t, cfg)) })
}

// many is how many clients come at once.
func many() int {
	if raceEnabled {
		return 2000
	}
	return 10_000
}

// arrival is what a client got, and after how long.
type arrival struct {
	*http.Response

	took time.Duration
}

// rush lets n clients ask at once. Edit may change the request of each.
func rush(front http.Handler, n int, url string, edit func(i int, r *http.Request)) []arrival {
	out := make([]arrival, n)
	start := time.Now()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			r := httptest.NewRequest(http.MethodGet, url, nil)
			if edit != nil {
				edit(i, r)
			}
			w := httptest.NewRecorder()
			front.ServeHTTP(w, r)
			out[i] = arrival{w.Result(), time.Since(start)}
		})
	}
	all.Wait()
	return out
}

// slowly takes a second and writes fields, given as names and values, and a body.
func slowly(body string, fields ...string) *origin {
	return &origin{f: func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		write(w, body, fields...)
	}}
}

func write(w http.ResponseWriter, body string, fields ...string) {
	for i := 0; i < len(fields); i += 2 {
		w.Header().Add(fields[i], fields[i+1])
	}
	io.WriteString(w, body)
}

func TestCrowdCold(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := slowly("hello", "Cache-Control", "max-age=60")
		for i, got := range rush(h.Middleware(o), many(), "/a", nil) {
			if b := body(got.Response); b != "hello" || got.StatusCode != 200 || got.took != time.Second {
				t.Fatalf("%d: %d %q after %v", i, got.StatusCode, b, got.took)
			}
		}
		if n := o.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if st := h.Stats(); st.Misses+st.Hits != uint64(many()) || st.Collapsed+st.Hits+1 < uint64(many()) || st.Stored != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestCrowdExpired: as on a cold URL, and nobody who comes when the answer is just
// there asks once more.
func TestCrowdExpired(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		for _, instant := range []bool{false, true} {
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				if !instant {
					time.Sleep(time.Second)
				}
				write(w, "hello", "Cache-Control", "max-age=60", "Etag", `"a"`)
			}}
			front := h.Middleware(o)
			for range 10 {
				o.calls.Store(0)
				for _, got := range rush(front, many()/10, "/a", nil) {
					if b := body(got.Response); b != "hello" {
						t.Fatalf("%q %v", b, got.Header)
					}
				}
				if n := o.calls.Load(); n != 1 {
					t.Errorf("asked %d times, instant: %v", n, instant)
				}
				time.Sleep(2 * time.Minute)
			}
		}
	})
}

// TestCrowdRenews: with stale-while-revalidate nobody waits.
func TestCrowdRenews(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := slowly("hello", "Cache-Control", "max-age=60, stale-while-revalidate=60")
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		time.Sleep(70 * time.Second)
		for i, got := range rush(front, many(), "/a", nil) {
			if b := body(got.Response); b != "hello" || got.took != 0 {
				t.Fatalf("%d: %q after %v", i, b, got.took)
			}
		}
		time.Sleep(2 * time.Second)
		if n, st := o.calls.Load(), h.Stats(); n != 2 || st.Refreshes != 1 || st.Stale != uint64(many()) {
			t.Errorf("asked %d times, %+v", n, st)
		}
		if got := ask(front, "GET", "/a"); got.Header.Get("Cache-Status") != "seawall; hit; ttl=58" {
			t.Errorf("%v", got.Header)
		}
	})
}

// TestCrowdPrivate: as soon as the header shows that an answer is for one only, all
// others ask for themselves; afterwards nobody waits at all, until an answer comes
// that may be kept.
func TestCrowdPrivate(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		var public atomic.Bool
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if public.Load() {
				time.Sleep(time.Second)
				write(w, "for all", "Cache-Control", "max-age=60")
				return
			}
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Hour)
			io.WriteString(w, "for "+r.Header.Get("Cookie"))
		}}
		front := h.Middleware(o)
		const n = 500
		own := func(i int, r *http.Request) { r.Header.Set("Cookie", string(rune('A'+i))) }
		for i, got := range rush(front, n, "/a", own) {
			if got.took > time.Hour+2*time.Second || body(got.Response) != "for "+string(rune('A'+i)) {
				t.Fatalf("%d: after %v", i, got.took)
			}
		}
		if calls := o.calls.Load(); calls != n {
			t.Errorf("asked %d times", calls)
		}
		rush(front, 1, "/a", own) // the note about it has ended in the meantime
		for i, got := range rush(front, n, "/a", own) {
			if want := time.Hour + 2*time.Second; got.took > want {
				t.Fatalf("%d: after %v", i, got.took)
			}
		}
		public.Store(true)
		rush(front, 1, "/a", own)
		o.calls.Store(0)
		rush(front, n, "/a", own)
		if calls := o.calls.Load(); calls != 0 {
			t.Errorf("asked %d times for what is for all", calls)
		}
	})
}

// TestCrowdHitForMiss: where it is known that answers are for one only, nobody
// waits, and the first that may be kept ends it.
func TestCrowdHitForMiss(t *testing.T) {
	inBubble(t, Config{HitForMiss: 10 * time.Second}, func(t *testing.T, h *Cache) {
		var public atomic.Bool
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			if public.Load() {
				write(w, "for all", "Cache-Control", "max-age=60")
				return
			}
			write(w, "for one", "Cache-Control", "no-store")
		}}
		front := h.Middleware(o)
		rush(front, 1, "/a", nil)
		for range 5 {
			for i, got := range rush(front, 100, "/a", nil) {
				if got.took != time.Second {
					t.Fatalf("%d: after %v", i, got.took)
				}
			}
		}
		public.Store(true)
		rush(front, 1, "/a", nil)
		o.calls.Store(0)
		for i, got := range rush(front, 100, "/a", nil) {
			if got.took != 0 || body(got.Response) != "for all" {
				t.Fatalf("%d: after %v", i, got.took)
			}
		}
		time.Sleep(2 * time.Minute)
		for i, got := range rush(front, 100, "/a", nil) {
			if got.took != time.Second {
				t.Fatalf("%d: after %v", i, got.took)
			}
		}
		if n := o.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestCrowdConditional: clients that all have something already do not keep the
// Cache from getting the whole.
func TestCrowdConditional(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Etag", `"a"`)
			if r.Header.Get("If-None-Match") == `"a"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, "hello")
		}}
		front := h.Middleware(o)
		for i, got := range rush(front, many(), "/a", func(i int, r *http.Request) {
			if i != 7 {
				r.Header.Set("If-None-Match", `"a"`)
			}
		}) {
			want := http.StatusNotModified
			if i == 7 {
				want = http.StatusOK
			}
			if got.StatusCode != want || got.took > 2*time.Second {
				t.Fatalf("%d: %d after %v", i, got.StatusCode, got.took)
			}
		}
		if n := o.calls.Load(); n > 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestCrowdVaries: those whose answer is another one wait until it is known on what
// it depends; then there is one call for each variant.
func TestCrowdVaries(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		languages := []string{"de", "en", "fr", "it"}
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			write(w, r.Header.Get("Accept-Language"), "Cache-Control", "max-age=60", "Vary", "Accept-Language")
		}}
		front := h.Middleware(o)
		for i, got := range rush(front, many(), "/a", func(i int, r *http.Request) { r.Header.Set("Accept-Language", languages[i%4]) }) {
			if b := body(got.Response); b != languages[i%4] || got.took > 2*time.Second {
				t.Fatalf("%d: %q after %v", i, b, got.took)
			}
		}
		if n := o.calls.Load(); n != 4 {
			t.Errorf("asked %d times", n)
		}
	})
}

// comes makes a request that can be ended.
func comes(ctx context.Context, front http.Handler, url string) (got chan *http.Response) {
	got = make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil).WithContext(ctx))
		got <- w.Result()
	}()
	return got
}

// TestLeaves: who leaves does so at once and takes nothing from the others, also who
// came first; when the last one has gone, the handler is told.
func TestLeaves(t *testing.T) {
	for _, all := range []bool{false, true} {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			var told error
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=3600")
				select {
				case <-time.After(time.Minute):
				case <-r.Context().Done():
					told = context.Cause(r.Context())
					return
				}
				io.WriteString(w, "hello")
			}}
			h.cfg.Wait = time.Hour
			front := h.Middleware(o)
			why := errors.New("the client's own reason")
			first, end1 := context.WithCancelCause(t.Context())
			second, end2 := context.WithCancelCause(t.Context())
			defer end2(nil)
			leader := comes(first, front, "/a")
			synctest.Wait()
			follower := comes(second, front, "/a")
			third, end3 := context.WithTimeout(t.Context(), 5*time.Second)
			defer end3()
			start := time.Now()
			late := comes(third, front, "/a")
			if got := <-late; got.StatusCode != http.StatusGatewayTimeout || time.Since(start) != 5*time.Second {
				t.Errorf("%d after %v", got.StatusCode, time.Since(start))
			}
			end1(nil)
			if all {
				synctest.Wait()
				end2(why)
				<-follower
				<-leader
				if told == nil || time.Since(start) != 5*time.Second {
					t.Errorf("%v after %v", told, time.Since(start))
				}
			} else if got := <-follower; body(got) != "hello" || time.Since(start) != time.Minute {
				t.Errorf("%v after %v", got, time.Since(start))
			}
			if n := o.calls.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
			if all {
				return
			}
			<-leader
			if got := ask(front, "GET", "/a"); body(got) != "hello" || o.calls.Load() != 1 {
				t.Errorf("what the others waited for is not kept: %v", got.Header)
			}
		})
	}
}

// TestAbandoned: nobody waits for a handler that goes on although all have gone.
func TestAbandoned(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		var deaf atomic.Bool
		deaf.Store(true)
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if deaf.Swap(false) {
				time.Sleep(time.Minute)
			}
			write(w, "hello", "Cache-Control", "max-age=3600")
		}}
		front := h.Middleware(o)
		ctx, end := context.WithCancel(t.Context())
		gone := comes(ctx, front, "/a")
		synctest.Wait()
		end()
		synctest.Wait()
		if got := rush(front, 3, "/a", nil); got[0].took != 0 || body(got[0].Response) != "hello" {
			t.Errorf("after %v: %v", got[0].took, got[0].Header)
		}
		<-gone
	})
}

// TestWait: nobody waits longer than Wait.
func TestWait(t *testing.T) {
	inBubble(t, Config{Wait: 3 * time.Second}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=3600")
			w.Header().Set("Vary", "Accept")
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Duration(len(r.Header.Get("X-Long"))) * time.Minute)
			io.WriteString(w, "hello")
		}}
		front := h.Middleware(o)
		got := rush(front, 4, "/a", func(i int, r *http.Request) {
			switch i {
			case 0:
				r.Header.Set("X-Long", "1")
			case 3: // it finds out that it is another's, and waits no longer for it
				r.Header.Set("Accept", "b")
				fallthrough
			default:
				time.Sleep(time.Second)
			}
		})
		for i, want := range []time.Duration{time.Minute, 4 * time.Second, 4 * time.Second, 4 * time.Second} {
			if got[i].took != want || body(got[i].Response) != "hello" {
				t.Errorf("%d: after %v", i, got[i].took)
			}
		}
		if st := h.Stats(); st.WaitedLong != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// TestUnshared: who has learned that what comes is not for others does not wait for
// its end, nor do those who come then, although it will be kept.
func TestUnshared(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		var long atomic.Int64
		long.Store(60)
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Etag", `"a"`)
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Duration(long.Swap(0)) * time.Second)
			io.WriteString(w, "hello")
		}}
		front := h.Middleware(o)
		first := comes(t.Context(), front, "/a")
		synctest.Wait()
		for i, got := range rush(front, 5, "/a", nil) {
			if got.took != 0 || body(got.Response) != "hello" {
				t.Errorf("%d: after %v", i, got.took)
			}
		}
		<-first
	})
}
