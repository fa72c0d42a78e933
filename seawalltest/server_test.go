package seawalltest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s ", r.Proto, strings.Split(r.RemoteAddr, ":")[0])
	io.Copy(w, r.Body)
})

func TestServerProtocols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t, echo)
		if _, got := get(t, s.Client(), s.URL); got != "HTTP/1.1 198.51.100.1 " {
			t.Errorf("HTTP/1: %q", got)
		}
		if _, got := get(t, s.HTTP2Client(), s.URL+"/x"); got != "HTTP/2.0 198.51.100.1 " {
			t.Errorf("HTTP/2: %q", got)
		}
		if _, got := get(t, s.ClientFrom("203.0.113.9"), "http://other.example/"); got != "HTTP/1.1 203.0.113.9 " {
			t.Errorf("from: %q", got)
		}
		for _, c := range []*http.Client{s.Client(), s.HTTP2Client()} {
			want := strings.Repeat("0123456789", 100<<10)
			resp, err := c.Post(s.URL, "text/plain", strings.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !strings.HasSuffix(string(got), want) {
				t.Errorf("1 MB echo: %d bytes, %v", len(got), err)
			}
		}
	})
}

func TestServerTimeIsVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
			}
		}))
		start := time.Now()
		get(t, s.Client(), s.URL)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("took %v, want 1h", d)
		}
		c := s.Client()
		c.Timeout = time.Minute
		if _, err := c.Get(s.URL); !os.IsTimeout(err) {
			t.Errorf("client timeout: %v", err)
		}
	})
}

func TestServerConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t, echo, func(h *http.Server) { h.ReadHeaderTimeout = time.Second })
		c, err := s.Listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\n") // and no more
		start := time.Now()
		io.Copy(io.Discard, c)
		if d := time.Since(start); d != time.Second {
			t.Errorf("closed after %v, want 1s", d)
		}
	})
}

// Close cancels the requests, waits for their handlers, and leaves nothing: the
// bubble itself panics if a goroutine is left.
func TestServerCloseStopsHandlers(t *testing.T) {
	for _, proto := range []string{"h1", "h2", "idle"} {
		t.Run(proto, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				entered := make(chan struct{})
				ended := false
				s := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if proto == "idle" {
						return
					}
					close(entered)
					<-r.Context().Done()
					time.Sleep(5 * time.Second) // clearing up
					ended = true
				}))
				c := s.Client()
				if proto == "h2" {
					c = s.HTTP2Client()
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					resp, err := c.Get(s.URL)
					if err == nil {
						resp.Body.Close()
					}
					if (err == nil) != (proto == "idle") {
						t.Errorf("client: %v", err)
					}
				})
				if proto == "idle" {
					wg.Wait()
				} else {
					<-entered
				}
				var both sync.WaitGroup
				for range 2 {
					both.Go(s.Close)
				}
				both.Wait()
				if proto != "idle" && !ended {
					t.Error("Close did not wait for the handler")
				}
				wg.Wait()
				if _, err := c.Get(s.URL); err == nil {
					t.Error("served after Close")
				}
			})
		})
	}
}

func TestServerCloseCutsHijacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan error, 1)
		s := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			go func() {
				_, err := c.Read(make([]byte, 1))
				gone <- err
			}()
		}))
		c, err := s.Listener.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
			t.Fatalf("upgrade: %v, %v", resp, err)
		}
		s.Close()
		if err := <-gone; err == nil {
			t.Error("the hijacked connection lives on")
		}
	})
}

func TestServerCloseReportsStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTB{TB: t}
		entered, release := make(chan struct{}), make(chan struct{})
		s := NewServer(fake, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
		}))
		go s.Client().Get(s.URL)
		<-entered
		fake.end()
		close(release)
		if len(fake.errors) != 1 || !strings.Contains(fake.errors[0], "still at work 10s") {
			t.Errorf("reported: %q", fake.errors)
		}
	})
}

func TestServerGracefulShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{})
		s := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			time.Sleep(3 * time.Second)
			if err := r.Context().Err(); err != nil {
				t.Errorf("cancelled by a graceful shutdown: %v", err)
			}
			io.WriteString(w, "whole")
		}))
		got := make(chan string, 1)
		go func() {
			_, body := get(t, s.Client(), s.URL)
			got <- body
		}()
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Config.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if body := <-got; body != "whole" {
			t.Errorf("got %q", body)
		}
	})
}

// The network is no worse than loopback outside of a bubble, and many at once.
func TestServerManyClients(t *testing.T) {
	s := NewServer(t, echo)
	h1, h2 := s.Client(), s.HTTP2Client()
	var wg sync.WaitGroup
	for i := range 100 {
		c := h1
		if i%2 == 1 {
			c = h2
		}
		wg.Go(func() {
			body := fmt.Sprintf("number %d", i)
			resp, err := c.Post(s.URL, "", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || !strings.HasSuffix(string(got), body) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestServerFollowsNoRedirect(t *testing.T) {
	s := NewServer(t, http.RedirectHandler("/elsewhere", http.StatusFound))
	for _, c := range []*http.Client{s.Client(), s.HTTP2Client()} {
		if resp, _ := get(t, c, s.URL); resp.StatusCode != http.StatusFound {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if _, err := s.Listener.Dial(canceled(t), "", ""); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
}

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
