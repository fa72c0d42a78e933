package peers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/go-chi/httprate"
	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"
)

// plenty is a rate nobody meets here, none one that admits a single request.
const plenty = 1_000_000_000

// limiters ask each library for one request of a key: what it offers for one
// bucket, or for many.
type limiters struct {
	name    string
	hot     func(b *testing.B, perSecond int) func() bool
	keyed   func(b *testing.B, perSecond int) func(key string) bool
	handler func(b *testing.B, perSecond int, fields bool) http.Handler
}

var bare = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// xtimeMap is what people build: a limiter for each key in a map.
type xtimeMap struct {
	mu sync.Mutex
	m  map[string]*rate.Limiter
}

func (x *xtimeMap) allow(key string, perSecond int) bool {
	x.mu.Lock()
	l := x.m[key]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/10))
		x.m[key] = l
	}
	x.mu.Unlock()
	return l.Allow()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func seawallRate(perSecond int) ratelimit.Rate { return ratelimit.Per(int64(perSecond), time.Second) }

func rateLimiters() []limiters {
	return []limiters{
		{
			name: "seawall",
			hot: func(_ *testing.B, n int) func() bool {
				return must(ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: seawallRate(n)})).Allow
			},
			keyed: func(_ *testing.B, n int) func(string) bool {
				k := must(ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: seawallRate(n), Bytes: 16 << 20}))
				return func(key string) bool { return k.Take(key, 1, seawall.Normal).OK }
			},
			handler: func(_ *testing.B, n int, fields bool) http.Handler {
				cfg := ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(int64(n), time.Second)}}
				if n == 1 {
					cfg.Policies[0].Rate = ratelimit.Per(1, time.Hour)
				}
				if fields {
					cfg.Fields = ratelimit.Always
				}
				return must(ratelimit.New(cfg)).Middleware(bare)
			},
		},
		{
			name: "xtime",
			hot: func(_ *testing.B, n int) func() bool {
				return rate.NewLimiter(rate.Limit(n), max(1, n/10)).Allow
			},
			keyed: func(_ *testing.B, n int) func(string) bool {
				x := &xtimeMap{m: make(map[string]*rate.Limiter)}
				return func(key string) bool { return x.allow(key, n) }
			},
		},
		{
			name: "golimiter",
			keyed: func(b *testing.B, n int) func(string) bool {
				s := must(memorystore.New(&memorystore.Config{Tokens: uint64(n), Interval: time.Second}))
				b.Cleanup(func() { _ = s.Close(context.Background()) })
				return func(key string) bool { _, _, _, ok, _ := s.Take(context.Background(), key); return ok }
			},
			handler: func(b *testing.B, n int, _ bool) http.Handler {
				interval := time.Second
				if n == 1 {
					interval = time.Hour
				}
				s := must(memorystore.New(&memorystore.Config{Tokens: uint64(n), Interval: interval}))
				b.Cleanup(func() { _ = s.Close(context.Background()) })
				return must(httplimit.NewMiddleware(s, httplimit.IPKeyFunc())).Handle(bare)
			},
		},
		{
			name: "httprate",
			keyed: func(_ *testing.B, n int) func(string) bool {
				l := httprate.NewRateLimiter(n, time.Second)
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				return func(key string) bool { return !l.OnLimit(w, r, key) }
			},
			handler: func(_ *testing.B, n int, _ bool) http.Handler {
				interval := time.Second
				if n == 1 {
					interval = time.Hour
				}
				return httprate.LimitByIP(n, interval)(bare)
			},
		},
		{
			name: "throttled",
			keyed: func(_ *testing.B, n int) func(string) bool {
				l := throttledOf(n)
				return func(key string) bool { limited, _, _ := l.RateLimitCtx(context.Background(), key, 1); return !limited }
			},
			handler: func(_ *testing.B, n int, _ bool) http.Handler {
				l := throttled.HTTPRateLimiterCtx{RateLimiter: throttledOf(n), VaryBy: &throttled.VaryBy{RemoteAddr: true}}
				return l.RateLimit(bare)
			},
		},
		{
			name: "ulule",
			keyed: func(_ *testing.B, n int) func(string) bool {
				l := limiter.New(memory.NewStore(), limiter.Rate{Limit: int64(n), Period: time.Second})
				return func(key string) bool { c, err := l.Get(context.Background(), key); return err == nil && !c.Reached }
			},
			handler: func(_ *testing.B, n int, _ bool) http.Handler {
				period := time.Second
				if n == 1 {
					period = time.Hour
				}
				return stdlib.NewMiddleware(limiter.New(memory.NewStore(), limiter.Rate{Limit: int64(n), Period: period})).Handler(bare)
			},
		},
		{
			name: "failsafe",
			hot: func(_ *testing.B, n int) func() bool {
				return ratelimiter.NewBursty[any](uint(n), time.Second).TryAcquirePermit
			},
		},
	}
}

func throttledOf(n int) *throttled.GCRARateLimiterCtx {
	quota := throttled.RateQuota{MaxRate: throttled.PerSec(n), MaxBurst: max(1, n/10)}
	if n == 1 {
		quota = throttled.RateQuota{MaxRate: throttled.PerHour(1)}
	}
	return must(throttled.NewGCRARateLimiterCtx(must(memstore.NewCtx(0)), quota))
}

// BenchmarkRateLimit is <case>/<library>.
func BenchmarkRateLimit(b *testing.B) {
	each := func(name string, have func(limiters) bool, run func(*testing.B, limiters)) {
		b.Run(name, func(b *testing.B) {
			for _, l := range rateLimiters() {
				if have(l) {
					b.Run(l.name, func(b *testing.B) { b.ReportAllocs(); run(b, l) })
				}
			}
		})
	}
	hot := func(n int) func(*testing.B, limiters) {
		return func(b *testing.B, l limiters) {
			allow := l.hot(b, n)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					allow()
				}
			})
		}
	}
	hasHot := func(l limiters) bool { return l.hot != nil }
	each("hot-allow", hasHot, hot(plenty))
	each("hot-refuse", hasHot, hot(1))
	each("zipf-1M", func(l limiters) bool { return l.keyed != nil }, zipf)
	hasHandler := func(l limiters) bool { return l.handler != nil }
	serve := func(n int, fields bool) func(*testing.B, limiters) {
		return func(b *testing.B, l limiters) {
			h := l.handler(b, n, fields)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			w := &discard{h: make(http.Header)}
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		}
	}
	each("handler-allow", hasHandler, serve(plenty, false))
	each("handler-refuse", hasHandler, serve(1, false))
	each("handler-headers", hasHandler, serve(plenty, true))
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

var (
	zipfKeys  []string
	zipfOrder []int32
)

// zipf asks for a million keys, a few of them often.
func zipf(b *testing.B, l limiters) {
	const keys = 1 << 20
	if zipfKeys == nil {
		z := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, keys-1)
		for i := range keys {
			zipfKeys = append(zipfKeys, fmt.Sprintf("user-%07d", i))
			zipfOrder = append(zipfOrder, int32(z.Uint64()))
		}
	}
	allow := l.keyed(b, 1000)
	for _, k := range zipfKeys {
		allow(k)
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := rand.IntN(keys)
		for pb.Next() {
			allow(zipfKeys[zipfOrder[i&(keys-1)]])
			i++
		}
	})
}
