package peers

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/priority"
)

// failsafeBuilder has the defaults (at most 200, at first 20). Only the least
// is higher than its 1: a handler that does nothing leads its search down to
// where a benchmark in parallel would be refused.
func failsafeBuilder(c Case) adaptivelimiter.Builder[*http.Response] {
	if c.admits() {
		return adaptivelimiter.NewBuilder[*http.Response]().WithLimits(uint(max(8, 2*runtime.GOMAXPROCS(0))), 200, 20)
	}
	return adaptivelimiter.NewBuilder[*http.Response]().WithLimits(seats, 200, seats)
}

// failsafeScene is the adaptive limiter without a queue: full is refused.
func failsafeScene(c Case) (*Scene, error) {
	l := failsafeBuilder(c).Build()
	sc := &Scene{}
	if !c.admits() {
		var held []adaptivelimiter.Permit
		for range seats {
			p, ok := l.TryAcquirePermit()
			if !ok {
				return nil, errors.New("no permit to fill it with")
			}
			held = append(held, p)
		}
		sc.free = func() { drop(held) }
	}
	switch c {
	case HandlerAdmit, HandlerReject:
		sc.handler = failsafehttp.NewHandler(nothing, l)
	default:
		sc.loop = func(n int) (admitted int) {
			for range n {
				p, ok := l.TryAcquirePermit()
				if !ok {
					continue
				}
				admitted++
				p.Record()
			}
			return admitted
		}
	}
	return sc, nil
}

func drop(held []adaptivelimiter.Permit) {
	for _, p := range held {
		p.Drop()
	}
}

// failsafePriorityScene has priorities, and the queue that comes with them. It
// refuses once the queue is full, at 3 waiters a seat.
func failsafePriorityScene(c Case) (*Scene, error) {
	p := adaptivelimiter.NewPrioritizer()
	stopCalibrations := p.ScheduleCalibrations(context.Background(), time.Second)
	l := failsafeBuilder(c).BuildPrioritized(p)
	sc := &Scene{stop: stopCalibrations}
	if !c.admits() {
		var err error
		if sc.free, err = fillFailsafe(l); err != nil {
			stopCalibrations()
			return nil, err
		}
	}
	switch c {
	case HandlerAdmit, HandlerReject:
		sc.handler = failsafehttp.NewHandlerWithLevel(failsafehttp.NewHandler(nothing, l), true)
		sc.header = http.Header{"X-Failsafe-Priority": {strconv.Itoa(int(priority.Medium))}}
	default:
		sc.loop = func(n int) (admitted int) {
			ctx := context.Background()
			for range n {
				p, err := l.AcquirePermitWithPriority(ctx, priority.Medium)
				if err != nil {
					continue
				}
				admitted++
				p.Record()
			}
			return admitted
		}
	}
	return sc, nil
}

// fillFailsafe takes all seats and all places in the queue.
func fillFailsafe(l adaptivelimiter.PriorityLimiter[*http.Response]) (free func(), err error) {
	var held []adaptivelimiter.Permit
	for range seats {
		p, err := l.AcquirePermitWithPriority(context.Background(), priority.VeryHigh)
		if err != nil {
			return nil, err
		}
		held = append(held, p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan struct{}, 3*seats)
	for range 3 * seats {
		go func() {
			if p, err := l.AcquirePermitWithLevel(ctx, priority.VeryHigh.MaxLevel()); err == nil {
				p.Drop()
			}
			left <- struct{}{}
		}()
	}
	free = func() {
		cancel()
		for range 3 * seats {
			<-left
		}
		drop(held)
	}
	for deadline := time.Now().Add(5 * time.Second); l.Queued() < 3*seats; runtime.Gosched() {
		if time.Now().After(deadline) {
			free()
			return nil, errors.New("its queue does not fill")
		}
	}
	return free, nil
}
