package seawalltest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"
)

// What net/http's own ResponseWriters can do, a handler behind the middleware
// must be able to do, by type assertion (what most libraries still use) and by
// http.ResponseController; and what they cannot do, nobody must promise.
var interfaceChecks = []checkInfo{
	{name: "flusher", run: checkFlusher},
	{name: "hijacker", run: checkHijacker},
	{name: "readerfrom", run: checkReaderFrom},
	{name: "stringwriter", run: checkStringWriter},
	{name: "h2-flusher", run: checkH2Flusher},
	{name: "h2-pusher", run: checkH2Pusher},
	{name: "h2-no-fake-hijack", run: checkH2NoFakeHijack},
	{name: "no-fake-pusher", run: checkNoFakePusher},
	{name: "bare-writer", run: checkBareWriter},
	{name: "rc-flush", run: checkRCFlush},
	{name: "rc-hijack", run: checkRCHijack},
	{name: "rc-readdeadline", run: checkRCReadDeadline},
	{name: "rc-writedeadline", run: checkRCWriteDeadline},
	{name: "rc-fullduplex", run: checkRCFullDuplex},
}

var (
	onlyHTTP1 = protocols[:1]
	onlyHTTP2 = protocols[1:]
)

func flushByAssertion(w http.ResponseWriter) error {
	f, ok := w.(http.Flusher)
	if !ok {
		return fmt.Errorf("%T is no http.Flusher", w)
	}
	f.Flush()
	return nil
}

func flushByController(w http.ResponseWriter) error {
	if err := http.NewResponseController(w).Flush(); err != nil {
		return fmt.Errorf("ResponseController.Flush: %w", err)
	}
	return nil
}

// firstByte checks that what a handler wrote and flushed arrives while the
// handler still runs.
func (c *check) firstByte(protos []string, flush func(http.ResponseWriter) error) {
	for _, proto := range protos {
		seen := make(chan struct{})
		s := c.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: first\n\n")
			if err := flush(w); err != nil {
				c.errorf("%s: %w", proto, err)
				return
			}
			if _, ok := wait(c, seen); !ok {
				c.errorf("%s: what was flushed did not arrive within %v", proto, c.patience)
			}
			io.WriteString(w, "data: last\n\n")
		})
		req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, s.url, nil)
		c.must(err, "request")
		resp, err := s.client(proto).Do(req)
		c.must(err, proto)
		first := make([]byte, len("data: first\n\n"))
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			c.errorf("%s: first event: %w", proto, err)
		}
		close(seen)
		last, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !c.failed() && string(last) != "data: last\n\n" {
			c.errorf("%s: last event: %q, %v", proto, last, err)
		}
	}
}

func checkFlusher(c *check)   { c.firstByte(onlyHTTP1, flushByAssertion) }
func checkH2Flusher(c *check) { c.firstByte(onlyHTTP2, flushByAssertion) }

func hijackByAssertion(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	h, ok := w.(http.Hijacker)
	if !ok {
		return nil, nil, fmt.Errorf("%T is no http.Hijacker", w)
	}
	return h.Hijack()
}

func hijackByController(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("ResponseController.Hijack: %w", err)
	}
	return conn, rw, nil
}

type hijackFunc func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)

// hijacks checks that a handler can take the connection over and answer by hand.
func (c *check) hijacks(hijack hijackFunc) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := hijack(w)
		if err != nil {
			c.errorf("%w", err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 299 Mine\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine")
		if err := rw.Flush(); err != nil {
			c.errorf("write after Hijack: %w", err)
		}
	})
	resp, body, err := s.do(s.h1, http.MethodGet, "/", nil)
	if c.failed() {
		return
	}
	c.must(err, "client")
	if resp.StatusCode != 299 || body != "mine" {
		c.errorf("got %d %q, want what was written to the hijacked connection", resp.StatusCode, body)
	}
}

func checkHijacker(c *check) { c.hijacks(hijackByAssertion) }
func checkRCHijack(c *check) { c.hijacks(hijackByController) }

// io.Copy uses ReaderFrom for sendfile: without it files are copied by hand.
func checkReaderFrom(c *check) {
	const size = 100_000
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		rf, ok := w.(io.ReaderFrom)
		if !ok {
			c.errorf("%T is no io.ReaderFrom", w)
			return
		}
		if n, err := rf.ReadFrom(strings.NewReader(strings.Repeat("x", size))); n != size || err != nil {
			c.errorf("ReadFrom: %d, %v; want %d", n, err, size)
		}
	})
	_, body := s.get(s.h1, "/", http.StatusOK)
	if !c.failed() && len(body) != size {
		c.errorf("client got %d bytes, want %d", len(body), size)
	}
}

