package shed

import (
	"math"
	"runtime"
	"runtime/metrics"
)

// A server that computes queues in the scheduler, before any handler is called:
// the number inside is one or two and the latency that of the bare work however
// overloaded it is. What tells is how many goroutines want a processor and have
// none (CockroachDB's admission control goes by the same figure).

// runQueue reads it: 0.1 us.
type runQueue struct{ sample [1]metrics.Sample }

func newRunQueue() runQueue {
	return runQueue{[1]metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}}
}

// read is the number of runnable goroutines per processor.
func (q *runQueue) read() float64 {
	metrics.Read(q.sample[:])
	if q.sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(q.sample[0].Value.Uint64()) / float64(runtime.GOMAXPROCS(0))
}

// processors is how much may be let through when the processors are what is
// short.
type processors struct {
	rate  float64 // admissions per second; 0: as many as come
	x     float64 // completions per second, over a quarter of a second
	busy  float64 // seconds for which the run queue has been long
	quiet float64 // seconds for which it has been short and all would pass
}

// shortQueue is the run queue, per processor, at which admissions may grow
// again.
const shortQueue = 2

// step follows the throughput, less while there is a queue to work off.
func (p processors) step(w *window, volume, long float64) processors {
	if !(long > 0) {
		return processors{}
	}
	q := clamp(w.runnable, 0, 1e6)
	p.x += (w.done/w.dt - p.x) * (1 - math.Exp(-w.dt/0.25))
	if q > long {
		p.busy += w.dt
	} else {
		p.busy = 0
	}
	switch {
	case p.rate == 0:
		// Not for one bad tick: garbage is collected, and timers fire together.
		if p.busy >= 1.5*tick || p.busy > 0 && q > 8*long {
			p.rate = 0.9 * p.x
			p.quiet = 0
		}
	case q > long:
		// Away with it within a fifth of a second or so, but never less than
		// half of what is done.
		p.rate = p.x * max(0.5, 1-(q-long)/(4*long))
	case q > shortQueue:
		p.rate = max(0.98*p.rate, 0.9*p.x)
	default:
		p.rate = max(p.rate, 0.9*p.x) * 1.05
	}
	if p.rate > 0 {
		if volume < 0.9*p.rate && q <= long {
			p.quiet += w.dt
		} else {
			p.quiet = 0
		}
		if p.quiet >= 0.2 || !(p.rate > 0) || math.IsInf(p.rate, 0) {
			p.rate = 0
		}
	}
	return p
}
