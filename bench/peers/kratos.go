package peers

import (
	"errors"
	"net/http"

	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
)

// kratosScene is the limiter of its server. It refuses when the CPU is hot and
// more than one is inside, beyond what best throughput and latency account
// for: without any samples that is none.
func kratosScene(c Case) (*Scene, error) {
	threshold := int64(neverHot)
	if !c.admits() {
		threshold = alwaysHot
	}
	l := bbr.NewLimiter(bbr.WithCPUThreshold(threshold))
	sc := &Scene{}
	if !c.admits() {
		var held []ratelimit.DoneFunc
		for done, err := l.Allow(); err == nil; done, err = l.Allow() {
			if held = append(held, done); len(held) > 100 {
				return nil, errors.New("it does not fill")
			}
		}
		sc.free = func() {
			for _, done := range held {
				done(ratelimit.DoneInfo{})
			}
		}
	}
	switch c {
	case HandlerAdmit, HandlerReject:
		sc.handler = kratosHandler(l, nothing)
	default:
		sc.loop = func(n int) (admitted int) {
			for range n {
				done, err := l.Allow()
				if err != nil {
					continue
				}
				admitted++
				done(ratelimit.DoneInfo{})
			}
			return admitted
		}
	}
	return sc, nil
}

// kratosHandler does what the ratelimit middleware of kratos does, which is
// not one of net/http.
func kratosHandler(l ratelimit.Limiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := l.Allow()
		if err != nil {
			http.Error(w, "service unavailable due to rate limit exceeded", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
		done(ratelimit.DoneInfo{})
	})
}
