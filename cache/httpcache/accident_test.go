package httpcache

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

//house:sleep everything here runs in the bubble that inBubble makes

// accidents are how a handler can end other than by returning.
var accidents = map[string]func(){
	"value":  func() { panic("a value") },
	"abort":  func() { panic(http.ErrAbortHandler) },
	"goexit": runtime.Goexit,
	"error":  func() { var none map[string]int; none["a"]++ }, //nolint:staticcheck // that is what it is for
}

// moments are when: what the handler has done until then.
var moments = map[string]func(w http.ResponseWriter){
	"before header":   func(http.ResponseWriter) {},
	"after header":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	"after a part":    func(w http.ResponseWriter) { io.WriteString(w, "hel") },
	"after flush":     func(w http.ResponseWriter) { io.WriteString(w, "hel"); w.(http.Flusher).Flush() },
	"after much":      func(w http.ResponseWriter) { io.WriteString(w, strings.Repeat("x", 100<<10)) },
	"after too much":  func(w http.ResponseWriter) { io.WriteString(w, strings.Repeat("x", 2<<20)) },
	"of what is own":  func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "private"); io.WriteString(w, "hel") },
	"of what fails":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	"of what is same": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) },
}

// ending is how a request has ended: with a panic's value, or by Goexit if it has
// neither returned nor panicked.
type ending struct {
	returned bool
	value    any
	answer   *http.Response
}

// end makes one request in a goroutine of its own.
func end(front http.Handler, url string) chan ending {
	got := make(chan ending, 1)
	go func() {
		var e ending
		w := httptest.NewRecorder()
		defer func() {
			e.value, e.answer = recover(), w.Result()
			got <- e
		}()
		front.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		e.returned = true
	}()
	return got
}

// noFlights fails the test if somebody could still wait for something.
func noFlights(t *testing.T, h *Cache) {
	t.Helper()
	for s := range h.flights {
		if n := len(h.flights[s].byKey); n > 0 {
			t.Errorf("%d flights have not ended", n)
		}
	}
	if n := h.Stats().Store.Loading; n != 0 {
		t.Errorf("%d loads of the store have not ended", n)
	}
}

// TestAccidents: whatever the handler does, and whenever, who caused it sees it as
// without the Cache, and who waits gets what the next call brings, within its time.
func TestAccidents(t *testing.T) {
	for how, accident := range accidents {
		for when, before := range moments {
			for _, warm := range []bool{false, true} {
				inBubble(t, Config{}, func(t *testing.T, h *Cache) {
					var bad atomic.Bool
					o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
						time.Sleep(time.Second)
						w.Header().Set("Cache-Control", "max-age=60")
						w.Header().Set("Etag", `"a"`)
						if bad.Swap(false) {
							before(w)
							time.Sleep(time.Second)
							accident()
						}
						io.WriteString(w, "hello")
					}}
					front := h.Middleware(o)
					if warm {
						ask(front, "GET", "/a")
						time.Sleep(2 * time.Minute)
					}
					bad.Store(true)
					first := end(front, "/a")
					synctest.Wait()
					others := make([]chan ending, 5)
					for i := range others {
						others[i] = end(front, "/a")
					}
					start := time.Now()
					for _, other := range others {
						e := <-other
						if b := body(e.answer); !e.returned || b != "hello" || time.Since(start) > 4*time.Second {
							t.Errorf("%s %s: one who waits: %v %q after %v", how, when, e, b, time.Since(start))
						}
					}
					e := <-first
					switch err, _ := e.value.(error); {
					case e.returned && !(warm && (when == "of what fails" || when == "of what is same")):
						t.Errorf("%s %s: it returned", how, when)
					case how == "value" && e.value != "a value", how == "abort" && !errors.Is(err, http.ErrAbortHandler),
						how == "goexit" && e.value != nil, how == "error" && !strings.Contains(err.Error(), "nil map"):
						t.Errorf("%s %s: %v", how, when, e.value)
					}
					synctest.Wait()
					noFlights(t, h)
					h.clearNotes()
					if got := ask(front, "GET", "/a"); body(got) != "hello" {
						t.Errorf("%s %s: then %v", how, when, got)
					}
					if got := ask(front, "GET", "/a"); got.Header.Get("Age") == "" {
						t.Errorf("%s %s: then it is not kept: %v", how, when, got.Header)
					}
				})
			}
		}
	}
}