func checkStringWriter(c *check) {
	c.inside(protocols, func(w http.ResponseWriter, r *http.Request) error {
		sw, ok := w.(io.StringWriter)
		if !ok {
			return fmt.Errorf("%T is no io.StringWriter", w)
		}
		if n, err := sw.WriteString("hello"); n != 5 || err != nil {
			return fmt.Errorf("WriteString: %d, %v", n, err)
		}
		return nil
	})
}

func checkH2Pusher(c *check) {
	c.inside(onlyHTTP2, func(w http.ResponseWriter, r *http.Request) error {
		p, ok := w.(http.Pusher)
		if !ok {
			return fmt.Errorf("%T is no http.Pusher on HTTP/2", w)
		}
		if err := p.Push("/style.css", nil); !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("Push: %v; want ErrNotSupported, as this client takes none", err)
		}
		return nil
	})
}

func checkH2NoFakeHijack(c *check) {
	c.inside(onlyHTTP2, func(w http.ResponseWriter, r *http.Request) error {
		if _, ok := w.(http.Hijacker); ok {
			return fmt.Errorf("%T promises http.Hijacker on HTTP/2", w)
		}
		return nil
	})
}

func checkNoFakePusher(c *check) {
	c.inside(onlyHTTP1, func(w http.ResponseWriter, r *http.Request) error {
		if _, ok := w.(http.Pusher); ok {
			return fmt.Errorf("%T promises http.Pusher on HTTP/1.1", w)
		}
		return nil
	})
}

// plainWriter can do nothing but what a ResponseWriter must.
type plainWriter struct{ rec *httptest.ResponseRecorder }

func (p plainWriter) Header() http.Header         { return p.rec.Header() }
func (p plainWriter) Write(b []byte) (int, error) { return p.rec.Write(b) }
func (p plainWriter) WriteHeader(status int)      { p.rec.WriteHeader(status) }

// checkBareWriter puts a writer under the middleware that cannot flush or hijack,
// as those of other middlewares and of test doubles.
func checkBareWriter(c *check) {
	rec := httptest.NewRecorder()
	var inner http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Flusher); ok {
			c.errorf("%T promises http.Flusher over a writer that is none", w)
		}
		if _, ok := w.(http.Hijacker); ok {
			c.errorf("%T promises http.Hijacker over a writer that is none", w)
		}
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			c.errorf("ResponseController.Flush: %v, want ErrNotSupported", err)
		}
		w.Header().Set("X-Handler", "yes")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "body")
	})
	req := httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/", nil)
	req.RemoteAddr = "127.0.0.1:9999"
	c.mw(inner).ServeHTTP(plainWriter{rec}, req)
	if rec.Code != http.StatusAccepted || rec.Body.String() != "body" || rec.Header().Get("X-Handler") != "yes" {
		c.errorf("answer: %d %v %q", rec.Code, rec.Header(), rec.Body)
	}
}

func checkRCFlush(c *check) {
	c.inside(protocols, func(w http.ResponseWriter, r *http.Request) error { return flushByController(w) })
}

// stalled serves a request whose body does not end before f has returned.
func (c *check) stalled(f func(w http.ResponseWriter, r *http.Request) error) {
	for _, proto := range protocols {
		result := make(chan error, 1)
		s := c.serve(func(w http.ResponseWriter, r *http.Request) { result <- f(w, r) })
		body, feed := io.Pipe()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			s.do(s.client(proto), http.MethodPost, "/", body)
		}()
		io.WriteString(feed, "abc") // fails if the answer comes first
		if err := await(c, result, "the handler ends"); err != nil {
			c.errorf("%s: %w", proto, err)
		}
		feed.Close()
		await(c, answered, "the answer comes")
	}
}

func checkRCReadDeadline(c *check) {
	c.stalled(func(w http.ResponseWriter, r *http.Request) error {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			return fmt.Errorf("SetReadDeadline: %w", err)
		}
		if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read after the deadline: %v, want os.ErrDeadlineExceeded", err)
		}
		return nil
	})
}

func checkRCWriteDeadline(c *check) {
	c.inside(protocols, func(w http.ResponseWriter, r *http.Request) error {
		rc := http.NewResponseController(w)
		if err := rc.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
			return fmt.Errorf("SetWriteDeadline: %w", err)
		}
		var err error
		for i := 0; i < 16 && err == nil; i++ {
			_, err = w.Write(make([]byte, 64<<10))
		}
		if err == nil {
			return errors.New("1 MiB was written after the write deadline")
		}
		return nil
	})
}

func checkRCFullDuplex(c *check) {
	c.inside(protocols, func(w http.ResponseWriter, r *http.Request) error {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			return fmt.Errorf("EnableFullDuplex: %w", err)
		}
		return nil
	})
}
