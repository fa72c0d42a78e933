package seawalltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

// What the client sends is what the handler sees, and what the inner router
// finds out the outer layers can read.
var requestChecks = []checkInfo{
	{name: "request-intact", run: checkRequestIntact},
	{name: "ctx-no-deadline", run: checkCtxNoDeadline},
	{name: "upload", run: checkUpload},
	{name: "multipart", run: checkMultipart},
	{name: "expect-100", run: checkExpect100},
	{name: "maxbytes-close", run: checkMaxBytesClose},
	{name: "full-duplex", run: checkFullDuplex},
	{name: "h2-duplex", run: checkH2Duplex},
	{name: "disconnect-cancels", run: checkDisconnectCancels},
	{name: "h2-reset-cancels", run: checkH2ResetCancels},
	{name: "pattern-outward", run: checkPatternOutward},
	{name: "pathvalue-inward", run: checkPathValueInward},
}

type outerKey struct{}

// seenRequest is all of a request that a copy of it must share.
type seenRequest struct {
	Method, Proto, Host, RequestURI, RemoteAddr, URL, Pattern string
	Header                                                    http.Header
	TransferEncoding                                          []string
	ContentLength                                             int64
	Close                                                     bool
}

func see(r *http.Request) seenRequest {
	return seenRequest{r.Method, r.Proto, r.Host, r.RequestURI, r.RemoteAddr, r.URL.String(), r.Pattern,
		r.Header.Clone(), r.TransferEncoding, r.ContentLength, r.Close}
}

func checkRequestIntact(c *check) {
	var outside seenRequest // written before the handler reads it
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if diff := difference(see(r), outside); diff != "" {
			c.errorf("%s %s: the handler sees that %s", r.Proto, r.Method, diff)
		}
		for _, key := range []any{outerKey{}, http.ServerContextKey, http.LocalAddrContextKey} {
			if r.Context().Value(key) == nil {
				c.errorf("the context has lost the value of %#v", key)
			}
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			c.errorf("body: %w", err)
		}
		fmt.Fprintf(w, "%s%s", body, r.Trailer.Get("X-Sum"))
	})
	s := c.serveWith(func(next http.Handler) http.Handler {
		h := c.mw(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outside = see(r)
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), outerKey{}, 1)))
		})
	}, inner)
	for _, proto := range protocols {
		for _, sent := range []string{"", "hello"} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, "PURGE"} {
				_, got, err := s.do(s.client(proto), method, "/a%2Fb//c/../d;x?q=%20&q=2&q", strings.NewReader(sent),
					"X-Multi", "1", "X-Multi", "2", "Cookie", "a=b", "Forwarded", "for=192.0.2.9", "Priority", "u=1")
				c.must(err, method)
				if got != sent {
					c.errorf("%s: %s body %q, want %q", proto, method, got, sent)
				}
			}
		}
		req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, s.url, io.MultiReader(strings.NewReader("chunked ")))
		c.must(err, "request")
		req.Trailer = http.Header{"X-Sum": {"42"}}
		resp, err := s.client(proto).Do(req)
		c.must(err, "POST with a trailer")
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != "chunked 42" || err != nil {
			c.errorf("%s: body and trailer %q, %v", proto, got, err)
		}
	}
}

func checkCtxNoDeadline(c *check) {
	c.inside(protocols, func(w http.ResponseWriter, r *http.Request) error {
		if t, ok := r.Context().Deadline(); ok {
			return fmt.Errorf("the context has a deadline that nobody asked for: %v", t)
		}
		return nil
	})
}

// checkUpload sends 4 MiB, with a length announced and without.
func checkUpload(c *check) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	want := fmt.Sprintf("%x", sha256.Sum256(data))
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		if _, err := io.Copy(hash, r.Body); err != nil {
			c.errorf("body: %w", err)
		}
		fmt.Fprintf(w, "%x", hash.Sum(nil))
	})
	for _, proto := range protocols {
		bodies := map[string]io.Reader{"announced": bytes.NewReader(data), "chunked": io.MultiReader(bytes.NewReader(data))}
		for how, body := range bodies {
			if _, got, err := s.do(s.client(proto), http.MethodPut, "/", body); err != nil || got != want {
				c.errorf("%s, %s: hash %q, %v; want %q", proto, how, got, err, want)
			}
		}
	}
}

func checkMultipart(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		f, head, err := r.FormFile("file")
		if err != nil {
			c.errorf("FormFile: %w", err)
			return
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		fmt.Fprint(w, head.Filename, n, err, r.FormValue("field"))
	})
	for _, proto := range protocols {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "a.bin")
		c.must(err, "form")
		part.Write(make([]byte, 100_000))
		c.must(form.WriteField("field", "value"), "form")
		c.must(form.Close(), "form")
		_, got, err := s.do(s.client(proto), http.MethodPost, "/", &body, "Content-Type", form.FormDataContentType())
		if want := fmt.Sprint("a.bin", 100_000, error(nil), "value"); err != nil || got != want {
			c.errorf("%s: got %q, %v; want %q", proto, got, err, want)
		}
	}
}

