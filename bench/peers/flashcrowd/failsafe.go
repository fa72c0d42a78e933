package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/priority"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// newFailsafe: failsafe-go.dev/adaptive-limiters and failsafe-go.dev/http: the
// limiter with its defaults (1 to 200, at first 20; no queue) in a handler.
func newFailsafe(spike.Scenario) (*guard, error) {
	limiter := adaptivelimiter.NewWithDefaults[*http.Response]()
	return &guard{middleware: func(next http.Handler) http.Handler {
		return failsafehttp.NewHandler(next, limiter)
	}}, nil
}

// newFailsafePrio: failsafe-go.dev/execution-prioritization: a prioritizer that
// is calibrated every second and a limiter built with it, the rest by default
// (a queue of 2 to 3 limits comes with it).
func newFailsafePrio(spike.Scenario) (*guard, error) {
	return prioritized(adaptivelimiter.NewBuilder[*http.Response](), time.Second), nil
}

// newFailsafeTuned is the best of some settings tried at three times the
// capacity: a maximum that a large backend does not run into, a queue that the
// threshold comes down on before it is full (with the default of 2 to 3 limits
// it is full of anybody first, and refuses Critical too), waits that end before
// the clients' patience does, a calibration every 100 ms. Shorter windows were
// worse. The first limit stays the default: nobody knows the capacity.
func newFailsafeTuned(spike.Scenario) (*guard, error) {
	return prioritized(adaptivelimiter.NewBuilder[*http.Response]().
		WithLimits(1, 1000, 20).
		WithQueueing(1, 4).
		WithMaxWaitTime(500*time.Millisecond), 100*time.Millisecond), nil
}

// prioritized puts a limiter with priorities behind the handler that reads
// them from the request (failsafe-go.dev/http, "Propagating Priorities"; true
// makes a level of each priority). NewHandler does not hand the request's
// context to its policies: with it (in v0.9.8) nobody's priority is ever seen,
// and who has gone stays in the queue. So the executor gets the context, as
// failsafe-go.dev/execution-prioritization does outside of HTTP.
func prioritized(b adaptivelimiter.Builder[*http.Response], calibrate time.Duration) *guard {
	prioritizer := adaptivelimiter.NewPrioritizer()
	executor := failsafe.With(b.BuildPrioritized(prioritizer))
	stop := prioritizer.ScheduleCalibrations(context.Background(), calibrate)
	return &guard{
		middleware: func(next http.Handler) http.Handler {
			limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				failsafehttp.NewHandlerWithExecutor(next, executor.WithContext(r.Context())).ServeHTTP(w, r)
			})
			return tellFailsafe(failsafehttp.NewHandlerWithLevel(limited, true))
		},
		close: stop,
	}
}

// failsafePriority is the header field that its own client writes.
const failsafePriority = "X-Failsafe-Priority"

// tellFailsafe writes the priority that the path stands for where failsafe's
// handler reads it: what an edge or a router does in front of it.
func tellFailsafe(next http.Handler) http.Handler {
	var values [seawall.NumPriorities][]string
	for i, p := range []priority.Priority{priority.VeryHigh, priority.Medium, priority.Low, priority.VeryLow} {
		values[i] = []string{strconv.Itoa(int(p))}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header[failsafePriority] = values[seawall.Critical-spike.PriorityFromPath(r)]
		next.ServeHTTP(w, r)
	})
}
