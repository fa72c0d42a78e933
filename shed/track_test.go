package shed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
)

// classed is a Config in which everything is of one class.
func classed(c seawall.Class) shed.Config {
	return shed.Config{Classify: func(*http.Request) seawall.Class { return c }}
}

func TestTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 40, classed(seawall.Class{Cost: 2, Track: true}))
		var later context.Context
		h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(*httptest.ResponseRecorder); !ok {
				t.Errorf("the writer is wrapped: %T", w)
			}
			later = r.Context() //nolint:fatcontext // to use it when the handler has ended
			for _, c := range []struct{ more, want int }{{3, 5}, {-1, 4}, {-50, 1}, {50, 10}} {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Hour)
				if !shed.AddCost(ctx, c.more) || s.Stats().InFlight != c.want {
					t.Errorf("AddCost(%d): %d inside, want %d", c.more, s.Stats().InFlight, c.want)
				}
				cancel()
			}
			if r.URL.Path == "/stream" {
				if !shed.Detach(r.Context()) || shed.Detach(r.Context()) || shed.AddCost(r.Context(), 5) {
					t.Error("Detach works once")
				}
				if st := s.Stats(); st.InFlight != 0 || st.Detached != 1 {
					t.Errorf("%d inside, %d detached", st.InFlight, st.Detached)
				}
			}
		}))
		for _, path := range []string{"/", "/stream"} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			if shed.AddCost(later, 1) || shed.Detach(later) {
				t.Error("a request that is over takes seats")
			}
			if n := s.Stats().Detached; n != 0 {
				t.Errorf("%d are detached", n)
			}
			empty(t, s)
		}
		shut(t, s)
	})
}

// Without Track there is nothing in the context, and no harm in asking.
func TestUntracked(t *testing.T) {
	s := pinned(t, 40, classed(seawall.Class{}))
	s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if shed.AddCost(r.Context(), 3) || shed.Detach(r.Context()) || s.Stats().InFlight != 1 {
			t.Errorf("%+v", s.Stats())
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if shed.AddCost(t.Context(), 1) || shed.Detach(t.Context()) {
		t.Error("a context of nobody takes seats")
	}
	shut(t, s)
}

// Two Shedders, each of which has counted the request, hear both of what it says.
func TestTrackInSeries(t *testing.T) {
	outer, inner := pinned(t, 40, classed(seawall.Class{Track: true})), pinned(t, 40, classed(seawall.Class{Cost: 3, Track: true}))
	seawall.Chain(outer.Middleware, inner.Middleware)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if !shed.AddCost(r.Context(), 2) || outer.Stats().InFlight != 3 || inner.Stats().InFlight != 5 {
			t.Errorf("%d and %d inside", outer.Stats().InFlight, inner.Stats().InFlight)
		}
		if !shed.Detach(r.Context()) || outer.Stats().Detached != 1 || inner.Stats().Detached != 1 {
			t.Errorf("%+v, %+v", outer.Stats(), inner.Stats())
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	shut(t, outer)
	shut(t, inner)
}

// What stands outside finds what the handlers did to their copy of the request:
// logs the pattern, net/http the files to remove.
func TestTrackGivesTheRequestBack(t *testing.T) {
	s := start(t, classed(seawall.Class{Track: true}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /files/{name}", func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	var body strings.Builder
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("f", "name")
	_, _ = io.WriteString(part, strings.Repeat("x", 100))
	_ = form.Close()
	r := httptest.NewRequest(http.MethodPost, "/files/a", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", form.FormDataContentType())
	func() {
		defer func() { _ = recover() }()
		s.Middleware(mux).ServeHTTP(httptest.NewRecorder(), r)
	}()
	if r.Pattern != "POST /files/{name}" || r.MultipartForm == nil {
		t.Errorf("pattern %q, form %v", r.Pattern, r.MultipartForm)
	} else {
		_ = r.MultipartForm.RemoveAll()
	}
	shut(t, s)
}

// events serves a stream of Server-Sent Events; gate is between its first and
// its last.
func events(s *shed.Shedder, gate <-chan struct{}, begin func(http.ResponseWriter)) http.Handler {
	return s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		begin(w)
		_ = http.NewResponseController(w).Flush()
		<-gate
		_, _ = io.WriteString(w, "data: last\n\n")
	}))
}

// A stream of events gives its seats back when it begins, over HTTP/1 and HTTP/2
// and in whichever way it begins; Close does not wait for it.
func TestEventStreamDetaches(t *testing.T) {
	for name, begin := range map[string]func(http.ResponseWriter){
		"write":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("data: first\n\n")) },
		"string": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "data: first\n\n") },
		"flush":  func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, "data: first\n\n") },
		"controller": func(w http.ResponseWriter) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "data: first\n\n")
		},
		"status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); _, _ = io.WriteString(w, "data: first\n\n") },
		"copy": func(w http.ResponseWriter) {
			_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("data: first\n\n")})
		},
		"early hints": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "data: first\n\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, http2 := range []bool{false, true} {
					s := pinned(t, 40, classed(seawall.Class{Cost: 7}))
					gate := make(chan struct{})
					srv := seawalltest.NewServer(t, events(s, gate, begin))
					client := srv.Client()
					if http2 {
						client = srv.HTTP2Client()
					}
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Accept", "application/json, text/event-stream")
					resp, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					first := make([]byte, len("data: first\n\n"))
					if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "data: first\n\n" {
						t.Errorf("%q, %v", first, err)
					}
					if st := s.Stats(); st.InFlight != 0 || st.Detached != 1 {
						t.Errorf("%s: %d inside, %d detached", resp.Proto, st.InFlight, st.Detached)
					}
					shut(t, s)
					close(gate)
					rest, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil || string(rest) != "data: last\n\n" {
						t.Errorf("%q, %v", rest, err)
					}
					synctest.Wait()
					if n := s.Stats().Detached; n != 0 {
						t.Errorf("%d are detached", n)
					}
				}
			})
		})
	}
}

