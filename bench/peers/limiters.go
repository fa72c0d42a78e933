package peers

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/go-chi/httprate"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

func seawallRateScene(c Case) (*Scene, error) {
	q := c.quota()
	r := ratelimit.Rate{Limit: rate.Every(q.every), Burst: int64(q.burst)}
	switch c {
	case HotAllow, HotRefuse:
		l, err := ratelimit.NewLimiter(ratelimit.LimiterConfig{Rate: r})
		if err != nil {
			return nil, err
		}
		return hot(c, l.Allow)
	case ZipfMillion:
		// Twice the default: with a million keys in debt at once the default is full.
		k, err := ratelimit.NewKeyed(ratelimit.KeyedConfig{Rate: r, Bytes: 16 << 20})
		if err != nil {
			return nil, err
		}
		return asking(c, func() func(string) bool {
			return func(key string) bool { return k.Take(key, 1, seawall.Normal).OK }
		})
	default: // through a handler
	}
	cfg := ratelimit.Config{Policies: []ratelimit.Policy{{Rate: r, Key: ratelimit.ByClientIP(seawall.ClientIP{})}}}
	if c == HandlerHeaders {
		cfg.Fields = ratelimit.Always
	}
	l, err := ratelimit.New(cfg)
	if err != nil {
		return nil, err
	}
	return handling(c, l.Middleware(nothing))
}

// xtimeScene is one limiter, or what people build of it: a map with a lock,
// from which nothing is ever removed.
func xtimeScene(c Case) (*Scene, error) {
	q := c.quota()
	fresh := func() *rate.Limiter { return rate.NewLimiter(rate.Every(q.every), q.burst) }
	if c != ZipfMillion {
		return hot(c, fresh().Allow)
	}
	var mu sync.Mutex
	all := make(map[string]*rate.Limiter)
	return asking(c, func() func(string) bool {
		return func(key string) bool {
			mu.Lock()
			l := all[key]
			if l == nil {
				l = fresh()
				all[key] = l
			}
			mu.Unlock()
			return l.Allow()
		}
	})
}

func golimiterScene(c Case) (*Scene, error) {
	s, err := memorystore.New(&memorystore.Config{Tokens: uint64(c.quota().perHour), Interval: time.Hour})
	if err != nil {
		return nil, err
	}
	var sc *Scene
	switch c {
	case HotAllow, HotRefuse, ZipfMillion:
		ctx := context.Background()
		sc, err = asking(c, func() func(string) bool {
			return func(key string) bool {
				_, _, _, ok, err := s.Take(ctx, key)
				return ok && err == nil
			}
		})
	default:
		m, bad := httplimit.NewMiddleware(s, httplimit.IPKeyFunc())
		if bad != nil {
			return nil, bad
		}
		sc, err = handling(c, m.Handle(nothing))
	}
	if sc != nil {
		sc.stop = func() { _ = s.Close(context.Background()) }
	}
	return sc, err
}

// httprateScene: what it offers without a handler sets header fields, too.
func httprateScene(c Case) (*Scene, error) {
	n := c.quota().perHour
	switch c {
	case HotAllow, HotRefuse, ZipfMillion:
		l := httprate.NewRateLimiter(n, time.Hour)
		return asking(c, func() func(string) bool {
			w, r := &nullWriter{header: make(http.Header)}, &http.Request{}
			return func(key string) bool { return !l.OnLimit(w, r, key) }
		})
	default: // through a handler
	}
	// What chi's ClientIPFromRemoteAddr would bring through the context.
	byAddress := func(r *http.Request) (string, error) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		return httprate.CanonicalizeIP(host), err
	}
	return handling(c, httprate.LimitBy(n, time.Hour, byAddress)(nothing))
}

// throttledScene has a store that forgets nothing: the LRU of its README holds
// 65536 keys, and is twice as slow with more.
func throttledScene(c Case) (*Scene, error) {
	store, err := memstore.NewCtx(0)
	if err != nil {
		return nil, err
	}
	q := c.quota()
	l, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{
		MaxRate: throttled.PerHour(int(time.Hour / q.every)), MaxBurst: q.burst - 1,
	})
	if err != nil {
		return nil, err
	}
	switch c {
	case HotAllow, HotRefuse, ZipfMillion:
		ctx := context.Background()
		return asking(c, func() func(string) bool {
			return func(key string) bool {
				limited, _, err := l.RateLimitCtx(ctx, key, 1)
				return !limited && err == nil
			}
		})
	default: // through a handler
	}
	h := throttled.HTTPRateLimiterCtx{RateLimiter: l, VaryBy: &throttled.VaryBy{RemoteAddr: true}}
	return handling(c, h.RateLimit(nothing))
}

func ululeScene(c Case) (*Scene, error) {
	l := limiter.New(memory.NewStore(), limiter.Rate{Limit: int64(c.quota().perHour), Period: time.Hour})
	switch c {
	case HotAllow, HotRefuse, ZipfMillion:
		ctx := context.Background()
		return asking(c, func() func(string) bool {
			return func(key string) bool {
				got, err := l.Get(ctx, key)
				return err == nil && !got.Reached
			}
		})
	default: // through a handler
	}
	return handling(c, stdlib.NewMiddleware(l).Handler(nothing))
}

// failsafeRateScene is its limiter of bursts, the faster one of two.
func failsafeRateScene(c Case) (*Scene, error) {
	return hot(c, ratelimiter.NewBursty[any](uint(c.quota().perHour), time.Hour).TryAcquirePermit)
}
