package httpcachetest

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// site is a cache in front of a reverse proxy in front of an origin, over sockets:
// the way most who do not write the origin will use it.
type site struct {
	t      *testing.T
	front  *httptest.Server
	client *http.Client
	calls  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func proxied(t *testing.T, cfg httpcache.Config) *site {
	s := &site{t: t}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		(*s.answer.Load())(w, r)
	}))
	origin.Config.ErrorLog = log.New(io.Discard, "", 0)
	at, err := url.Parse(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(at); p.Out.Host = p.In.Host },
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
	}
	h, err := httpcache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.front = httptest.NewUnstartedServer(h.Middleware(proxy))
	s.front.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.front.Start()
	s.client = s.front.Client()
	s.client.Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(func() {
		s.front.Close()
		origin.CloseClientConnections()
		origin.Close()
		transport.CloseIdleConnections()
		_ = h.Close(t.Context())
	})
	return s
}

// says sets what the origin answers: fields are names and values.
func (s *site) says(status int, body string, fields ...string) {
	f := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	s.answer.Store(&f)
}

func (s *site) does(f http.HandlerFunc) { s.answer.Store(&f) }

type reply struct {
	*http.Response
	text string
	err  error // of the body
}

func (s *site) ask(method, path string, fields ...string) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.front.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return s.do(r)
}

func (s *site) do(r *http.Request) reply {
	s.t.Helper()
	resp, err := s.client.Transport.RoundTrip(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp, string(b), err}
}

// want checks an answer, and how often the origin has been asked in all.
func (s *site) want(got reply, status int, text string, calls int64) {
	s.t.Helper()
	switch {
	case got.err != nil:
		s.t.Errorf("got %v", got.err)
	case got.StatusCode != status || got.text != text:
		s.t.Errorf("got %d %q, want %d %q (%v)", got.StatusCode, got.text, status, text, got.Header)
	case s.calls.Load() != calls:
		s.t.Errorf("the origin was asked %d times, want %d (%s)", s.calls.Load(), calls, got.Header.Get("Cache-Status"))
	}
}

func TestProxyChunked(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	s.does(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		for i := range 3 {
			fmt.Fprintf(w, "%d", i)
			w.(http.Flusher).Flush()
		}
	})
	s.want(s.ask("GET", "/a"), 200, "012", 1)
	got := s.ask("GET", "/a")
	s.want(got, 200, "012", 1)
	if got.ContentLength != 3 || got.Header.Get("Age") == "" {
		t.Errorf("length %d, Age %q", got.ContentLength, got.Header.Get("Age"))
	}
	got = s.ask("HEAD", "/a")
	s.want(got, 200, "", 1)
	if got.ContentLength != 3 {
		t.Errorf("HEAD: length %d", got.ContentLength)
	}
	s.want(s.ask("GET", "/a", "Range", "bytes=1-"), 206, "12", 1)
	s.want(s.ask("POST", "/a"), 200, "012", 2)
	s.want(s.ask("GET", "/a"), 200, "012", 3)
}

func TestProxyInterim(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	s.does(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "a")
	})
	for i := range 2 {
		early := 0
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				early++
				if code != 103 || h.Get("Link") == "" {
					t.Errorf("%d %v", code, h)
				}
				return nil
			},
		}), "GET", s.front.URL+"/a", nil)
		got := s.do(r)
		s.want(got, 200, "a", 1)
		if got.Header.Get("Link") != "" || early != 1-i {
			t.Errorf("%d early answers; %v", early, got.Header)
		}
	}
}

func TestProxyBroken(t *testing.T) {
	for name, f := range map[string]http.HandlerFunc{
		"short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "a")
		},
		"chunks end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"long and cut": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("a", 200_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := proxied(t, httpcache.Config{})
			s.does(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				f(w, r)
			})
			if got := s.ask("GET", "/a"); got.err == nil {
				t.Errorf("got a whole answer: %d, %d bytes", got.StatusCode, len(got.text))
			}
			s.says(200, "b", "Cache-Control", "max-age=60")
			s.want(s.ask("GET", "/a"), 200, "b", 2)
			s.want(s.ask("GET", "/a"), 200, "b", 2)
		})
	}
}

