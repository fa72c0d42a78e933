package spike

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

func httpTarget(t *testing.T, cfg HTTPConfig) *HTTPTarget {
	t.Helper()
	target, err := NewHTTPTarget(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func TestHTTPTargetValidate(t *testing.T) {
	for want, cfg := range map[string]HTTPConfig{
		"URL must be an http or https URL with a host (got )": {},
		"(got ftp://host/)":                 {URL: "ftp://host/"},
		"(got http://)":                     {URL: "http://"},
		"(got :)":                           {URL: ":"},
		"MaxIdle must be positive (got -1)": {URL: "http://localhost", MaxIdle: -1},
		"MaxBody must be positive (got -1)": {URL: "http://localhost", MaxBody: -1},
	} {
		if _, err := NewHTTPTarget(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

func TestHTTPTargetRequests(t *testing.T) {
	type seen struct {
		method, path, query, cookie, agent, proto, step string
		user                                            uint64
		priority                                        seawall.Priority
	}
	got := make(chan seen, 1)
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		got <- seen{
			r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Cookie"), r.Header.Get("Accept-Encoding"), r.Proto,
			r.Header.Get("X-Step"), UserFromCookie(r), PriorityFromPath(r),
		}
	})
	target := httpTarget(t, HTTPConfig{URL: srv.URL + "/api/?a=b", Prepare: func(hr *http.Request, r *Request) {
		hr.Header.Set("X-Step", string('0'+rune(r.Step)))
	}})
	for _, p := range seawall.Priorities() {
		if o, _ := once(target.Do, time.Minute, Request{User: 123, Priority: p, Step: 2}); o != Success {
			t.Fatalf("%v: %v", p, o)
		}
		want := seen{"GET", "/api/" + p.String(), "a=b", "session=u123", "", "HTTP/1.1", "2", 123, p}
		if s := <-got; s != want {
			t.Errorf("got  %+v\nwant %+v", s, want)
		}
	}
}

func TestHTTPTargetOutcomes(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch UserFromCookie(r) {
		case 0:
			w.WriteHeader(http.StatusCreated)
		case 1:
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusInternalServerError)
		case 4:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case 5:
			panic(http.ErrAbortHandler)
		case 6: // no answer
			select {
			case <-r.Context().Done():
			case <-release:
			}
		case 7: // half an answer
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	})
	target := httpTarget(t, HTTPConfig{URL: srv.URL})
	for user, want := range []Outcome{Success, Rejected, Rejected, Failed, Failed, Failed, TimedOut, TimedOut} {
		patience := time.Minute
		if want == TimedOut {
			patience = 50 * ms
		}
		if got, _ := once(target.Do, patience, Request{User: uint64(user)}); got != want {
			t.Errorf("user %d: %v, want %v", user, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := target.Do(ctx, &Request{}); got != Failed {
		t.Errorf("a run that was stopped is %v", got)
	}
	srv.Close()
	if got, _ := once(target.Do, time.Minute, Request{}); got != Failed {
		t.Errorf("a refused connection is %v", got)
	}
}

// TestHTTPTargetKeepsConnections: bodies are drained, so that many requests
// need few connections.
func TestHTTPTargetKeepsConnections(t *testing.T) {
	var conns atomic.Int64
	closed := make(chan struct{}, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 1<<20))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed:
			closed <- struct{}{}
		default:
		}
	}
	srv.Start()
	defer srv.Close()
	target := httpTarget(t, HTTPConfig{URL: srv.URL, MaxBody: 2 << 20})
	for range 100 {
		if got, _ := once(target.Do, time.Minute, Request{}); got != Success {
			t.Fatal(got)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("100 requests in a row took %d connections", n)
	}
	short := httpTarget(t, HTTPConfig{URL: srv.URL, MaxBody: 100})
	for range 3 {
		if got, _ := once(short.Do, time.Minute, Request{}); got != Success {
			t.Fatal(got)
		}
	}
	if n := conns.Load(); n != 4 {
		t.Errorf("bodies that are too long took %d connections, want 3", n-1)
	}
	for range 3 {
		<-closed
	}
}

// TestHTTPTargetTellsTheServer: a client that gives up cancels its request. It
// gives up only once the server has it: on a busy machine that takes a while.
func TestHTTPTargetTellsTheServer(t *testing.T) {
	ctx, giveUp := context.WithCancel(t.Context())
	cancelled := make(chan struct{})
	srv := server(t, func(_ http.ResponseWriter, r *http.Request) {
		giveUp()
		<-r.Context().Done()
		close(cancelled)
	})
	if got := httpTarget(t, HTTPConfig{URL: srv.URL}).Do(ctx, &Request{}); got != Failed {
		t.Errorf("got %v", got)
	}
	<-cancelled
}
