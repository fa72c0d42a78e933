package seawalltest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// What a handler answers is what the client gets: as it was, when it was.
var answerChecks = []checkInfo{
	{name: "headers-exact", run: checkHeadersExact},
	{name: "sniff", run: checkSniff},
	{name: "head", run: checkHead},
	{name: "304", run: check304},
	{name: "range", run: checkRange},
	{name: "stream-first-byte", run: checkStreamFirstByte},
	{name: "h2-stream-first-byte", run: checkH2StreamFirstByte},
	{name: "no-buffering", run: checkNoBuffering},
	{name: "trailers", run: checkTrailers},
	{name: "h2-trailers", run: checkH2Trailers},
	{name: "early-hints", run: checkEarlyHints},
	{name: "no-superfluous", run: checkNoSuperfluous},
	{name: "double-writeheader", run: checkDoubleWriteHeader},
	{name: "bad-status-panics", run: checkBadStatusPanics},
	{name: "write-error", run: checkWriteError},
}

// identity is the middleware that the others are held against.
func identity(next http.Handler) http.Handler { return next }

// answer is all of a response that two servers can have in common.
type answer struct {
	Status, Proto    string
	Header, Trailer  http.Header
	ContentLength    int64
	TransferEncoding []string
	Close            bool
	Body             string
}

func (s *site) answerTo(proto, method, body string) (answer, error) {
	resp, got, err := s.do(s.client(proto), method, "/page?q=1", strings.NewReader(body), "Accept", "text/plain")
	if err != nil {
		return answer{}, err
	}
	resp.Header.Del("Date") // its second may have ended in between
	return answer{resp.Status, resp.Proto, resp.Header, resp.Trailer, resp.ContentLength,
		resp.TransferEncoding, resp.Close, got}, nil
}

// sameAnswer checks that h answers through mw as it does alone. With fields, only
// those of the header matter.
func (c *check) sameAnswer(mw seawall.Middleware, what, method string, h http.HandlerFunc, fields ...string) {
	with, without := c.serveWith(mw, h), c.serveWith(identity, h)
	body := ""
	if method == http.MethodPost {
		body = "the body"
	}
	for _, proto := range protocols {
		want, err := without.answerTo(proto, method, body)
		c.must(err, what+" without the middleware")
		got, err := with.answerTo(proto, method, body)
		if fields != nil {
			got.Header, want.Header = pick(got.Header, fields), pick(want.Header, fields)
		}
		if err != nil {
			c.errorf("%s, %s: %w", proto, what, err)
		} else if diff := difference(got, want); diff != "" {
			c.errorf("%s, %s: %s", proto, what, diff)
		}
	}
}

func pick(h http.Header, fields []string) http.Header {
	picked := make(http.Header)
	for _, name := range fields {
		if v, ok := h[name]; ok {
			picked[name] = v
		}
	}
	return picked
}

// difference lists the fields of two structs of one type that are not equal.
func difference(got, want any) string {
	var all []string
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			all = append(all, fmt.Sprintf("%s is %.300q, want %.300q", g.Type().Field(i).Name, fmt.Sprint(a), fmt.Sprint(b)))
		}
	}
	return strings.Join(all, "; ")
}

func checkHeadersExact(c *check) {
	handlers := map[string]http.HandlerFunc{
		"nothing": func(w http.ResponseWriter, r *http.Request) {},
		"short": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("X-Multi", "a")
			w.Header().Add("X-Multi", "b")
			w.Header().Set("X-Empty", "")
			w.Header()["x-raw"] = []string{"1"}
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			io.WriteString(w, "hello")
		},
		"chunked": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, strings.Repeat("x", 64<<10))
		},
		"late": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "set after WriteHeader")
			io.WriteString(w, "hello")
		},
		"no content": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"error":      func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/b", http.StatusFound) },
		"no date": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "ok")
		},
	}
	for what, h := range handlers {
		c.sameAnswer(c.mw, what, http.MethodGet, h)
	}
	c.sameAnswer(c.mw, "short POST", http.MethodPost, handlers["short"])
}

func checkSniff(c *check) {
	c.sameAnswer(c.mw, "sniffed", http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<!DOCTYPE html><title>x</title>")
	}, "Content-Type")
	c.sameAnswer(c.mw, "not to be sniffed", http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<!DOCTYPE html><title>x</title>")
	}, "Content-Type")
}

func checkHead(c *check) {
	c.sameAnswer(c.mw, "HEAD", http.MethodHead, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			c.errorf("the handler sees %s, want HEAD", r.Method)
		}
		w.Header().Set("Content-Length", "12345")
		w.Header().Set("Content-Type", "text/css")
		w.WriteHeader(http.StatusOK)
	}, "Content-Type", "Content-Length")
}

