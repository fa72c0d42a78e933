package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// counted says how many of so many requests the limits of one policy admit.
func counted(p ratelimit.Policy, class seawall.Class, requests ...*http.Request) (n int) {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{p}}))
	for _, r := range requests {
		if limits.Take(r, class) == nil {
			n++
		}
	}
	return n
}

func get(path string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func ExamplePer() {
	fmt.Println(ratelimit.Per(100, time.Minute))
	fmt.Println(ratelimit.Per(100, time.Minute).WithBurst(1)) // no two at once
	fmt.Println(ratelimit.Rate{Limit: 2.5, Burst: 5, Window: 10 * time.Second})
	// Output:
	// 100 per 1m0s, burst 10
	// 100 per 1m0s, burst 1
	// 25 per 10s, burst 5
}

// Behind a load balancer at 10.0.0.0/8 the client is the address that the
// balancer has added to X-Forwarded-For, and never one before it.
func ExampleByClientIP() {
	key := ratelimit.ByClientIP(seawall.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	spoofed := func(claims string) *http.Request {
		r := get("/", "X-Forwarded-For: "+claims+", 203.0.113.9")
		r.RemoteAddr = "10.0.0.1:4711"
		return r
	}
	fmt.Println(counted(ratelimit.Policy{Key: key, Rate: ratelimit.Per(1, time.Hour)}, seawall.Class{},
		spoofed("1.1.1.1"), spoofed("2.2.2.2"), spoofed("3.3.3.3")))
	// Output: 1
}

// Requests without a key are not limited by it; let another policy do that.
func ExampleByHeader() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		{Name: "api-key", Key: ratelimit.ByHeader("X-Api-Key"), Rate: ratelimit.Per(1, time.Hour)},
		ratelimit.PerIP(1000, time.Minute),
	}}))
	for _, r := range []*http.Request{get("/", "X-Api-Key: a"), get("/", "X-Api-Key: a"), get("/", "X-Api-Key: b"), get("/"), get("/")} {
		fmt.Println(limits.Take(r, seawall.Class{}) == nil)
	}
	// Output:
	// true
	// false
	// true
	// true
	// true
}

// Each user may export one report an hour, whatever else it does.
func ExampleBy() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		{Key: ratelimit.By(ratelimit.ByUser(), ratelimit.ByRoute()), Rate: ratelimit.Per(1, time.Hour)},
	}}))
	ask := func(user seawall.ID, route string) bool {
		return limits.Take(get("/"), seawall.Class{User: user, Route: route}) == nil
	}
	fmt.Println(ask(1, "POST /export"), ask(1, "POST /export"))
	fmt.Println(ask(1, "POST /import"), ask(2, "POST /export"))
	// Output:
	// true false
	// true true
}

// A key may be anything that is in a request, here the first part of its path.
func ExampleByFunc() {
	shop := ratelimit.ByFunc(func(dst []byte, r *http.Request) []byte {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		return append(dst, name...)
	})
	fmt.Println(counted(ratelimit.Policy{Key: shop, Rate: ratelimit.Per(1, time.Hour)}, seawall.Class{},
		get("/books/1"), get("/books/2"), get("/shoes/1")))
	// Output: 2
}

// An account may upload so much, however many users it has.
func ExampleByTenant() {
	uploads := ratelimit.Policy{
		Name: "uploads", Key: ratelimit.ByTenant(), Rate: ratelimit.Per(20, time.Hour),
		Match: func(r *http.Request) bool { return r.URL.Path == "/upload" },
	}
	fmt.Println(counted(uploads, seawall.Class{Tenant: 7}, get("/upload"), get("/upload"), get("/upload"), get("/feed")))
	// Output: 3
}

func ExamplePerTenant() {
	fmt.Println(counted(ratelimit.PerTenant(20, time.Hour), seawall.Class{User: 1, Tenant: 7}, get("/"), get("/"), get("/")))
	fmt.Println(counted(ratelimit.PerUser(10, time.Hour), seawall.Class{User: 1, Tenant: 7}, get("/"), get("/"), get("/")))
	fmt.Println(counted(ratelimit.PerRoute(10, time.Hour), seawall.Class{Route: "GET /feed"}, get("/"), get("/"), get("/")))
	// Output:
	// 2
	// 1
	// 1
}