func TestProxyValidates(t *testing.T) {
	s := proxied(t, httpcache.Config{MinReload: seawall.Off})
	s.says(200, "a", "Cache-Control", "max-age=60", "Etag", `"1"`, "X-Count", "1")
	s.want(s.ask("GET", "/a"), 200, "a", 1)
	s.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != `"1"` {
			t.Errorf("asked with %v", r.Header)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("X-Count", "2")
		w.WriteHeader(304)
	})
	got := s.ask("GET", "/a", "Cache-Control", "no-cache")
	s.want(got, 200, "a", 2)
	if got.Header.Get("X-Count") != "2" {
		t.Errorf("not updated: %v", got.Header)
	}
	got = s.ask("GET", "/a")
	s.want(got, 200, "a", 2)
	if got.Header.Get("X-Count") != "2" {
		t.Errorf("not updated: %v", got.Header)
	}
	s.want(s.ask("GET", "/a", "If-None-Match", `"1"`), 304, "", 2)
}

// TestProxyColdConditional: the first who comes has it already.
func TestProxyColdConditional(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	s.does(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(304)
			return
		}
		_, _ = io.WriteString(w, "a")
	})
	s.want(s.ask("GET", "/a", "If-None-Match", `"1"`), 304, "", 1)
	s.want(s.ask("GET", "/a", "If-None-Match", `"1"`), 304, "", 2)
	s.want(s.ask("GET", "/a", "If-None-Match", `"1"`), 304, "", 2)
	s.want(s.ask("GET", "/a"), 200, "a", 2)
}

func TestProxyTrailers(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "a")
		w.Header().Set("X-Sum", "1")
	})
	for i := range 2 {
		got := s.ask("GET", "/a")
		s.want(got, 200, "a", int64(i+1))
		if got.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailers: %v", got.Trailer)
		}
	}
}

func TestProxyDown(t *testing.T) {
	s := proxied(t, httpcache.Config{MinReload: seawall.Off})
	s.says(200, "a", "Cache-Control", "max-age=0, stale-if-error=60", "Etag", `"1"`)
	s.want(s.ask("GET", "/a"), 200, "a", 1)
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	got := s.ask("GET", "/a")
	if got.StatusCode != 200 || got.text != "a" || !strings.Contains(got.Header.Get("Cache-Status"), "stale") {
		t.Errorf("got %d %q, %v", got.StatusCode, got.text, got.Header)
	}
	s.says(200, "b", "Cache-Control", "max-age=0, must-revalidate", "Etag", `"2"`)
	s.ask("GET", "/b")
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	if got := s.ask("GET", "/b"); got.StatusCode != 502 {
		t.Errorf("got %d %q, want 502", got.StatusCode, got.text)
	}
}

func TestProxyUpgrade(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	s.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			t.Errorf("asked with %v", r.Header)
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, line)
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.front.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("got %v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestProxyInvalidates(t *testing.T) {
	s := proxied(t, httpcache.Config{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "M-SEARCH"} {
		s.says(200, "a", "Cache-Control", "max-age=60")
		s.calls.Store(0)
		paths := []string{"/x" + method, "/loc" + method, "/cloc" + method, "/abs" + method}
		for i, p := range paths {
			s.want(s.ask("GET", p), 200, "a", int64(i+1))
			s.want(s.ask("GET", p), 200, "a", int64(i+1))
		}
		s.says(201, "", "Location", "/loc"+method, "Content-Location", "cloc"+method)
		s.want(s.ask(method, paths[0]), 201, "", 5)
		s.says(200, "b", "Cache-Control", "max-age=60")
		s.want(s.ask("GET", paths[0]), 200, "b", 6)
		s.want(s.ask("GET", paths[1]), 200, "b", 7)
		s.want(s.ask("GET", paths[2]), 200, "b", 8)
		s.want(s.ask("GET", paths[3]), 200, "a", 8)
		s.says(200, "", "Location", s.front.URL+paths[3])
		s.want(s.ask(method, "/y"), 200, "", 9)
		s.says(200, "c", "Cache-Control", "max-age=60")
		s.want(s.ask("GET", paths[3]), 200, "c", 10)
		s.says(500, "")
		s.want(s.ask(method, paths[3]), 500, "", 11)
		s.want(s.ask("GET", paths[3]), 200, "c", 11)
	}
}
