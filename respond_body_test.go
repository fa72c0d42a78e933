package seawall_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
)

// The rule these tests are about: a refusal waits 20 ms for a body, not for
// ever, and does not cost whoever sent it in time the connection.

var overloaded = refuse(&seawall.Rejection{Component: "shed", Reason: seawall.Overloaded, RetryAfter: time.Second})

// withoutBound is what everybody does who only writes an answer.
var withoutBound = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "no", http.StatusServiceUnavailable)
})

const stalledPost = "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\nx"

// exchange writes text to a new connection in a bubble, and returns the answer,
// the time it took and a reader of what else comes.
func exchange(t *testing.T, srv *seawalltest.Server, text string) (*http.Response, time.Duration, net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := srv.Listener.Dial(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = c.SetReadDeadline(start.Add(time.Hour))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	took := time.Since(start)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return nil, took, c, br
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res, took, c, br
}

// unwrapping is a middleware's writer.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestRespondToStalledBodies(t *testing.T) {
	const patience = 20 * time.Millisecond
	wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { overloaded.ServeHTTP(unwrapping{w}, r) })
	limited := http.MaxBytesHandler(overloaded, 1<<20)
	for name, c := range map[string]struct {
		handler http.Handler
		text    string
		want    time.Duration
		keep    bool // the connection lives on
	}{
		"announced, not sent":  {overloaded, stalledPost, patience, false},
		"nothing sent":         {overloaded, strings.TrimSuffix(stalledPost, "x"), patience, false},
		"chunks":               {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", patience, false},
		"HTTP/1.0":             {overloaded, "POST / HTTP/1.0\r\nContent-Length: 1000\r\n\r\nx", 0, false},
		"HTTP/1.0 keep-alive":  {overloaded, "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1000\r\n\r\nx", patience, false},
		"a wrapped writer":     {wrapped, stalledPost, patience, false},
		"a limited body":       {limited, stalledPost, patience, false},
		"large":                {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\nx", 0, false},
		"100-continue":         {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", 0, false},
		"all sent":             {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 0, true},
		"all chunks sent":      {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 0, true},
		"empty":                {overloaded, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0, true},
		"GET":                  {overloaded, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, true},
		"others wait for ever": {withoutBound, stalledPost, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := seawalltest.NewServer(t, c.handler)
				defer srv.Close()
				res, took, conn, br := exchange(t, srv, c.text)
				defer conn.Close()
				if took != c.want {
					t.Errorf("answered after %v, want %v", took, c.want)
				}
				if res == nil {
					return
				}
				// (To HTTP/1.0, net/http claims keep-alive before it closes.)
				if res.StatusCode != 503 || res.Close == c.keep && res.ProtoAtLeast(1, 1) {
					t.Errorf("status %d, connection given up: %t", res.StatusCode, res.Close)
				}
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := br.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) != c.keep {
					t.Errorf("a minute later: %v, want a connection that lives: %t", err, c.keep)
				}
			})
		})
	}
}

// What comes of the body after the answer must not be taken for a request.
func TestRespondLeavesNoRequestInTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		srv := seawalltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			overloaded.ServeHTTP(w, r)
		}))
		defer srv.Close()
		_, _, c, br := exchange(t, srv, stalledPost)
		defer c.Close()
		_, _ = io.WriteString(c, "GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if b, err := br.ReadByte(); err != io.EOF && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("read %q, %v; want the end", b, err)
		}
		if got := calls.Load(); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}

// A body that arrives within the patience saves the connection, a later one
// does not.
func TestRespondPatience(t *testing.T) {
	for late, keep := range map[time.Duration]bool{0: true, 5 * time.Millisecond: true, 19 * time.Millisecond: true, 21 * time.Millisecond: false, time.Second: false} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := seawalltest.NewServer(t, overloaded)
				defer srv.Close()
				c, err := srv.Listener.Dial(t.Context(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_, _ = io.WriteString(c, stalledPost)
				go func() {
					time.Sleep(late)
					_, _ = io.WriteString(c, strings.Repeat("y", 999))
				}()
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || res.StatusCode != 503 || res.Close == keep {
					t.Fatalf("%+v, %v; want a 503 and keep-alive %t", res, err, keep)
				}
				time.Sleep(time.Second) // for the writer
			})
		})
	}
}

// The deadline is the refusal's, not the connection's: the next request has all
// the time it had before.
func TestRespondLeavesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := seawalltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/refused" {
				overloaded.ServeHTTP(w, r)
				return
			}
			body, err := io.ReadAll(r.Body)
			if r.Context().Err() != nil {
				err = r.Context().Err()
			}
			fmt.Fprint(w, len(body), err)
		}))
		defer srv.Close()
		c, err := srv.Listener.Dial(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		br := bufio.NewReader(c)
		for range 3 {
			_, _ = io.WriteString(c, "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 503 {
				t.Fatal(res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)

			time.Sleep(time.Minute) // idle
			_, _ = io.WriteString(c, "POST /admitted HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
			for range 10 {
				time.Sleep(time.Second)
				_, _ = io.WriteString(c, "x")
			}
			res, err = http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			if string(text) != "10 <nil>" {
				t.Errorf("the slow but admitted upload came to %q", text)
			}
		}
	})
}

// The same on real sockets, where the kernel has a say. The bound is loose, as
// test machines are busy; BenchmarkRespondStalledBody shows the figure.
func TestRespondToStalledBodyOverLoopback(t *testing.T) {
	answered := func(h http.Handler, patience time.Duration) (time.Duration, error) {
		srv := httptest.NewServer(h)
		defer srv.Close()
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			return 0, err
		}
		defer c.Close() // before the server: it waits for the handler
		start := time.Now()
		_ = c.SetDeadline(start.Add(patience))
		if _, err := io.WriteString(c, stalledPost); err != nil {
			return 0, err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && res.StatusCode != 503 {
			err = errors.New(res.Status)
		}
		return time.Since(start), err
	}
	took, err := answered(overloaded, time.Second)
	if err != nil {
		t.Errorf("no answer within 1 s: %v", err)
	}
	t.Logf("answered after %v", took)
	if _, err := answered(withoutBound, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a plain answer came through at once (%v): this test shows nothing", err)
	}
}

func TestRespondKeepsTheConnectionOfSmallPosts(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(overloaded)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	reused := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if i.Reused {
			reused++
		}
	}})
	const posts = 200
	for range posts {
		req, _ := http.NewRequestWithContext(ctx, "POST", srv.URL, strings.NewReader(strings.Repeat("x", 500)))
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 503 {
			t.Fatal(res.StatusCode, err)
		}
		res.Body.Close()
	}
	if opened.Load() != 1 || reused != posts-1 {
		t.Errorf("%d connections opened, %d times one was used again; want 1 and %d", opened.Load(), reused, posts-1)
	}
}
