package shed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
)

// fullHouse is a Shedder with no seat free, that lets nobody wait.
func fullHouse(t testing.TB, cfg shed.Config) (s *shed.Shedder, inside *shed.Permit) {
	t.Helper()
	cfg.CriticalWait, cfg.NormalWait, cfg.SheddableWait = seawall.Off, seawall.Off, seawall.Off
	s = pinned(t, 1, cfg)
	return s, enter(t, s, of(seawall.Critical))
}

var never = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a refused request came through") })

func TestMiddlewareRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inside := fullHouse(t, shed.Config{})
		srv := seawalltest.NewServer(t, s.Middleware(never))
		for name, client := range map[string]*http.Client{"HTTP/1.1": srv.Client(), "HTTP/2.0": srv.HTTP2Client()} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
				began := time.Now()
				r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/cart", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Proto != name || time.Since(began) != 0 {
					t.Errorf("%s %s: %s, %v, after %v", name, method, resp.Status, err, time.Since(began))
				}
				for field, want := range map[string]string{
					"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Seawall-Reason": "overloaded",
				} {
					if got := resp.Header.Get(field); got != want {
						t.Errorf("%s %s: %s is %q", name, method, field, got)
					}
				}
				if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 || after > 30 {
					t.Errorf("%s %s: Retry-After is %q", name, method, resp.Header.Get("Retry-After"))
				}
				if method == http.MethodHead {
					continue
				}
				var problem struct {
					Status int
					Reason string
				}
				if err := json.Unmarshal(body, &problem); err != nil || problem.Status != 503 || problem.Reason != "overloaded" {
					t.Errorf("%s %s: %s", name, method, body)
				}
			}
		}
		inside.Release()
		shut(t, s)
	})
}

// Two hundred small POSTs that are refused keep their connection.
func TestMiddlewareRefusalKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inside := fullHouse(t, shed.Config{})
		connections := 0
		srv := seawalltest.NewServer(t, s.Middleware(never), func(hs *http.Server) {
			hs.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections++
				}
			}
		})
		for range 200 {
			resp, err := srv.Client().Post(srv.URL+"/cart", "application/json", strings.NewReader(`{"item": 7}`))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("answered %s", resp.Status)
			}
		}
		if connections != 1 {
			t.Errorf("200 refused requests took %d connections, want 1", connections)
		}
		inside.Release()
		shut(t, s)
	})
}

// stall sends the head of a POST and then nothing.
func stall(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(conn, "POST /cart HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000\r\n\r\nonly the be"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered %s", resp.Status)
	}
	return took
}

// A client whose body stalls hears of the refusal at once.
func TestMiddlewareRefusesAStalledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, inside := fullHouse(t, shed.Config{})
		srv := seawalltest.NewServer(t, s.Middleware(never))
		conn, err := srv.Listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if took := stall(t, conn); took > 50*time.Millisecond {
			t.Errorf("answered after %v, want 50ms at most", took)
		}
		_ = conn.Close()
		inside.Release()
		shut(t, s)
	})
	t.Run("socket", func(t *testing.T) {
		s, inside := fullHouse(t, shed.Config{})
		srv := httptest.NewServer(s.Middleware(never))
		defer srv.Close()
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		took := stall(t, conn)
		t.Logf("refused after %v", took)
		if took > time.Second { // about 20 ms, on a machine that has nothing else to do
			t.Errorf("answered after %v", took)
		}
		inside.Release()
	})
}

func TestMiddlewareRespond(t *testing.T) {
	var got *seawall.Rejection
	s, inside := fullHouse(t, shed.Config{Name: "front", Respond: func(w http.ResponseWriter, r *http.Request, rej *seawall.Rejection) {
		got = rej
		w.Header().Set("X-Path", r.URL.Path)
		w.WriteHeader(http.StatusTooManyRequests)
	}})
	defer inside.Release()
	w := httptest.NewRecorder()
	s.Middleware(never).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/cart", nil))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("X-Path") != "/cart" || w.Header().Get("Seawall-Reason") != "" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
	if got == nil || got.Name != "front" || !errors.Is(got, seawall.Overloaded) {
		t.Errorf("refused with %v", got)
	}
}

// A responder that panics costs no seat: none was taken.
func TestMiddlewareRespondPanics(t *testing.T) {
	s, inside := fullHouse(t, shed.Config{Respond: func(http.ResponseWriter, *http.Request, *seawall.Rejection) { panic("planted") }})
	func() {
		defer func() {
			if v := recover(); v != "planted" {
				t.Errorf("recovered %v", v)
			}
		}()
		s.Middleware(never).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	inside.Release()
	shut(t, s)
}

// What a handler panics with goes outward as it is, with its own stack.
func TestMiddlewarePassesPanics(t *testing.T) {
	s := start(t, shed.Config{})
	cause := fmt.Errorf("planted: %w", io.EOF)
	for _, want := range []any{http.ErrAbortHandler, cause, "a string", 42} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("recovered %v, want %v", got, want)
				}
			}()
			h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(want) }))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			t.Errorf("%v is swallowed", want)
		}()
	}
	shut(t, s)
}

// Admission leaves request and writer as they are.
func TestMiddlewarePassesRequestAndWriterThrough(t *testing.T) {
	s := start(t, shed.Config{})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	called := false
	s.Middleware(http.HandlerFunc(func(gotW http.ResponseWriter, gotR *http.Request) {
		called = gotW == http.ResponseWriter(w) && gotR == r
	})).ServeHTTP(w, r)
	if !called || len(w.Header()) != 0 {
		t.Errorf("the handler gets another request or writer, or a header: %v", w.Header())
	}
	shut(t, s)
}

// A request whose client has gone, and one whose handler did not return, say
// nothing about the backend.
func TestMiddlewareSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		serve := func(h http.HandlerFunc) {
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				func() {
					defer cancel()
					defer func() { _ = recover() }()
					s.Middleware(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
				}()
			}
			time.Sleep(3 * time.Second)
		}
		work := func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }
		serve(func(http.ResponseWriter, *http.Request) {
			time.Sleep(7 * time.Millisecond)
			panic(http.ErrAbortHandler)
		})
		serve(func(http.ResponseWriter, *http.Request) { time.Sleep(31 * time.Millisecond) })
		for range 100 {
			p := enter(t, s, of(seawall.Normal))
			time.Sleep(10 * time.Millisecond)
			p.Drop()
		}
		serve(work) // by which the others would be taken note of
		if st := s.Stats(); st.Samples > 100 || st.Baseline != 20*time.Millisecond {
			t.Errorf("%d samples of %v, of requests that were aborted, left or dropped", st.Samples, st.Baseline)
		}
		serve(work)
		if st := s.Stats(); st.Samples < 100 || st.Samples > 200 || st.Baseline != 20*time.Millisecond {
			t.Errorf("%d samples of %v, want 200 of 20ms", st.Samples, st.Baseline)
		}
		shut(t, s)
	})
}