// clearNotes forgets that an answer was not to be kept.
func (h *Cache) clearNotes() { h.Clear(context.Background()) }

// TestAccidentRecovered: a middleware in front that recovers answers as without the
// Cache: nothing of what was held back stands in its way.
func TestAccidentRecovered(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		bad := true
		inner := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hel")
			if bad {
				panic("a value")
			}
			io.WriteString(w, "lo")
		}))
		front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if v := recover(); v != nil {
					clear(w.Header())
					http.Error(w, "sorry", http.StatusInternalServerError)
				}
			}()
			inner.ServeHTTP(w, r)
		})
		if got := ask(front, "GET", "/a"); got.StatusCode != 500 || body(got) != "sorry\n" || got.Header.Get("Cache-Status") != "" {
			t.Errorf("%v", got)
		}
		bad = false
		if got := ask(front, "GET", "/a"); body(got) != "hello" {
			t.Errorf("%v", got)
		}
		synctest.Wait()
		noFlights(t, h)
	})
}

// TestAccidentBehind: in the background an accident ends nothing but itself. What is
// there goes on being shown, and is tried anew after ErrorPause.
func TestAccidentBehind(t *testing.T) {
	for how, accident := range accidents {
		for when, before := range moments {
			inBubble(t, Config{}, func(t *testing.T, h *Cache) {
				var bad atomic.Bool
				o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=600")
					w.Header().Set("Etag", `"a"`)
					if bad.Load() {
						before(w)
						accident()
					}
					io.WriteString(w, "hello")
				}}
				front := h.Middleware(o)
				ask(front, "GET", "/a")
				time.Sleep(2 * time.Minute)
				bad.Store(true)
				for range 3 {
					if got := ask(front, "GET", "/a"); body(got) != "hello" {
						t.Errorf("%s %s: %v", how, when, got)
					}
					synctest.Wait()
				}
				st := h.Stats()
				if n := o.calls.Load(); n != 2 && when != "of what is own" || st.Refreshing != 0 {
					t.Errorf("%s %s: asked %d times, %+v", how, when, n, st)
				}
				if (st.Panics == 0) != (how == "goexit") {
					t.Errorf("%s %s: %d panics", how, when, st.Panics)
				}
				noFlights(t, h)
				bad.Store(false)
				time.Sleep(2 * time.Second)
				ask(front, "GET", "/a")
				synctest.Wait()
				if got := ask(front, "GET", "/a"); !strings.HasSuffix(got.Header.Get("Cache-Status"), "hit; ttl=60") {
					t.Errorf("%s %s: then %v", how, when, got.Header)
				}
			})
		}
	}
}

// hijackable is a writer whose connection can be had.
type hijackable struct {
	*httptest.ResponseRecorder

	theirs net.Conn
}

func (w *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	mine, theirs := net.Pipe()
	w.theirs = theirs
	return mine, bufio.NewReadWriter(bufio.NewReader(mine), bufio.NewWriter(mine)), nil
}

// TestAccidentHijack: who takes the connection takes it from nobody else.
func TestAccidentHijack(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			if hijacker, ok := w.(http.Hijacker); ok {
				conn, _, err := hijacker.Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(conn, "raw")
				time.Sleep(time.Hour)
				conn.Close()
				return
			}
			write(w, "hello", "Cache-Control", "max-age=60")
		}}
		front := h.Middleware(o)
		w := &hijackable{ResponseRecorder: httptest.NewRecorder()}
		go front.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a", nil))
		synctest.Wait()
		for i, got := range rush(front, 5, "/a", nil) {
			if b := body(got.Response); b != "hello" || got.took > 2*time.Second {
				t.Errorf("%d: %q after %v", i, b, got.took)
			}
		}
		if b, err := io.ReadAll(w.theirs); string(b) != "raw" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		synctest.Wait()
		noFlights(t, h)
	})
}
