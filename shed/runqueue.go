package shed

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// A server that computes queues in the scheduler, before any handler is called:
// the number inside is one or two and the latency that of the bare work however
// overloaded it is. What tells is how many goroutines want a processor and have
// none (CockroachDB's admission control goes by the same figure).

// runQueue looks at it, at most every pollEvery: 0.1 us.
type runQueue struct {
	mu     sync.Mutex // requests only ever try it; a tick takes it for an addition or two
	sample [1]metrics.Sample
	count  float64
	sum    float64
	least  float64
	last   atomic.Int64
}

const (
	pollEvery = int64(2 * time.Millisecond)
	// fewestPolls in a tick are needed: fewer are a moment, not a state.
	fewestPolls = 3
)

// poll adds a look, if it is time for one.
func (q *runQueue) poll(now int64) {
	if now-q.last.Load() < pollEvery || !q.mu.TryLock() {
		return
	}
	q.last.Store(now)
	if q.sample[0].Name == "" {
		q.sample[0].Name = "/sched/goroutines/runnable:goroutines"
	}
	metrics.Read(q.sample[:])
	if q.sample[0].Value.Kind() == metrics.KindUint64 {
		v := float64(q.sample[0].Value.Uint64()) / float64(runtime.GOMAXPROCS(0))
		if q.count == 0 || v < q.least {
			q.least = v
		}
		q.count++
		q.sum += v
	}
	q.mu.Unlock()
}

// take returns the mean number of runnable goroutines per processor since the
// last time, and the least.
func (q *runQueue) take() (mean, least float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count >= fewestPolls {
		mean, least = q.sum/q.count, q.least
	}
	q.count, q.sum, q.least = 0, 0, 0
	return mean, least
}

// processors is how much may be let through when they are what is short.
type processors struct {
	rate  float64 // admissions per second; 0: as many as come
	fits  float64 // what they can do for long, as far as known
	x     float64 // completions per second
	busy  float64 // seconds for which the run queue has been long
	quiet float64 // seconds for which it has been short and all would pass
}

// step looks for the rate at which the run queue stays short: a little more
// with every tick, and a little less whenever the queue has become long. Then
// it is worked off first, at a lower rate.
func (p processors) step(w *window, volume, long float64) processors {
	if !(long > 0) {
		return processors{}
	}
	q := clamp(w.runnable, 0, 1e6)
	p.x += (w.done/w.dt - p.x) * (1 - math.Exp(-w.dt/0.25))
	was := p.busy
	if q > long {
		p.busy += min(w.dt, tick)
	} else {
		p.busy = 0
	}
	switch {
	case p.rate == 0:
		// Not for one bad tick: garbage is collected, and timers fire together.
		if p.busy < 1.5*tick && !(p.busy > 0 && q > 8*long) {
			return p
		}
		p.fits, p.quiet = p.x, 0
	case q > long && was == 0:
		p.fits = max(0.95*p.fits, 0.9*p.x)
	case w.runnableLeast < 1 && q < 1: // idle: it was a stall and no crowd
		p.fits *= 1.08
	case q <= long:
		p.fits = min(p.fits*1.015, 2*p.x)
	}
	p.rate = p.fits
	if q > long {
		p.rate *= max(0.4, 1-q/(8*long))
	}
	if volume < 0.9*p.rate && q <= long {
		p.quiet += w.dt
	} else {
		p.quiet = 0
	}
	if p.quiet >= 0.2 || !(p.rate > 0) || math.IsInf(p.rate, 0) {
		p.rate = 0
	}
	return p
}
