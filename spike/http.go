package spike

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
)

// HTTPConfig says where an HTTPTarget sends its requests.
type HTTPConfig struct {
	// URL is the base, http or https; the priority is added to its path:
	// /critical, /normal, /sheddable or /background; and so is the route when the
	// load has routes: /critical/r0. Required.
	URL string
	// Prepare, when not nil, may change a request before it is sent: its method,
	// header, URL (which must be replaced, not written to: it is shared) or body.
	Prepare func(*http.Request, *Request)
	// MaxIdle is how many idle connections are kept. Default 20,000.
	MaxIdle int
	// MaxBody is how much of an answer is read, in bytes; a longer one costs its
	// connection. Default 1 MiB.
	MaxBody int64
}

// HTTPTarget sends HTTP/1.1 requests with keep-alive and no bound on
// connections but the requests in flight. User 123 is the header
// `Cookie: session=u123`. 2xx is a Success, 429 and 503 are Rejected, the end of
// ctx is TimedOut, all else Failed. Redirects are not followed.
//
// A cancelled request resets its connection (SO_LINGER 0), so that a crowd
// that gives up does not use up the machine's ports for the next minute.
type HTTPTarget struct {
	base      [seawall.NumPriorities][maxRoutes + 1]*http.Request // the first without a route
	prepare   func(*http.Request, *Request)
	transport *http.Transport
	maxBody   int64
}

// NewHTTPTarget returns a target. Close it after the run.
func NewHTTPTarget(cfg HTTPConfig) (*HTTPTarget, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, badf("URL", "an http or https URL with a host", cfg.URL)
	}
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = defaultMaxInFlight
	}
	if cfg.MaxIdle < 1 {
		return nil, badf("MaxIdle", "positive", cfg.MaxIdle)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.MaxBody < 1 {
		return nil, badf("MaxBody", "positive", cfg.MaxBody)
	}
	t := &HTTPTarget{prepare: cfg.Prepare, maxBody: cfg.MaxBody, transport: newTransport(cfg.MaxIdle)}
	for i, p := range seawall.Priorities() {
		for k := range t.base[i] {
			r := Request{Priority: p, Route: k - 1, Routes: k}
			to := *u
			to.Path = strings.TrimSuffix(u.Path, "/") + r.path()
			to.RawPath = ""
			t.base[i][k] = &http.Request{
				Method: http.MethodGet, URL: &to, Host: u.Host,
				Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			}
		}
	}
	return t, nil
}

// newTransport keeps every connection, asks for nothing (no compression, no
// HTTP/2) and has small buffers: there may be thousands.
func newTransport(maxIdle int) *http.Transport {
	dialer := &net.Dialer{KeepAlive: -1}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if tcp, ok := c.(*net.TCPConn); ok && err == nil {
				_ = tcp.SetLinger(0) // without it a cancelled request leaves a port behind for a minute
			}
			return c, err
		},
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
		WriteBufferSize:     1 << 10,
		ReadBufferSize:      1 << 10,
	}
}

// Do sends one request. It is a Target.
func (t *HTTPTarget) Do(ctx context.Context, r *Request) Outcome {
	route := 0
	if r.Routes > 0 {
		route = min(max(r.Route, 0), maxRoutes-1) + 1
	}
	req := t.base[classOf(r.Priority)][route].WithContext(ctx)
	req.Header = http.Header{"Cookie": {sessionCookie(r.User)}}
	if t.prepare != nil {
		t.prepare(req, r)
	}
	resp, err := t.transport.RoundTrip(req)
	if err != nil {
		return failure(ctx)
	}
	// Only a body read to its end gives the connection back.
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, t.maxBody))
	resp.Body.Close()
	if err != nil {
		return failure(ctx)
	}
	return outcomeOf(resp.StatusCode)
}

func failure(ctx context.Context) Outcome {
	if ctx.Err() != nil {
		return gone(ctx)
	}
	return Failed
}

// Close closes idle connections.
func (t *HTTPTarget) Close() { t.transport.CloseIdleConnections() }
