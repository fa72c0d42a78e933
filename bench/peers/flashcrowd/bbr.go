package main

import (
	"net/http"
	"sync"

	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stat"
	"github.com/zeromicro/go-zero/rest/handler"

	"github.com/seawall-go/seawall/spike"
)

// gozeroThreshold is the default of RestConf.CpuThreshold, in thousandths
// (rest/config.go of go-zero).
const gozeroThreshold = 900

// quietGozero: it logs each refusal and, every minute, its counters.
var quietGozero = sync.OnceFunc(func() {
	logx.Disable()
	logx.DisableStat()
	load.DisableLog()
	stat.DisableLog()
	stat.SetReporter(nil)
})

// newGozero is the shedder that its REST server puts in front of every route by
// default (rest/engine.go of go-zero). Its routes may be marked as priority
// routes, which only raises their CPU threshold to 95 %: left out.
func newGozero(spike.Scenario) (*guard, error) {
	quietGozero()
	shedder := load.NewAdaptiveShedder(load.WithCpuThreshold(gozeroThreshold))
	return &guard{middleware: handler.SheddingHandler(shedder, gozeroMetrics())}, nil
}

// gozeroMetrics is one for all runs: it starts a goroutine for good.
var gozeroMetrics = sync.OnceValue(func() *stat.Metrics { return stat.NewMetrics("peers") })

// newKratos is what the ratelimit middleware of kratos makes by default
// (middleware/ratelimit of go-kratos/kratos: bbr.NewLimiter without options).
func newKratos(spike.Scenario) (*guard, error) {
	limiter := bbr.NewLimiter()
	return &guard{middleware: func(next http.Handler) http.Handler { return kratosHandler(limiter, next) }}, nil
}

// kratosHandler does what that middleware does, which is not one of net/http:
// its error becomes a 429.
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
