package seawalltest

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seawall-go/seawall"
)

// site is a server of one check on a loopback socket, which speaks HTTP/1 and
// unencrypted HTTP/2, with clients for it.
type site struct {
	c      *check
	addr   string
	url    string
	log    *logBuffer
	srv    *http.Server
	h1, h2 *http.Client
	life   *lifecycle
}

// protocols are the two that most checks go through.
var protocols = []string{"HTTP/1.1", "HTTP/2"}

// client returns the client for one of protocols.
func (s *site) client(proto string) *http.Client {
	if proto == "HTTP/2" {
		return s.h2
	}
	return s.h1
}

// serve starts a site of the middleware around h. It ends with the check.
func (c *check) serve(h http.HandlerFunc) *site { return c.serveWith(c.mw, h) }

// serveWith is serve with another middleware.
func (c *check) serveWith(mw seawall.Middleware, h http.HandlerFunc) *site {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err, "listen")
	s := &site{c: c, addr: ln.Addr().String(), url: "http://" + ln.Addr().String(), log: new(logBuffer)}
	s.srv = &http.Server{
		Handler:   mw(h),
		ErrorLog:  log.New(s.log, "", 0),
		Protocols: new(http.Protocols),
	}
	s.srv.Protocols.SetHTTP1(true)
	s.srv.Protocols.SetUnencryptedHTTP2(true)
	s.life = startServer(s.srv, ln)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	}
	s.h1, _ = newClient(dial, false)
	s.h2, _ = newClient(dial, true)
	c.atEnd(s.close)
	return s
}

// close cuts everything and waits for it. It may be called again.
func (s *site) close() {
	if !s.life.close(s.c.patience, s.closeClients) {
		s.c.errorf("a handler or connection was still at work %v after its connection was cut", s.c.patience)
	}
}

func (s *site) closeClients() {
	s.h1.CloseIdleConnections()
	s.h2.CloseIdleConnections()
}

// do sends a request and returns the answer with its body read. The error is
// that of either.
func (s *site) do(client *http.Client, method, path string, body io.Reader, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(s.c.ctx, method, s.url+path, body)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// get is do of a GET that must succeed with the status.
func (s *site) get(client *http.Client, path string, status int, header ...string) (*http.Response, string) {
	resp, body, err := s.do(client, http.MethodGet, path, nil, header...)
	s.c.must(err, "GET "+path)
	if resp.StatusCode != status {
		s.c.fatalf("GET %s: status %d, want %d", path, resp.StatusCode, status)
	}
	return resp, body
}

// rawConn is a client that speaks HTTP/1 by hand.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

// dial opens a connection that ends with the check and its patience.
func (s *site) dial() *rawConn {
	conn, err := new(net.Dialer).DialContext(s.c.ctx, "tcp", s.addr)
	s.c.must(err, "dial")
	if until, ok := s.c.ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	s.c.atEnd(func() { conn.Close() })
	return &rawConn{Conn: conn, r: bufio.NewReader(conn)}
}

// send writes lines, each ended by CR LF, and an empty one.
func (s *site) send(conn *rawConn, lines ...string) {
	_, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
	s.c.must(err, "send")
}

// answer reads the head of an answer.
func (s *site) answer(conn *rawConn, status int) *http.Response {
	resp, err := http.ReadResponse(conn.r, nil)
	s.c.must(err, "read the answer")
	if resp.StatusCode != status {
		s.c.fatalf("status %d, want %d", resp.StatusCode, status)
	}
	return resp
}

// logBuffer is what a server logged.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() < 64<<10 {
		l.b.Write(p)
	}
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// inside serves one request of each protocol with f behind the middleware, and
// notes what f returns. What the client gets is f's business.
func (c *check) inside(protos []string, f func(w http.ResponseWriter, r *http.Request) error) {
	for _, proto := range protos {
		var entered atomic.Bool
		result := make(chan error, 1)
		s := c.serve(func(w http.ResponseWriter, r *http.Request) {
			entered.Store(true)
			result <- f(w, r)
		})
		_, _, err := s.do(s.client(proto), http.MethodGet, "/", nil)
		if !entered.Load() {
			c.fatalf("%s: the handler was not reached (client: %v)", proto, err)
		}
		if err := await(c, result, "the handler ends"); err != nil {
			c.errorf("%s: %w", proto, err)
		}
	}
}