// What a client asks for does not free a seat; the handler has to agree.
func TestHeadersAloneFreeNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, handler := range map[string]http.HandlerFunc{
			"other type": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, "{}")
				_ = http.NewResponseController(w).Flush()
			},
			"no type": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			"an error": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(http.StatusInternalServerError)
			},
			"too late": func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: x\n\n")
			},
			"informational": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(http.StatusEarlyHints)
			},
			"nothing": func(http.ResponseWriter, *http.Request) {},
		} {
			s := pinned(t, 40, classed(seawall.Class{Cost: 3}))
			h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler(w, r)
				if st := s.Stats(); st.InFlight != 3 || st.Detached != 0 {
					t.Errorf("%s: %d inside, %d detached", name, st.InFlight, st.Detached)
				}
			}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Connection", "Upgrade")
			h.ServeHTTP(httptest.NewRecorder(), r)
			shut(t, s)
		}
	})
}

// An extended CONNECT (RFC 8441) is accepted with 200 and lasts.
func TestExtendedConnectDetaches(t *testing.T) {
	for _, c := range []struct {
		protocol string
		status   int
		want     int
	}{{"websocket", 200, 0}, {"websocket", 403, 1}, {"", 200, 1}} {
		s := pinned(t, 40, classed(seawall.Class{}))
		h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			if st := s.Stats(); st.InFlight != c.want || st.Detached != 1-c.want {
				t.Errorf("%+v: %d inside, %d detached", c, st.InFlight, st.Detached)
			}
		}))
		r := httptest.NewRequest(http.MethodConnect, "/chat", nil)
		if c.protocol != "" {
			r.Header[":protocol"] = []string{c.protocol}
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		shut(t, s)
	}
}

// upgrade sends a request for another protocol and returns the connection.
func upgrade(t *testing.T, conn net.Conn) *bufio.Reader {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	return r
}

func echo(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, line)
	}
}

// An upgraded connection over a real server, through a proxy that has a Shedder
// too: neither holds a seat for it.
func TestUpgradeDetaches(t *testing.T) {
	back, front := pinned(t, 8, classed(seawall.Class{Cost: 2})), pinned(t, 8, classed(seawall.Class{Cost: 2}))
	service := httptest.NewServer(back.Middleware(http.HandlerFunc(echo)))
	defer service.Close()
	target, _ := url.Parse(service.URL)
	proxy := httptest.NewServer(front.Middleware(httputil.NewSingleHostReverseProxy(target)))
	defer proxy.Close()
	var conns []net.Conn
	var readers []*bufio.Reader
	for range 20 { // more than there are seats
		conn, err := net.Dial("tcp", proxy.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		conns, readers = append(conns, conn), append(readers, upgrade(t, conn))
	}
	for i, conn := range conns {
		_, _ = fmt.Fprintf(conn, "hello %d\n", i)
		if got, err := readers[i].ReadString('\n'); err != nil || got != fmt.Sprintf("hello %d\n", i) {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, s := range []*shed.Shedder{back, front} {
		if st := s.Stats(); st.InFlight != 0 || st.Detached != 20 {
			t.Errorf("%d inside, %d detached; want 0 and 20", st.InFlight, st.Detached)
		}
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); front.Stats().Detached+back.Stats().Detached > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d and %d are detached for ever", front.Stats().Detached, back.Stats().Detached)
		}
	}
	shut(t, front)
	shut(t, back)
}

// A Shedder in front of a service that sheds: what that refuses is no sample, so
// that a flood of fast refusals does not pass for a fast backend.
func TestRefusalFromBehindIsNoSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, track := range []bool{false, true} {
			front := start(t, classed(seawall.Class{Priority: seawall.Critical, Track: track}))
			cfg := classed(of(seawall.Critical))
			cfg.CriticalWait = seawall.Off
			back := pinned(t, 1, cfg)
			h := front.Middleware(back.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) })))
			send := func() int {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
				return w.Code
			}
			served := 0
			for range 200 {
				done := make(chan struct{})
				go func() {
					defer close(done)
					if send() == http.StatusOK {
						served++
					}
				}()
				time.Sleep(10 * time.Millisecond)
				if code := send(); code != http.StatusServiceUnavailable {
					t.Fatalf("answered %d", code)
				}
				<-done
			}
			st := front.Stats()
			if served != 200 || st.Baseline != 20*time.Millisecond || st.Samples > 200 || st.Samples < 100 {
				t.Errorf("track %v: %d served, %d samples of %v, want 200 of 20ms", track, served, st.Samples, st.Baseline)
			}
			shut(t, front)
			shut(t, back)
		}
	})
}
