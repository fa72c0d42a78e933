package httpcache

import (
	"context"
	"errors"
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

//house:sleep everything here runs in the bubble that inBubble makes

// line is a client that can be slow or gone. It notes what comes.
type line struct {
	mu     sync.Mutex
	header http.Header
	hints  []int
	status int
	got    strings.Builder
	stuck  chan struct{} // until it is closed nothing more is read
	err    error         // of Write
}

func newLine() *line { return &line{header: make(http.Header)} }

func (l *line) Header() http.Header { return l.header }

func (l *line) WriteHeader(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status < 200 {
		l.hints = append(l.hints, status)
	} else if l.status == 0 {
		l.status = status
	}
}

func (l *line) Write(b []byte) (int, error) {
	l.WriteHeader(http.StatusOK)
	if l.stuck != nil {
		<-l.stuck
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	return l.got.Write(b)
}

func (l *line) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got.String()
}

func (l *line) Flush() { l.WriteHeader(http.StatusOK) }

// asks lets a line ask, and says when it has its answer.
func (l *line) asks(front http.Handler, url string) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		front.ServeHTTP(l, httptest.NewRequest(http.MethodGet, url, nil))
	}()
	return done
}

// TestSlowClient: one who reads slowly holds up nobody who came while the answer was
// not yet on its way to him.
func TestSlowClient(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		big := strings.Repeat("x", 200<<10)
		o := slowly(big, "Cache-Control", "max-age=60")
		front := h.Middleware(o)
		slow := newLine()
		slow.stuck = make(chan struct{})
		done := slow.asks(front, "/a")
		synctest.Wait()
		for i, got := range rush(front, 10, "/a", nil) {
			if body(got.Response) != big || got.took != time.Second {
				t.Errorf("%d: after %v", i, got.took)
			}
		}
		close(slow.stuck)
		<-done
		if slow.got.String() != big || o.calls.Load() != 1 {
			t.Errorf("%d bytes, asked %d times", slow.got.Len(), o.calls.Load())
		}
	})
}

// TestSlowClientAlone: where it is on its way already, others do not wait for longer
// than it takes to see that its client does not read. What that one gets in the end is
// not kept in place of what they have.
func TestSlowClientAlone(t *testing.T) {
	for _, flushes := range []bool{false, true} {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				for range 20 {
					if flushes {
						w.(http.Flusher).Flush()
					}
					io.WriteString(w, strings.Repeat("x", 10<<10))
				}
			}}
			front := h.Middleware(o)
			slow := newLine()
			slow.stuck = make(chan struct{})
			done := slow.asks(front, "/a")
			synctest.Wait()
			for i, got := range rush(front, 10, "/a", nil) {
				if len(body(got.Response)) != 200<<10 || got.took != stallMost {
					t.Errorf("%d: after %v", i, got.took)
				}
			}
			if calls, st := o.calls.Load(), h.Stats(); calls != 2 || st.Stalled != 1 || st.Stored != 1 {
				t.Errorf("asked %d times; %+v", calls, st)
			}
			close(slow.stuck)
			<-done
			if slow.got.Len() != 200<<10 {
				t.Errorf("%d bytes", slow.got.Len())
			}
			if st := h.Stats(); st.Stored != 1 {
				t.Errorf("%d stored", st.Stored)
			}
		})
	}
}

// TestSlowClientOnly: with nobody else there, what goes out slowly is kept.
func TestSlowClientOnly(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			for range 20 {
				io.WriteString(w, strings.Repeat("x", 10<<10))
			}
		}))
		slow := newLine()
		slow.stuck = make(chan struct{})
		done := slow.asks(front, "/a")
		time.Sleep(10 * stallMost)
		close(slow.stuck)
		<-done
		if got := ask(front, "GET", "/a"); len(body(got)) != 200<<10 || got.Header.Get("Age") != "2" {
			t.Errorf("%v", got.Header)
		}
	})
}

// TestFlushes: what a handler flushes comes at once, and is kept all the same.
func TestFlushes(t *testing.T) {
	for _, control := range []string{"max-age=7200", "no-store"} {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", control)
				io.WriteString(w, "a")
				w.(http.Flusher).Flush()
				time.Sleep(time.Hour)
				io.WriteString(w, "b")
			}}
			h.cfg.Wait = 2 * time.Hour
			front := h.Middleware(o)
			l := newLine()
			done := l.asks(front, "/a")
			synctest.Wait()
			if b := l.text(); b != "a" {
				t.Errorf("%s: %q", control, b)
			}
			<-done
			if b := l.got.String(); b != "ab" {
				t.Errorf("%s: %q", control, b)
			}
			if got := ask(front, "GET", "/a"); body(got) != "ab" || (got.Header.Get("Age") == "") != (control == "no-store") {
				t.Errorf("%s: %v", control, got.Header)
			}
		})
	}
}

// TestTooLong: a body longer than MaxBody streams, nothing of it is kept, and nobody
// waits for anybody, from the moment that is known.
func TestTooLong(t *testing.T) {
	for _, declared := range []string{"", "3000"} {
		inBubble(t, Config{MaxBody: 1000, Wait: time.Hour}, func(t *testing.T, h *Cache) {
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if declared != "" {
					w.Header().Set("Content-Length", declared)
				}
				for range 30 {
					io.WriteString(w, strings.Repeat("x", 100))
					time.Sleep(time.Second)
				}
			}}
			front := h.Middleware(o)
			for round := range 2 {
				for i, got := range rush(front, 20, "/a", nil) {
					most := []time.Duration{40 * time.Second, 30 * time.Second}[round]
					if len(body(got.Response)) != 3000 || got.took > most {
						t.Errorf("%q, round %d: %d after %v", declared, round, i, got.took)
					}
				}
			}
			if st := h.Stats(); o.calls.Load() != 40 || st.Stored != 0 {
				t.Errorf("%q: asked %d times, %+v", declared, o.calls.Load(), st)
			}
			synctest.Wait()
			noFlights(t, h)
		})
	}
}

