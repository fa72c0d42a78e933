package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

//house:sleep in bubbles of synctest

// TestHeaderIsDecided: what a handler does to its header after it has written reaches
// nobody, as without a cache.
func TestHeaderIsDecided(t *testing.T) {
	late := func(w http.ResponseWriter) {
		w.Header().Set("X-Late", "late")
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Trailer", "X-Late")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Etag", `"late"`)
		w.Header().Del("X-Own")
	}
	for name, writes := range map[string]func(w http.ResponseWriter){
		"after the status": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusOK)
			late(w)
			io.WriteString(w, "hello, everybody")
		},
		"after the body": func(w http.ResponseWriter) {
			io.WriteString(w, "hello, everybody")
			late(w)
		},
		"between": func(w http.ResponseWriter) {
			io.WriteString(w, "hello, ")
			late(w)
			http.NewResponseController(w).Flush()
			io.WriteString(w, "everybody")
		},
		"too long": func(w http.ResponseWriter) {
			io.WriteString(w, "hello, ")
			late(w)
			io.WriteString(w, strings.Repeat(" ", 1000)+"everybody")
		},
		"short of what it says": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "hello, everybody")
			late(w)
		},
		"after a 304": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotModified)
			late(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				front := newCache(t, Config{MaxBody: 1000}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("X-Own", "yes")
					w.Header().Set("Etag", `"a"`)
					if asked++; asked == 1 && name == "after a 304" {
						io.WriteString(w, "hello, everybody")
						return
					}
					writes(w)
				}))
				for i := range 3 {
					got := ask(front, "GET", "/a")
					b := body(got)
					own := got.Header.Get("X-Own") == "yes" && got.Header.Get("Etag") == `"a"` && got.Header.Get("Cache-Control") == "max-age=60"
					if strings.Join(strings.Fields(b), " ") != "hello, everybody" || got.StatusCode != http.StatusOK || !own ||
						got.Header["X-Late"] != nil || got.Header["Trailer"] != nil || got.Header.Get("Content-Length") == "5" {
						t.Errorf("answer %d: %d %.30q %v", i+1, got.StatusCode, b, got.Header)
					}
					time.Sleep(time.Duration(i) * 70 * time.Second)
				}
			})
		})
	}
}

// TestLateTrailers: trailers come after the body, announced or not.
func TestLateTrailers(t *testing.T) {
	for _, announced := range []bool{true, false} {
		front := newCache(t, Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			name := http.TrailerPrefix + "X-Sum"
			if announced {
				name = "X-Sum"
				w.Header().Set("Trailer", name)
			}
			io.WriteString(w, "hello")
			w.Header().Set("X-Late", "late")
			w.Header().Set(name, "a")
		}))
		s := httptest.NewServer(front)
		for range 2 {
			got, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			if b := body(got); b != "hello" || got.Trailer.Get("X-Sum") != "a" || got.Header["X-Late"] != nil {
				t.Errorf("announced %v: %q %v, %v", announced, b, got.Header, got.Trailer)
			}
		}
		s.Close()
	}
}

// TestRoom: answers under way take what there is of them, whatever they say of their
// length, and together no more than half of MaxBytes. The others are not kept, and come
// whole. In the end nothing is left.
func TestRoom(t *testing.T) {
	const long = 128 << 10
	for name, c := range map[string]struct {
		declared bool
		before   int // bytes that are written before all wait
		ends     func()
	}{
		"a byte of many":  {true, 1, nil},
		"a byte":          {false, 1, nil},
		"most of them":    {false, 60 << 10, nil},
		"in pieces":       {true, 60 << 10, nil},
		"panics":          {false, 60 << 10, func() { panic(http.ErrAbortHandler) }},
		"ends goroutines": {false, 60 << 10, runtime.Goexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{MaxBytes: 4 << 20})
				gate := make(chan struct{})
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					if c.declared {
						w.Header().Set("Content-Length", fmt.Sprint(long))
					}
					w.Write(make([]byte, c.before))
					<-gate
					if c.ends != nil {
						c.ends()
					}
					w.Write(make([]byte, long-c.before))
				}))
				var all sync.WaitGroup
				for i := range 60 {
					all.Go(func() {
						defer func() { _ = recover() }()
						if got := ask(front, "GET", fmt.Sprint("/", i)); len(body(got)) != long {
							t.Error("not the whole")
						}
					})
				}
				synctest.Wait()
				st := h.Stats()
				if st.Recording < int64(c.before)*30 || st.Recording > h.cfg.MaxBytes/2 {
					t.Errorf("%d bytes under way", st.Recording)
				}
				if c.declared && st.NoRoom > 60-32 { // 64 KiB each are for what only says that it is longer
					t.Errorf("no room for %d", st.NoRoom)
				}
				close(gate)
				all.Wait()
				if st = h.Stats(); st.Recording != 0 || st.TooLong != 0 || c.before > 1 && st.NoRoom == 0 {
					t.Errorf("in the end %d bytes, %d too long, no room for %d", st.Recording, st.TooLong, st.NoRoom)
				}
			})
		})
	}
}

// TestRoomComesBack: what there was no room for is kept the next time, and those who
// wait for it meanwhile ask for themselves.
func TestRoomComesBack(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := slowly(strings.Repeat("x", 10_000), "Cache-Control", "max-age=60")
		front := h.Middleware(o)
		h.recordMost = 1000
		for i, got := range rush(front, 3, "/a", nil) {
			if len(body(got.Response)) != 10_000 || got.took > 2*time.Second {
				t.Errorf("%d: after %v", i, got.took)
			}
		}
		if st := h.Stats(); st.NoRoom == 0 || st.Stored != 0 || st.Recording != 0 {
			t.Errorf("%+v", st)
		}
		h.recordMost = recordMost
		before := o.calls.Load()
		for range 2 {
			ask(front, "GET", "/a")
		}
		if n := o.calls.Load() - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		noFlights(t, h)
	})
}

// TestRoomOfSlowReaders: who reads slowly what is kept takes no room from others.
func TestRoomOfSlowReaders(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Write(make([]byte, 60<<10))
		}))
		slow := newLine()
		slow.stuck = make(chan struct{})
		done := slow.asks(front, "/a")
		synctest.Wait()
		if st := h.Stats(); st.Recording != 0 || st.Stored != 1 {
			t.Errorf("%d bytes, %d stored", st.Recording, st.Stored)
		}
		close(slow.stuck)
		<-done
	})
}
