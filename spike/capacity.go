package spike

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// MeasureCapacity returns the successes a second that a target reaches when so
// many workers (1 to 10,000) ask in a closed loop, each again as soon as it has
// its answer, for a time d of at most a minute; 0 is 1 s. It is how the size of
// a CPU-bound server becomes known: ask the bare one with a few workers more
// than it has processors, before the run. It fails when nothing succeeds.
func MeasureCapacity(ctx context.Context, target Target, workers int, d time.Duration) (float64, error) {
	if target == nil {
		return 0, errors.New("seawall/spike: target must not be nil")
	}
	if workers < 1 || workers > 10_000 {
		return 0, badf("workers", "between 1 and 10000", workers)
	}
	if d == 0 {
		d = time.Second
	}
	if d < 0 || d > time.Minute {
		return 0, badf("d", "positive and at most 1m", d)
	}
	var (
		wg      sync.WaitGroup
		done    atomic.Uint64
		start   = time.Now()
		ask, no = context.WithDeadline(ctx, start.Add(d))
	)
	defer no()
	for worker := range workers {
		wg.Go(func() {
			for n := uint64(1); ask.Err() == nil; n++ {
				r := Request{ID: n << 8, User: uint64(worker), Priority: seawall.Normal, Attempt: 1, Intended: time.Since(start)}
				if target(ask, &r) == Success && ask.Err() == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if done.Load() == 0 {
		return 0, errors.New("seawall/spike: capacity: no request succeeded")
	}
	return float64(done.Load()) / d.Seconds(), nil
}

// OneQueue is the backend that stands, in scenarios and figures, for a CPU-bound
// server of a measured capacity in requests a second: one slot with a log-normal
// service time of 1/capacity. It is a description of what is possible: nothing
// is served by it.
func OneQueue(capacity, sigma float64) (BackendConfig, error) {
	if !finite(capacity) || capacity < 0.01 || capacity > maxRate {
		return BackendConfig{}, badf("capacity", "between 0.01 and %v", capacity, maxRate)
	}
	return BackendConfig{
		Slots: 1, Service: LogNormal(time.Duration(float64(time.Second)/capacity), sigma), Contention: seawall.Off,
	}.resolve()
}