// Half of what the service can do is there for more important requests only.
func ExampleReserve() {
	p := ratelimit.Total(100, time.Minute)
	p.Reserve = ratelimit.Reserve{0.8, 0.5, 0.5, 0} // from background to critical
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{p}}))
	for _, priority := range []seawall.Priority{seawall.Background, seawall.Normal, seawall.Critical} {
		n := 0
		for limits.Take(get("/"), seawall.Class{Priority: priority}) == nil {
			n++
		}
		fmt.Println(priority, n)
	}
	// Output:
	// background 2
	// normal 3
	// critical 5
}

// A contract counts by days of the customer's calendar; a Rate beside it keeps
// anybody from using it up in a second.
func ExampleQuota() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		{Name: "contract", Key: ratelimit.ByHeader("X-Api-Key"), Quota: ratelimit.Quota{N: 10_000, Each: ratelimit.Day}},
		{Name: "pace", Key: ratelimit.ByHeader("X-Api-Key"), Rate: ratelimit.Per(50, time.Second)},
	}}))
	for _, p := range limits.Stats().Policies {
		fmt.Println(p.Name, p.Rate)
	}
	// Output:
	// contract 10000 a day
	// pace 50 per 1s, burst 5
}

// Always tells clients what they have left, so that good ones slow down by
// themselves.
func ExampleFields() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{
		Fields:   ratelimit.Always,
		Policies: []ratelimit.Policy{ratelimit.PerIP(600, time.Minute)},
	}))
	w := httptest.NewRecorder()
	limits.Middleware(http.NotFoundHandler()).ServeHTTP(w, get("/"))
	fmt.Println(w.Header().Get("RateLimit-Policy"))
	fmt.Println(w.Header().Get("RateLimit"))
	// Output:
	// "per-ip";q=600;w=60
	// "per-ip";r=59;t=1
}

// What a client that is refused is told.
func ExampleDecision() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: ratelimit.Per(10, time.Hour).WithBurst(3)}))
	l.Take(3, seawall.Normal)
	d := l.Take(2, seawall.Normal)
	fmt.Println(d.OK, d.Remaining(), d.Source)
	fmt.Println("two more in", d.RetryAfter().Round(time.Minute), "and all in", d.ResetAfter().Round(time.Minute))
	fmt.Println("four never:", l.Take(4, seawall.Normal).RetryAfter() == ratelimit.Never)
	// Output:
	// false 0 local
	// two more in 12m0s and all in 18m0s
	// four never: true
}

func ExampleLimiter_Update() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: ratelimit.Per(10, time.Hour)}))
	fmt.Println(l.Allow(), l.Allow())
	if err := l.Update(ratelimit.LimiterConfig{Rate: ratelimit.Per(100, time.Hour)}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(l.Rate())
	fmt.Println(l.Update(ratelimit.LimiterConfig{Rate: ratelimit.Rate{Limit: -1}}))
	// Output:
	// true false
	// 100 per 1h0m0s, burst 10
	// seawall/ratelimit: Rate.Limit must be positive (got -1); to admit nothing, say Burst: seawall.Off
}

// Keys need not be of requests: here they are who mails are sent to.
func ExampleKeyed_Stats() {
	mails := seawall.Must(ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: ratelimit.Per(10, 24*time.Hour), Bytes: 64 << 10}))
	for _, to := range []string{"ann@example.com", "bob@example.com", "ann@example.com"} {
		fmt.Println(to, mails.Take(to, 1, seawall.Normal).OK)
	}
	fmt.Printf("%+v\n", mails.Stats())
	// Output:
	// ann@example.com true
	// bob@example.com true
	// ann@example.com false
	// {Live:2 Capacity:8192 Displaced:0}
}

func ExampleKeyed_Update() {
	k := seawall.Must(ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: ratelimit.Per(20, time.Hour)}))
	fmt.Println(k.Take("alice", 1, seawall.Normal).OK) // of two
	if err := k.Update(ratelimit.KeyedConfig{Rate: ratelimit.Per(10, time.Hour)}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(k.Take("alice", 1, seawall.Normal).OK) // there is one at a time now, and she has used some of it
	fmt.Println(k.Take("bob", 1, seawall.Normal).OK)
	// Output:
	// true
	// false
	// true
}