// file serves the 10 digits with a validator.
func file(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Etag", `"v1"`)
	http.ServeContent(w, r, "digits.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
}

func check304(c *check) {
	s := c.serve(file)
	for _, proto := range protocols {
		resp, body := s.get(s.client(proto), "/", http.StatusNotModified, "If-None-Match", `"v1"`)
		if body != "" || resp.Header.Get("Etag") != `"v1"` || resp.Header.Get("Content-Type") != "" {
			c.errorf("%s: body %q, header %v", proto, body, resp.Header)
		}
	}
}

func checkRange(c *check) {
	s := c.serve(file)
	for _, proto := range protocols {
		resp, body := s.get(s.client(proto), "/", http.StatusPartialContent, "Range", "bytes=2-4")
		if body != "234" || resp.Header.Get("Content-Range") != "bytes 2-4/10" || resp.ContentLength != 3 {
			c.errorf("%s: body %q, header %v", proto, body, resp.Header)
		}
	}
}

func checkStreamFirstByte(c *check)   { c.firstByte(onlyHTTP1, flushByController) }
func checkH2StreamFirstByte(c *check) { c.firstByte(onlyHTTP2, flushByController) }

// checkNoBuffering has a handler write a megabyte without a Flush, and wait in
// the middle of its answer until the client has the start of it.
func checkNoBuffering(c *check) {
	for _, proto := range protocols {
		seen := make(chan struct{})
		s := c.serve(func(w http.ResponseWriter, r *http.Request) {
			chunk := make([]byte, 32<<10)
			for range 32 {
				w.Write(chunk)
			}
			if _, ok := wait(c, seen); !ok {
				c.errorf("%s: 1 MiB was written, and nothing of it arrived within %v", proto, c.patience)
			}
			w.Write(chunk)
		})
		req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, s.url, nil)
		c.must(err, "request")
		resp, err := s.client(proto).Do(req)
		c.must(err, proto+": waiting for the start of an answer of 1 MiB")
		n, err := io.ReadFull(resp.Body, make([]byte, 1))
		close(seen)
		rest, restErr := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if size := int64(n) + rest; err != nil || restErr != nil || size != 33*32<<10 {
			c.errorf("%s: got %d bytes, %v, %v", proto, size, err, restErr)
		}
	}
}

// trailers checks both ways to send trailers: announced, and by prefix.
func (c *check) trailers(proto string) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	})
	resp, body := s.get(s.client(proto), "/", http.StatusOK)
	if body != "body" || resp.Trailer.Get("X-Sum") != "42" || resp.Trailer.Get("X-Late") != "yes" {
		c.errorf("body %q, trailers %v; want X-Sum: 42 and X-Late: yes", body, resp.Trailer)
	}
}

func checkTrailers(c *check)   { c.trailers("HTTP/1.1") }
func checkH2Trailers(c *check) { c.trailers("HTTP/2") }

func checkEarlyHints(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		for _, link := range []string{"</a.css>", "</b.css>"} {
			w.Header().Set("Link", link)
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "body")
	})
	for _, proto := range protocols {
		var mu sync.Mutex
		var hints []string
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				mu.Lock()
				defer mu.Unlock()
				hints = append(hints, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
		}), http.MethodGet, s.url, nil)
		c.must(err, "request")
		resp, err := s.client(proto).Do(req)
		c.must(err, proto)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		mu.Lock()
		got := strings.Join(hints, " ")
		mu.Unlock()
		if want := "103</a.css> 103</b.css>"; got != want {
			c.errorf("%s: informational answers %q, want %q", proto, got, want)
		}
		if err != nil || resp.StatusCode != http.StatusCreated || string(body) != "body" {
			c.errorf("%s: final answer %d %q, %v", proto, resp.StatusCode, body, err)
		}
	}
}

// checkNoSuperfluous looks for what net/http logs when the status is sent twice.
func checkNoSuperfluous(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "a")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "b")
	})
	for _, proto := range protocols {
		s.get(s.client(proto), "/", http.StatusCreated)
	}
	s.close()
	if s.log.String() != "" {
		c.errorf("the server logs: %s", s.log)
	}
}

func checkDoubleWriteHeader(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "body")
	})
	for _, proto := range protocols {
		if _, body := s.get(s.client(proto), "/", http.StatusCreated); body != "body" {
			c.errorf("%s: body %q", proto, body)
		}
	}
}

func checkBadStatusPanics(c *check) {
	for _, status := range []int{0, 99, 1000} {
		c.inside(protocols, func(w http.ResponseWriter, r *http.Request) (err error) {
			defer func() {
				if recover() == nil {
					err = fmt.Errorf("WriteHeader(%d) does not panic", status)
				}
			}()
			w.WriteHeader(status)
			return nil
		})
	}
}

// checkWriteError has the client go away: sooner or later Write must say so.
func checkWriteError(c *check) {
	result := make(chan error, 1)
	entered := make(chan struct{})
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		wait(c, r.Context().Done())
		chunk := make([]byte, 32<<10)
		for i := range 2000 {
			if _, err := w.Write(chunk); err != nil {
				result <- nil
				return
			}
			if i > 100 { // who notices late has time to
				wait(c, time.After(time.Millisecond))
			}
		}
		result <- fmt.Errorf("%d bytes were written to a client that is gone", 2000*len(chunk))
	})
	conn := s.dial()
	s.send(conn, "GET / HTTP/1.1", "Host: x")
	await(c, entered, "the handler starts")
	conn.Conn.(*net.TCPConn).SetLinger(0) // what comes after is answered by a reset
	conn.Close()
	if err := await(c, result, "Write fails"); err != nil {
		c.errorf("%w", err)
	}
}
