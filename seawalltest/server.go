package seawalltest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// closeGrace is how long Server.Close waits for handlers.
const closeGrace = 10 * time.Second

// Server is an http.Server on an in-memory network. It works in a
// testing/synctest bubble, where httptest.Server hangs.
type Server struct {
	// URL is the base of the server's addresses, without a slash at its end. The
	// host in it means nothing: the clients connect to this server, whatever
	// host they are asked for.
	URL string
	// Config is the server that runs. Use it to shut down gracefully; change its
	// fields only through the configure argument of NewServer.
	Config *http.Server
	// Listener is the network, for tests that speak a protocol by hand.
	Listener *Listener

	t    testing.TB
	life *lifecycle

	mu         sync.Mutex
	transports []*http.Transport
	client     *http.Client
}

// NewServer starts a server for h. It speaks HTTP/1 and unencrypted HTTP/2, as
// the client likes. The functions in configure may change the http.Server before
// it starts, such as its timeouts. The server is closed when t ends.
func NewServer(t testing.TB, h http.Handler, configure ...func(*http.Server)) *Server {
	t.Helper()
	s := &Server{
		URL:      "http://server.test",
		Config:   &http.Server{Protocols: new(http.Protocols)},
		Listener: Listen(),
		t:        t,
	}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.Handler = h
	for _, f := range configure {
		f(s.Config)
	}
	s.life = startServer(s.Config, s.Listener)
	t.Cleanup(s.Close)
	return s
}

// Client returns a client that speaks HTTP/1.1 to the server. It is the same at
// every call, keeps its connections alive and follows no redirects.
func (s *Server) Client() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		s.client = s.newClient(clientIP, false)
	}
	return s.client
}

// HTTP2Client returns a new client that speaks unencrypted HTTP/2 to the server
// and follows no redirects.
func (s *Server) HTTP2Client() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newClient(clientIP, true)
}

// ClientFrom returns a new HTTP/1.1 client whose connections come from the given
// IP address, for tests of what depends on it. It panics if ip is none.
func (s *Server) ClientFrom(ip string) *http.Client {
	from := netip.MustParseAddr(ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newClient(from, false)
}

// newClient makes a client and remembers its transport. Call it under mu.
func (s *Server) newClient(from netip.Addr, http2 bool) *http.Client {
	c, tr := newClient(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return s.Listener.DialFrom(ctx, from)
	}, http2)
	s.transports = append(s.transports, tr)
	return c
}

// newClient returns a client that shows tests what the server sent, and keeps as
// many connections as there were requests at once.
func newClient(dial func(ctx context.Context, network, addr string) (net.Conn, error), http2 bool) (*http.Client, *http.Transport) {
	tr := &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: 1 << 20,
		DisableCompression:  true,
		Protocols:           new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(!http2)
	tr.Protocols.SetUnencryptedHTTP2(http2)
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, tr
}

// Close cuts all connections, hijacked ones too, which cancels the context of
// every request, and waits until the handlers have returned. It fails the test
// if one has not after 10 s. For a graceful end call Config.Shutdown first.
// Close may be called again.
func (s *Server) Close() {
	s.t.Helper()
	if !s.life.close(closeGrace, s.cut) {
		s.t.Errorf("seawalltest: a handler or connection was still at work %v after Server.Close", closeGrace)
	}
}

func (s *Server) cut() {
	s.Listener.Close() // if Serve has not come to it
	s.Listener.closeAll()
	s.mu.Lock()
	transports := s.transports
	s.mu.Unlock()
	for _, tr := range transports {
		tr.CloseIdleConnections()
	}
}
