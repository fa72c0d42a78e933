package seawall_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// BenchmarkRateLimit is a decision by itself, and a request through a whole
// handler with limits around it.
func BenchmarkRateLimit(b *testing.B) {
	plenty := ratelimit.Rate{Limit: 1e9, Burst: 1e6}
	b.Run("limiter", func(b *testing.B) {
		l := seawall.Must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: plenty}))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Allow()
			}
		})
	})
	for name, wide := range map[string]bool{"keyed": false, "keyed-wide": true} {
		b.Run(name, func(b *testing.B) {
			k := seawall.Must(ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: plenty, WideSlots: wide}))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					k.Take("192.0.2.1", 1, seawall.Normal)
				}
			})
		})
	}
	b.Run("shared", func(b *testing.B) {
		s := seawall.Must(ratelimit.NewShared(ratelimit.SharedConfig{Rate: plenty, Sharing: ratelimit.Sharing{Store: generous{}, Nodes: 1, Budget: time.Second}}))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s.Take(context.Background(), "192.0.2.1", 1, seawall.Normal)
			}
		})
		if err := s.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, policies := range map[string][]ratelimit.Policy{
		"address": {{Key: ratelimit.ByClientIP(seawall.ClientIP{}), Rate: plenty}},
		"address-user-total": {
			{Name: "address", Key: ratelimit.ByClientIP(seawall.ClientIP{}), Rate: plenty},
			{Name: "user", Key: ratelimit.ByUser(), Rate: plenty}, {Name: "total", Rate: plenty},
		},
		"refused": {{Key: ratelimit.ByClientIP(seawall.ClientIP{}), Rate: ratelimit.Per(1, time.Hour)}},
	} {
		b.Run("handler/"+name, func(b *testing.B) {
			h := seawall.Must(ratelimit.New(ratelimit.Config{Policies: policies})).Middleware(nothing)
			r := httptest.NewRequest("GET", "/feed", nil)
			w := &blackhole{header: make(http.Header)}
			h.ServeHTTP(w, r) // what is there once
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// generous is a store that gives whatever is asked for.
type generous struct{}

func (generous) TakeUpTo(_ context.Context, t ratelimit.RemoteTake) (ratelimit.RemoteTaken, error) {
	return ratelimit.RemoteTaken{Got: t.Want, Left: t.Rate.Burst}, nil
}
