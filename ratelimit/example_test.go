package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

func Example() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		ratelimit.PerIP(20, time.Minute),
		ratelimit.Total(5000, time.Second),
	}}))
	handler := limits.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	for range 3 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 200
	// 429
}

func ExampleNewLimiter() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: ratelimit.Per(100, time.Minute)}))
	n := 0
	for l.Allow() {
		n++
	}
	fmt.Println(l.Rate(), "-", n, "admitted at once")
	// Output: 100 per 1m0s, burst 10 - 10 admitted at once
}

func ExampleLimiter_Take() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{
		Rate:    ratelimit.Per(100, time.Hour),
		Reserve: ratelimit.Reserve{0.5, 0.5, 0.2, 0}, // of ten: 8 for Normal, 10 for Critical
	}))
	fmt.Println(l.Take(8, seawall.Normal).OK)
	fmt.Println(l.Take(1, seawall.Normal).OK)
	d := l.Take(1, seawall.Critical)
	fmt.Println(d.OK, d.Remaining())
	// Output:
	// true
	// false
	// true 1
}

func ExampleLimiter_Wait() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: ratelimit.Per(1000, time.Second).WithBurst(1)}))
	for i := range 3 { // a thousand a second to a partner who allows no more
		if err := l.Wait(context.Background(), 1); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("sent", i)
	}
	// Output:
	// sent 0
	// sent 1
	// sent 2
}

func ExampleLimiter_Reserve() {
	l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: ratelimit.Per(1, time.Hour)}))
	l.Allow()
	r, err := l.Reserve(1)
	fmt.Println(r.Delay().Round(time.Minute), err)
	r.Cancel() // too long
	// Output: 1h0m0s <nil>
}

func ExampleNewKeyed() {
	k := seawall.Must(ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: ratelimit.Per(10, time.Hour)}))
	fmt.Println(k.Take("alice", 1, seawall.Normal).OK)
	fmt.Println(k.Take("alice", 1, seawall.Normal).OK)
	fmt.Println(k.TakeBytes([]byte("bob"), 1, seawall.Normal).OK)
	// Output:
	// true
	// false
	// true
}

func ExamplePolicy() {
	gold := ratelimit.Per(1000, time.Minute)
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{
		{
			Name: "api-key", Key: ratelimit.ByHeader("X-Api-Key"), Rate: ratelimit.Per(100, time.Minute),
			RateFor: func(r *http.Request) (ratelimit.Rate, bool) {
				return gold, r.Header.Get("X-Tier") == "gold"
			},
		},
		{
			Name: "login", Key: ratelimit.By(ratelimit.ByClientIP(seawall.ClientIP{}), ratelimit.ByRoute()),
			Rate:  ratelimit.Per(5, time.Minute),
			Match: func(r *http.Request) bool { return r.URL.Path == "/login" },
		},
		ratelimit.PerIP(600, time.Minute),
	}}))
	for _, p := range limits.Stats().Policies {
		fmt.Println(p.Name, p.Rate)
	}
	// Output:
	// api-key 100 per 1m0s, burst 10, or by RateFor
	// login 5 per 1m0s, burst 1
	// per-ip 600 per 1m0s, burst 60
}

func ExampleLimits_Take() {
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerTenant(10, time.Hour)}}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	class := seawall.Class{Tenant: 7}
	fmt.Println(limits.Take(r, class))
	fmt.Println(limits.Take(r, class))
	// Output:
	// <nil>
	// seawall/ratelimit default: rejected: rate_limited
}
