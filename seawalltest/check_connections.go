package seawalltest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// Connections live as long as they would without the middleware, and nothing
// else lives longer.
var connectionChecks = []checkInfo{
	{name: "websocket", run: checkWebsocket},
	{name: "websocket-rc", run: checkWebsocketRC},
	{name: "keepalive", run: checkKeepAlive},
	{name: "http10", run: checkHTTP10},
	{name: "h2-concurrent", run: checkH2Concurrent},
	{name: "shutdown-waits", run: checkShutdownWaits},
	{name: "stack-twice", run: checkStackTwice},
	{name: "no-goroutine-leak", run: checkNoGoroutineLeak},
	{name: "no-bg-goroutines", run: checkNoBackgroundGoroutines},
}

// checkKeepAlive sends nine requests and expects to need one connection. HTTP/1.1
// is spoken by hand, as a busy http.Transport gives connections up.
func checkKeepAlive(c *check) {
	var mu sync.Mutex
	seen := make(map[string]bool)
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.RemoteAddr] = true
		mu.Unlock()
		switch r.URL.Path {
		case "/error":
			http.Error(w, "no", http.StatusInternalServerError)
		case "/large":
			io.WriteString(w, strings.Repeat("x", 64<<10))
		}
	})
	const unread = "a body that nobody reads"
	conn := s.dial()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		for _, path := range []string{"/", "/error", "/large"} {
			what := method + " " + path
			s.send(conn, what+" HTTP/1.1", "Host: x", fmt.Sprintf("Content-Length: %d", len(unread)))
			io.WriteString(conn, unread)
			resp, err := http.ReadResponse(conn.r, &http.Request{Method: method})
			c.must(err, what)
			_, err = io.Copy(io.Discard, resp.Body)
			c.must(err, what)
			if resp.Close {
				c.fatalf("%s is answered with Connection: close", what)
			}
			_, _, err = s.do(s.h2, method, path, nil)
			c.must(err, what+" by HTTP/2")
		}
	}
	if len(seen) != 2 {
		c.errorf("9 requests by HTTP/1.1 and 9 by HTTP/2 took %d connections, want one each", len(seen))
	}
}

func checkHTTP10(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 10_000))
	})
	conn := s.dial()
	s.send(conn, "GET / HTTP/1.0")
	resp := s.answer(conn, http.StatusOK)
	body, err := io.ReadAll(resp.Body)
	if len(resp.TransferEncoding) > 0 || len(body) != 10_000 || err != nil {
		c.errorf("got %d bytes (%v), transfer encoding %v; want 10000 that end with the connection", len(body), err, resp.TransferEncoding)
	}
	if _, err := conn.r.ReadByte(); err != io.EOF {
		c.errorf("after the answer: %v, want the end of the connection", err)
	}
}

// checkH2Concurrent holds 32 requests of one connection inside at a time.
func checkH2Concurrent(c *check) {
	const streams = 32
	var inside atomic.Int64
	all := make(chan struct{})
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		if inside.Add(1) == streams {
			close(all)
		}
		if _, ok := wait(c, all); !ok {
			c.errorf("%d of %d streams came in", inside.Load(), streams)
		}
		io.WriteString(w, r.URL.Path)
	})
	var clients sync.WaitGroup
	for i := range streams {
		clients.Go(func() {
			path := fmt.Sprintf("/%d", i)
			if resp, body, err := s.do(s.h2, http.MethodPost, path, nil); err != nil || body != path {
				c.errorf("stream %d: %v %q, %v", i, resp, body, err)
			}
		})
	}
	clients.Wait()
}

func checkShutdownWaits(c *check) {
	for _, proto := range protocols {
		entered, leave := make(chan struct{}), make(chan struct{})
		var finished atomic.Bool
		s := c.serve(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			wait(c, leave)
			if err := r.Context().Err(); err != nil {
				c.errorf("%s: the request is cancelled by Shutdown: %w", proto, err)
			}
			io.WriteString(w, "whole")
			finished.Store(true)
		})
		type result struct {
			body string
			err  error
		}
		answer := make(chan result, 1)
		go func() {
			_, body, err := s.do(s.client(proto), http.MethodGet, "/", nil)
			answer <- result{body, err}
		}()
		await(c, entered, "the handler starts")
		begun := make(chan struct{})
		s.srv.RegisterOnShutdown(func() { close(begun) })
		down := make(chan error, 1)
		go func() { down <- s.srv.Shutdown(c.ctx) }()
		await(c, begun, "the shutdown begins")
		select {
		case <-down:
			c.errorf("%s: Shutdown returned while a request was served", proto)
		default:
		}
		close(leave)
		if got := await(c, answer, "the answer comes"); got.body != "whole" || got.err != nil {
			c.errorf("%s: got %q, %v", proto, got.body, got.err)
		}
		if err := await(c, down, "Shutdown returns"); err != nil || !finished.Load() {
			c.errorf("%s: Shutdown: %v; handler finished: %v", proto, err, finished.Load())
		}
	}
}

// checkStackTwice: the same instance twice in a chain, as happens when two teams
// add it.
func checkStackTwice(c *check) {
	twice := func(next http.Handler) http.Handler { return c.mw(c.mw(next)) }
	h := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("X-Handler", "yes")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s %v", r.URL, body, err)
	}
	c.sameAnswer(twice, "GET", http.MethodGet, h, "X-Handler")
	c.sameAnswer(twice, "POST", http.MethodPost, h, "X-Handler")
	if c.InFlight == nil {
		return
	}
	entered := make(chan struct{}, 1)
	s := c.serveWith(twice, func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		panic(http.ErrAbortHandler)
	})
	s.do(s.h2, http.MethodPost, "/", nil) // the fate of the answer is the matter of other checks
	await(c, entered, "the handler starts")
	if !c.eventually(func() bool { return c.InFlight() == 0 }) {
		c.errorf("%d seats are not given back", c.InFlight())
	}
}

// checkNoGoroutineLeak serves requests that end well and badly, closes the
// server, and looks for what is left.
func checkNoGoroutineLeak(c *check) {
	entered := make(chan struct{}, 1)
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/leave":
			entered <- struct{}{}
			wait(c, r.Context().Done())
		case "/hijack":
			if conn, _, err := hijackByController(w); err == nil {
				conn.Close()
			}
		default:
			io.Copy(w, r.Body)
		}
	})
	for range 10 {
		for _, proto := range protocols {
			for _, path := range []string{"/", "/abort", "/hijack"} {
				s.do(s.client(proto), http.MethodPost, path, strings.NewReader("body")) // some fail: as they should
			}
			ctx, leave := context.WithCancel(c.ctx)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/leave", nil)
			c.must(err, "request")
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if resp, err := s.client(proto).Do(req); err == nil {
					resp.Body.Close()
				}
			}()
			await(c, entered, "the handler starts")
			leave()
			await(c, gone, "the client returns")
		}
	}
	s.close()
	c.noGoroutines()
}

// checkNoBackgroundGoroutines: instances cost no goroutine that nobody owns.
func checkNoBackgroundGoroutines(c *check) {
	kept := make([]http.Handler, 10) // so that no finalizer tidies up
	for i := range kept {
		mw := c.mw
		if c.New != nil {
			mw = c.New()
		}
		kept[i] = mw(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		req := httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/", nil)
		req.RemoteAddr = "127.0.0.1:9999"
		kept[i].ServeHTTP(httptest.NewRecorder(), req)
	}
	c.noGoroutines()
	runtime.KeepAlive(kept)
}
