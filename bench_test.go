package seawall_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// blackhole is a connection's writer that keeps nothing.
type blackhole struct{ header http.Header }

func (w *blackhole) Header() http.Header             { return w.header }
func (w *blackhole) Write(p []byte) (int, error)     { return len(p), nil }
func (w *blackhole) WriteHeader(int)                 {}
func (w *blackhole) SetReadDeadline(time.Time) error { return nil }

func BenchmarkChain(b *testing.B) {
	pass := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	}
	h := seawall.Chain(pass, pass, pass, pass, pass, pass)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := &blackhole{}, httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkClassifier(b *testing.B) {
	cl := classify(b, seawall.ClassifierConfig{
		Routes: map[string]seawall.Class{
			"POST /login": {Priority: seawall.Critical}, "GET /feed": {}, "/items/{id}": {}, "/users/{id}/posts/{post}": {}, "/static/": {Priority: seawall.Sheddable},
		},
		Peers: prefixes("10.0.0.0/8"),
	})
	at := func(path string) *http.Request {
		r := from("192.0.2.1:1234")
		r.URL.Path = path
		return r
	}
	ofPeer := from("10.0.0.1:1234", "Seawall-Priority: critical")
	ofPeer.URL.Path = "/feed"
	plain := classify(b, seawall.ClassifierConfig{})
	for _, c := range []struct {
		name string
		cl   seawall.Classifier
		r    *http.Request
	}{
		{"none", plain, at("/feed")}, // no routes: what finding the user costs
		{"literal", cl, at("/feed")},
		{"tree", cl, at("/static/css/a.css")},
		{"wildcard", cl, at("/items/7")},
		{"wildcards", cl, at("/users/7/posts/8")},
		{"unmatched", cl, at("/favicon.ico")},
		{"unclean", cl, at("//feed")},
		{"peer", cl, ofPeer},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.cl(c.r)
			}
		})
	}
}

func BenchmarkClassifierParallel(b *testing.B) {
	cl := classify(b, seawall.ClassifierConfig{Routes: map[string]seawall.Class{"/feed": {}}})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := from("192.0.2.1:1234")
		r.URL.Path = "/feed"
		for pb.Next() {
			cl(r)
		}
	})
}

func BenchmarkIdentity(b *testing.B) {
	for name, key := range map[string][]byte{"process": nil, "fleet": secret} {
		id := identify(b, seawall.Identity{Bearer: true, Cookie: "sid", Secret: key})
		for source, r := range map[string]*http.Request{
			"bearer":  from(somebody, "Authorization: Bearer 8a7d0c8e6f2b4d0e9c1a"),
			"jwt":     from(somebody, "Authorization: Bearer "+x(1024)),
			"cookie":  from(somebody, "Cookie: _ga=GA1.2.3; theme=dark; sid=8a7d0c8e6f2b4d0e9c1a"),
			"address": from(somebody),
		} {
			b.Run(name+"/"+source, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					id(r)
				}
			})
		}
	}
}

func BenchmarkClientIP(b *testing.B) {
	for _, c := range []struct {
		name string
		conf seawall.ClientIP
		r    *http.Request
	}{
		{"direct", seawall.ClientIP{}, from("192.0.2.1:1234")},
		{"direct6", seawall.ClientIP{}, from("[2001:db8::1]:1234")},
		{"proxy", seawall.ClientIP{Trusted: ours}, from(lb, "X-Forwarded-For: 192.0.2.1")},
		{"proxies", seawall.ClientIP{Trusted: ours}, from(lb, "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.8, 10.0.0.9")},
		{"forwarded", seawall.ClientIP{Trusted: ours, Header: "Forwarded"}, from(lb, `Forwarded: for=6.6.6.6, for="192.0.2.1:80";proto=https;host=example.com, for=10.0.0.9`)},
		{"single", seawall.ClientIP{Trusted: ours, Header: "CF-Connecting-IP"}, from(lb, "CF-Connecting-IP: 192.0.2.1")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.conf.Addr(c.r)
			}
		})
	}
}

func BenchmarkRespond(b *testing.B) {
	rej := &seawall.Rejection{Component: "shed", Name: "api", Reason: seawall.Overloaded, RetryAfter: 5 * time.Second}
	grpc := from(somebody, "Content-Type: application/grpc")
	grpc.ProtoMajor = 2
	for _, c := range []struct {
		name string
		r    *http.Request
		rej  *seawall.Rejection
	}{
		{"problem", httptest.NewRequest("GET", "/", nil), rej},
		{"HEAD", httptest.NewRequest("HEAD", "/", nil), rej},
		{"POST", httptest.NewRequest("POST", "/", strings.NewReader("x")), rej},
		{"graphql", from(somebody, "Accept: application/graphql-response+json"), rej},
		{"grpc", grpc, rej},
		{"made-up", httptest.NewRequest("GET", "/", nil), &seawall.Rejection{Reason: "made_up", Status: 529}}, // not rendered beforehand
	} {
		b.Run(c.name, func(b *testing.B) {
			w := &blackhole{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				seawall.Respond(w, c.r, c.rej)
			}
		})
	}
}

// BenchmarkRespondStalledBody shows how long a client waits for a refusal that
// announced a body of 1000 bytes and sent one of them.
func BenchmarkRespondStalledBody(b *testing.B) {
	srv := httptest.NewServer(overloaded)
	defer srv.Close()
	for b.Loop() {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, stalledPost)
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func BenchmarkObservers(b *testing.B) {
	seen := 0
	count := seawall.ObserverFunc(func(_ context.Context, e seawall.Event) {
		if e.Outcome == seawall.Rejected {
			seen++
		}
	})
	ctx := context.Background()
	e := seawall.Event{Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: seawall.Overloaded}
	for _, c := range []struct {
		name string
		o    seawall.Observer
	}{
		{"one", seawall.Observers(count)},
		{"three", seawall.Observers(count, count, count)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.o.Observe(ctx, e)
			}
		})
	}
}
