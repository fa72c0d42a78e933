package seawall

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// nullWriter is a connection's writer that keeps nothing.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header             { return w.header }
func (w *nullWriter) Write(p []byte) (int, error)     { return len(p), nil }
func (w *nullWriter) WriteHeader(int)                 {}
func (w *nullWriter) SetReadDeadline(time.Time) error { return nil }

// checkAllocs wants f to allocate exactly want times. Garbage is what a flood
// of requests kills a server with, so these numbers are promises.
func checkAllocs(t *testing.T, name string, want float64, f func()) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		if got := testing.AllocsPerRun(200, f); got != want {
			t.Errorf("%v allocations, want %v", got, want)
		}
	})
}

func skipAllocsUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
}

func allocRequest(remote string, fields ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestAllocsRespond(t *testing.T) {
	skipAllocsUnderRace(t)
	w := &nullWriter{header: make(http.Header)}
	get := allocRequest("192.0.2.1:1")
	post := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	head := httptest.NewRequest("HEAD", "/", nil)
	graphql := allocRequest("192.0.2.1:1", "Accept: application/graphql-response+json")
	grpc := allocRequest("192.0.2.1:1", "Content-Type: application/grpc+proto")
	grpc.ProtoMajor = 2
	for reason := range details {
		rej := &Rejection{Component: "shed", Name: "api", Reason: reason, RetryAfter: 5 * time.Second}
		checkAllocs(t, string(reason), 0, func() { Respond(w, get, rej) })
	}
	rej := &Rejection{Component: "ratelimit", Reason: RateLimited, Status: 503, RetryAfter: 120 * time.Second}
	checkAllocs(t, "status replaced", 0, func() { Respond(w, get, rej) })
	checkAllocs(t, "POST", 0, func() { Respond(w, post, rej) })
	checkAllocs(t, "HEAD", 0, func() { Respond(w, head, rej) })
	checkAllocs(t, "GraphQL", 0, func() { Respond(w, graphql, rej) })
	checkAllocs(t, "gRPC", 0, func() { Respond(w, grpc, rej) })
	checkAllocs(t, "without Retry-After", 0, func() { Respond(w, get, &Rejection{Reason: Overloaded}) })
}

func TestAllocsClassifier(t *testing.T) {
	skipAllocsUnderRace(t)
	cl := Must(NewClassifier(ClassifierConfig{
		Routes: map[string]Class{"POST /login": {}, "/feed": {}, "/items/{id}": {}, "/static/": {}},
		Peers:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}))
	none := Must(NewClassifier(ClassifierConfig{}))
	target := func(path string) *http.Request {
		r := allocRequest("192.0.2.1:1")
		r.URL.Path = path
		return r
	}
	literal, wildcard, dots := target("/feed"), target("/items/7"), target("/feed/../x")
	peer := allocRequest("10.0.0.1:1", "Seawall-Priority: critical")
	peer.URL.Path = "/feed"
	var c Class
	checkAllocs(t, "no routes", 0, func() { c = none(literal) })
	checkAllocs(t, "literal", 0, func() { c = cl(literal) })
	checkAllocs(t, "wildcard", 1, func() { c = cl(wildcard) })
	checkAllocs(t, "dots", 0, func() { c = cl(dots) })
	checkAllocs(t, "priority of a peer", 0, func() { c = cl(peer) })
	if c.Priority != Critical {
		t.Errorf("%+v: the peer was not heard", c)
	}
}

func TestAllocsIdentity(t *testing.T) {
	skipAllocsUnderRace(t)
	for name, secret := range map[string][]byte{"process": nil, "fleet": []byte("0123456789abcdef")} {
		id := Must(NewIdentity(Identity{Bearer: true, Cookie: "sid", Header: "x-api-key", Secret: secret}))
		for source, r := range map[string]*http.Request{
			"bearer":       allocRequest("192.0.2.1:1", "Authorization: Bearer abc"),
			"bearer 1 KiB": allocRequest("192.0.2.1:1", "Authorization: Bearer "+strings.Repeat("x", 1024)),
			"cookie":       allocRequest("192.0.2.1:1", "Cookie: a=b; c=d; sid=abc"),
			"header":       allocRequest("192.0.2.1:1", "X-Api-Key: abc"),
			"IPv4":         allocRequest("192.0.2.1:1"),
			"IPv6":         allocRequest("[2001:db8::1]:1"),
			"IPv6 zone":    allocRequest("[::ffff:192.0.2.1]:1"),
		} {
			checkAllocs(t, name+"/"+source, 0, func() { id(r) })
		}
	}
}

func TestAllocsClientIP(t *testing.T) {
	skipAllocsUnderRace(t)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	xff := "6.6.6.6, 192.0.2.1, [fd00::7]:80, 10.0.0.9"
	for name, c := range map[string]struct {
		conf ClientIP
		r    *http.Request
	}{
		"direct":         {ClientIP{}, allocRequest("192.0.2.1:1")},
		"proxies":        {ClientIP{Trusted: trusted}, allocRequest("10.0.0.1:1", "X-Forwarded-For: "+xff)},
		"named":          {ClientIP{Trusted: trusted, Header: "x-forwarded-for"}, allocRequest("10.0.0.1:1", "X-Forwarded-For: "+xff)},
		"Forwarded":      {ClientIP{Trusted: trusted, Header: "Forwarded"}, allocRequest("10.0.0.1:1", `Forwarded: for=6.6.6.6, for="[2001:db8::1]:80";host="a,b", for=10.0.0.9;proto=https`)},
		"single address": {ClientIP{Trusted: trusted, Header: "CF-Connecting-IP"}, allocRequest("10.0.0.1:1", "CF-Connecting-IP: 192.0.2.1")},
	} {
		checkAllocs(t, name+"/Addr", 0, func() { c.conf.Addr(c.r) })
		checkAllocs(t, name+"/Prefix", 0, func() { c.conf.Prefix(c.r) })
	}
}

func TestAllocsObservers(t *testing.T) {
	skipAllocsUnderRace(t)
	seen := 0
	count := ObserverFunc(func(_ context.Context, e Event) {
		if e.Outcome == Rejected {
			seen++
		}
	})
	ctx, e := context.Background(), Event{Component: "shed", Outcome: Rejected, Reason: Overloaded}
	one, three := Observers(count), Observers(count, count, count)
	checkAllocs(t, "one", 0, func() { one.Observe(ctx, e) })
	checkAllocs(t, "three", 0, func() { three.Observe(ctx, e) })
	if seen == 0 {
		t.Error("nobody was told")
	}
}

func TestAllocsRejection(t *testing.T) {
	skipAllocsUnderRace(t)
	var err error = &Rejection{Component: "shed", Reason: Overloaded, RetryAfter: time.Second}
	wrapped := fmt.Errorf("calling: %w", err)
	ok := true
	// The Reason goes into an error interface: constants do so for nothing.
	checkAllocs(t, "errors.Is", 0, func() { ok = ok && errors.Is(err, Overloaded) && !errors.Is(err, QueueFull) })
	checkAllocs(t, "errors.Is wrapped", 0, func() { ok = ok && errors.Is(wrapped, ErrRejected) })
	checkAllocs(t, "status and seconds", 0, func() {
		rej, found := errors.AsType[*Rejection](wrapped)
		ok = ok && found && rej.StatusCode() == 503 && rej.RetryAfterSeconds() == 1
	})
	if !ok {
		t.Error("the checks do not hold")
	}
}

func TestAllocsChain(t *testing.T) {
	skipAllocsUnderRace(t)
	pass := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	}
	h := Chain(pass, pass, pass)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := &nullWriter{}, allocRequest("192.0.2.1:1")
	checkAllocs(t, "three", 0, func() { h.ServeHTTP(w, r) })
}