// checkExpect100 looks that the client is told to go on when the handler reads,
// also by way of an io.Copy to the writer, and not if it answers without.
func checkExpect100(c *check) {
	entered := make(chan struct{}, 1)
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		switch r.URL.Path {
		case "/read":
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		case "/copy": // whose ReadFrom must read before it sends the header
			io.Copy(w, r.Body)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	for path, first := range map[string]int{
		"/read": http.StatusContinue, "/copy": http.StatusContinue, "/refuse": http.StatusUnauthorized,
	} {
		conn := s.dial()
		s.send(conn, "POST "+path+" HTTP/1.1", "Host: x", "Content-Length: 5", "Expect: 100-continue")
		await(c, entered, path+": the handler starts before the body is sent")
		resp, err := http.ReadResponse(conn.r, nil)
		c.must(err, path+": first answer")
		if resp.StatusCode != first {
			c.errorf("%s: first answer %d, want %d", path, resp.StatusCode, first)
		}
		if resp.StatusCode != http.StatusContinue {
			continue
		}
		io.WriteString(conn, "hello")
		resp = s.answer(conn, http.StatusOK)
		if body, err := io.ReadAll(resp.Body); string(body) != "hello" || err != nil {
			c.errorf("%s: body %q, %v", path, body, err)
		}
	}
}

// checkMaxBytesClose: http.MaxBytesReader asks the writer, by a method that is
// not exported, to close the connection, so that nobody has to read the rest.
func checkMaxBytesClose(c *check) {
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) {
			c.errorf("read: %v, want a MaxBytesError", err)
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	resp, _, err := s.do(s.h1, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1000)))
	c.must(err, "POST")
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		c.errorf("status %d, closes %v; want 413 and Connection: close", resp.StatusCode, resp.Close)
	}
}

// duplex checks that a handler can answer while it still reads: the client sends
// each word only when it has got the one before.
func (c *check) duplex(proto string) {
	const words = 6
	body, feed := io.Pipe()
	defer feed.Close()
	defer context.AfterFunc(c.ctx, func() { feed.CloseWithError(c.ctx.Err()) })()
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		if err := echoWords(w, r); err != nil {
			c.errorf("%w", err)
			feed.CloseWithError(err) // the client would wait for the end of its body
		}
	})
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, s.url, body)
	c.must(err, "request")
	go feed.Write([]byte("0000")) // the answer does not start before the first word is there
	resp, err := s.client(proto).Do(req)
	c.must(err, "POST")
	defer resp.Body.Close()
	got := make([]byte, 4)
	for i := range words {
		_, err := io.ReadFull(resp.Body, got)
		c.must(err, fmt.Sprintf("word %d", i))
		if want := fmt.Sprintf("%04d", i); string(got) != want {
			c.fatalf("got %q, want %q", got, want)
		}
		if i < words-1 {
			_, err = fmt.Fprintf(feed, "%04d", i+1)
			c.must(err, fmt.Sprintf("send word %d", i+1))
		}
	}
	feed.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		c.errorf("after the last word: %q, %v", rest, err)
	}
}

// echoWords sends back words of four bytes, each at once.
func echoWords(w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		if err := rc.EnableFullDuplex(); err != nil {
			return fmt.Errorf("EnableFullDuplex: %w", err)
		}
	}
	word := make([]byte, 4)
	for {
		if _, err := io.ReadFull(r.Body, word); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		w.Write(word)
		if err := flushByController(w); err != nil {
			return err
		}
	}
}

func checkFullDuplex(c *check) { c.duplex("HTTP/1.1") }
func checkH2Duplex(c *check)   { c.duplex("HTTP/2") }

func checkDisconnectCancels(c *check) {
	entered, cancelled := make(chan struct{}), make(chan struct{})
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		if _, ok := wait(c, r.Context().Done()); ok {
			close(cancelled)
		}
	})
	conn := s.dial()
	s.send(conn, "GET / HTTP/1.1", "Host: x")
	await(c, entered, "the handler starts")
	conn.Close()
	await(c, cancelled, "the request's context ends after a disconnect")
}

func checkH2ResetCancels(c *check) {
	entered, cancelled := make(chan struct{}), make(chan struct{})
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		if _, ok := wait(c, r.Context().Done()); ok {
			close(cancelled)
		}
	})
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	c.must(err, "request")
	go func() {
		if resp, err := s.h2.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	await(c, entered, "the handler starts")
	cancel()
	await(c, cancelled, "the request's context ends after a stream reset")
}

// checkPatternOutward: metrics and logs around the middleware read r.Pattern
// after the inner ServeMux has set it. A copy of the request hides it.
func checkPatternOutward(c *check) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.PathValue("id"))
	})
	patterns := make(chan string, 1)
	s := c.serveWith(func(next http.Handler) http.Handler {
		h := c.mw(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			patterns <- r.Pattern
		})
	}, mux.ServeHTTP)
	for _, proto := range protocols {
		if _, body := s.get(s.client(proto), "/items/7", http.StatusOK); body != "7" {
			c.errorf("%s: body %q", proto, body)
		}
		if got := await(c, patterns, "the middleware returns"); got != "GET /items/{id}" {
			c.errorf("%s: outside of the middleware r.Pattern is %q", proto, got)
		}
	}
}

func checkPathValueInward(c *check) {
	s := c.serveWith(func(next http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /items/{id}", c.mw(next))
		return mux
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "7" || r.Pattern != "GET /items/{id}" {
			c.errorf("the handler sees id %q, pattern %q", r.PathValue("id"), r.Pattern)
		}
	})
	for _, proto := range protocols {
		s.get(s.client(proto), "/items/7", http.StatusOK)
	}
}