// TestTooLongNow: as well where what is there was shorter.
func TestTooLongNow(t *testing.T) {
	inBubble(t, Config{MaxBody: 1000, Wait: time.Hour}, func(t *testing.T, h *Cache) {
		n := 1
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			for range n {
				io.WriteString(w, strings.Repeat("x", 100))
				time.Sleep(time.Second)
			}
		}))
		ask(front, "GET", "/a")
		time.Sleep(2 * time.Minute)
		n = 30
		for i, got := range rush(front, 20, "/a", nil) {
			if len(body(got.Response)) != 3000 || got.took > 40*time.Second {
				t.Errorf("%d after %v", i, got.took)
			}
		}
	})
}

// TestWriteError: who has gone is not waited for, and takes nothing from others; if
// there are none, the handler hears of it and nothing is kept.
func TestWriteError(t *testing.T) {
	for _, others := range []int{0, 3} {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			var heard error
			o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
				for range 2 {
					if _, err := io.WriteString(w, "hello"); err != nil {
						heard = err
						return
					}
				}
			}}
			front := h.Middleware(o)
			l := newLine()
			l.err = errors.New("the pipe is broken")
			done := l.asks(front, "/a")
			synctest.Wait()
			for i, got := range rush(front, others, "/a", nil) {
				if body(got.Response) != "hellohello" || got.took != time.Second {
					t.Errorf("%d: after %v", i, got.took)
				}
			}
			<-done
			if (heard != nil) != (others == 0) {
				t.Errorf("%d others: %v", others, heard)
			}
			before := o.calls.Load()
			ask(front, "GET", "/a")
			if again := o.calls.Load() - before; (again == 1) != (others == 0) {
				t.Errorf("%d others: asked %d times more", others, again)
			}
		})
	}
}

// TestWays: whichever way a handler writes, whatever becomes of it, the client gets
// the same.
func TestWays(t *testing.T) {
	ways := map[string]func(w http.ResponseWriter){
		"Write":       func(w http.ResponseWriter) { w.Write([]byte("hello")) },
		"WriteString": func(w http.ResponseWriter) { io.WriteString(w, "hello") },
		"ReadFrom":    func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("hello")) },
		"Copy":        func(w http.ResponseWriter) { io.Copy(w, io.LimitReader(strings.NewReader("hello again"), 5)) },
		"Flush": func(w http.ResponseWriter) {
			io.WriteString(w, "he")
			http.NewResponseController(w).Flush()
			w.(http.Flusher).Flush()
			io.WriteString(w, "llo")
		},
	}
	type mode struct {
		status int
		fields []string
		warm   bool
		want   string
	}
	modes := map[string]mode{
		"passing":   {200, []string{"Cache-Control", "private"}, false, "hello"},
		"holding":   {200, []string{"Cache-Control", "max-age=60"}, false, "hello"},
		"dropping":  {503, nil, true, "what was there"},
		"unchanged": {304, []string{"Etag", `"a"`}, true, "what was there"},
		"failing":   {503, nil, false, "hello"},
	}
	for way, send := range ways {
		for name, m := range modes {
			inBubble(t, Config{}, func(t *testing.T, h *Cache) {
				warm := m.warm
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if warm {
						write(w, "what was there", "Cache-Control", "max-age=60", "Etag", `"a"`)
						return
					}
					w.Header().Set("Link", "</style.css>")
					w.WriteHeader(http.StatusEarlyHints)
					for i := 0; i < len(m.fields); i += 2 {
						w.Header().Set(m.fields[i], m.fields[i+1])
					}
					w.WriteHeader(m.status)
					send(w)
				}))
				if warm {
					ask(front, "GET", "/a")
					time.Sleep(2 * time.Minute)
					warm = false
				}
				l := newLine()
				<-l.asks(front, "/a")
				status := m.status
				if m.warm {
					status = http.StatusOK
				}
				if l.got.String() != m.want || l.status != status || !slices.Equal(l.hints, []int{http.StatusEarlyHints}) {
					t.Errorf("%s, %s: %d %q after %v", way, name, l.status, l.got.String(), l.hints)
				}
			})
		}
	}
}

// TestGoneWhileStreaming: a client that leaves in the middle leaves nothing half.
func TestGoneWhileStreaming(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		var deaf atomic.Bool
		deaf.Store(true)
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "hel")
			w.(http.Flusher).Flush()
			if deaf.Load() {
				<-r.Context().Done()
				return
			}
			io.WriteString(w, "lo")
		}}
		front := h.Middleware(o)
		ctx, end := context.WithCancel(t.Context())
		gone := comes(ctx, front, "/a")
		synctest.Wait()
		end()
		<-gone
		deaf.Store(false)
		if got := ask(front, "GET", "/a"); body(got) != "hello" || o.calls.Load() != 2 {
			t.Errorf("%v", got.Header)
		}
		synctest.Wait()
		noFlights(t, h)
	})
}
