package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// base is when time began for all limiters of the process. Differences of
// monotonic readings cannot be set back.
var base = time.Now()

// clock is the time in units since then.
func clock() int64 { return int64(time.Since(base)) << unitShift }

// Reserve is which share of the burst, from 0 to 1, requests of a priority
// leave untouched for the higher ones; index it by priority minus
// seawall.Background. Under saturation the level settles where the lowest that
// is asked for ends, and what is above it stays free for the others.
type Reserve [seawall.NumPriorities]float64

func (r Reserve) validate() error {
	below := math.Inf(1)
	for i, share := range r {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("seawall/ratelimit: Reserve of %v must be between 0 and 1 (got %v)", seawall.Background+seawall.Priority(i), share)
		}
		if share > below {
			return fmt.Errorf("seawall/ratelimit: Reserve of %v must not be more than that of %v below it (got %v and %v)",
				seawall.Background+seawall.Priority(i), seawall.Background+seawall.Priority(i-1), share, below)
		}
		below = share
	}
	return nil
}

// LimiterConfig sets up a Limiter.
type LimiterConfig struct {
	// Rate is required.
	Rate Rate
	// Reserve keeps a part of the burst for the higher priorities. Default none.
	Reserve Reserve
}

func (c LimiterConfig) meter() (*meter, error) {
	if err := c.Reserve.validate(); err != nil {
		return nil, err
	}
	m, err := meterOf(c.Rate, c.Reserve)
	if err != nil {
		return nil, fmt.Errorf("seawall/ratelimit: Rate.%w", err)
	}
	return m, nil
}

// Limiter admits at a Rate: the generic cell rate algorithm (ITU-T I.371), one
// word of state. That is the time at which all that has been admitted would
// have been paid for at the rate; how far it lies ahead is the debt, and nobody
// may bring that above the burst. A reading of the clock that comes late can
// only make the debt look larger, so however callers are delayed, never more is
// admitted. A refusal writes nothing.
//
// A Limiter may be used by any number of goroutines and has none of its own.
type Limiter struct {
	cell atomic.Pointer[cell]
}

// cell is a state and the meter it is measured with.
type cell struct {
	meter
	paid atomic.Int64 // when all is paid for, in units
	// back is all that has been given back: by so much earlier is paid for what
	// others had taken before.
	back atomic.Int64
}

// NewLimiter returns a Limiter with its whole burst to give.
func NewLimiter(cfg LimiterConfig) (*Limiter, error) {
	m, err := cfg.meter()
	if err != nil {
		return nil, err
	}
	l := new(Limiter)
	c := &cell{meter: *m}
	c.paid.Store(clock())
	l.cell.Store(c)
	return l, nil
}

// Update changes the rate. The debt stays what it is in time, at most a burst
// of the new one.
func (l *Limiter) Update(cfg LimiterConfig) error {
	m, err := cfg.meter()
	if err != nil {
		return err
	}
	for {
		old := l.cell.Load()
		c, now := &cell{meter: *m}, clock()
		seen := old.paid.Load()
		debt := max(0, seen-now)
		// What is reserved for later, above the burst, has been promised.
		c.paid.Store(now + min(debt, old.tol, m.tol) + max(0, debt-old.tol))
		if l.cell.CompareAndSwap(old, c) {
			c.paid.Add(max(0, old.paid.Load()-max(seen, now))) // charged meanwhile
			return nil
		}
	}
}

// Rate is the present one, its defaults filled in.
func (l *Limiter) Rate() Rate { return l.cell.Load().rate }

// Allow takes one token as a Normal request, if there is one.
func (l *Limiter) Allow() bool {
	// As take, without a Decision: that is a third of the time it takes.
	for now := clock(); ; {
		c := l.cell.Load()
		upTo, old := c.upTo[seawall.Normal-seawall.Background], c.paid.Load()
		debt := max(0, old-now) + c.inc
		switch {
		case debt > upTo:
			return false
		case c.inc > 0 && !c.paid.CompareAndSwap(old, now+debt), l.cell.Load() != c:
		default:
			return true
		}
	}
}

// Take takes cost tokens, if a request of that priority may. A cost of 0 only
// looks, one above the burst never succeeds, and a negative one counts as 0.
func (l *Limiter) Take(cost int64, p seawall.Priority) Decision {
	d, _, _ := l.take(clock(), max(cost, 0), p)
	return d
}

// take is the hot path. It returns the cell that was charged, and its state.
func (l *Limiter) take(now, cost int64, p seawall.Priority) (d Decision, c *cell, paid int64) {
	for {
		c = l.cell.Load()
		need, upTo := c.need(cost), c.ceiling(p)
		old := c.paid.Load()
		debt := max(0, old-now)
		if debt+need > upTo {
			return Decision{debt: debt, over: debt + need - upTo, upTo: upTo, meter: &c.meter}, c, old
		}
		paid = now + debt + need
		if need > 0 && !c.paid.CompareAndSwap(old, paid) {
			continue
		}
		if l.cell.Load() != c { // Update has not seen this one: charge the new cell
			continue
		}
		return Decision{OK: true, debt: debt + need, upTo: upTo, meter: &c.meter}, c, paid
	}
}

// Decision is what a limiter says. It is a value; nothing is computed that
// nobody asks for.
type Decision struct {
	OK bool
	// Source is who decided: Local, unless the limit is shared.
	Source Source
	short  bool  // the service and not the client is why
	debt   int64 // after it
	over   int64 // by how much the cost would exceed what is allowed
	upTo   int64 // the debt that is allowed
	end    int64 // of the window of a Quota: how far off it is
	meter  *meter
}

// Remaining is how many tokens there are for requests of that priority;
// math.MaxInt64 if there is no limit.
func (d Decision) Remaining() int64 {
	switch {
	case d.unlimited():
		return math.MaxInt64
	case d.meter == nil || d.meter.inc == 0:
		return 0
	}
	return max(0, d.upTo-d.debt) / d.meter.inc
}

// unlimited: there is nothing to tell of.
func (d Decision) unlimited() bool {
	return d.OK && (d.meter == nil || d.meter.inc == 0)
}

// RetryAfter is when the refused cost would be admitted if nobody else came; 0
// if it was admitted, and Never if it never will be.
func (d Decision) RetryAfter() time.Duration {
	switch {
	case d.OK || d.over <= 0:
		return 0
	case d.over > d.debt: // even without any debt
		return Never
	case d.end > 0:
		return toDuration(d.end, 1)
	default:
		return toDuration(d.over, d.meter.tick)
	}
}

// ResetAfter is when the whole burst is there again.
func (d Decision) ResetAfter() time.Duration {
	if d.meter == nil {
		return 0
	}
	if d.end > 0 && d.debt > 0 {
		return toDuration(d.end, 1)
	}
	return toDuration(d.debt, d.meter.tick)
}

// Never is the RetryAfter of what will not be admitted at all: a cost above
// the burst, or above what Reserve leaves to the priority.
const Never = time.Duration(1<<63 - 1)

// toDuration rounds up.
func toDuration(ticks int64, tick float64) time.Duration {
	if tick == 1 {
		return time.Duration((ticks + 1<<unitShift - 1) >> unitShift)
	}
	return time.Duration(min(math.Ceil(float64(ticks)*tick/(1<<unitShift)), float64(mostDebt)))
}

// ErrNever is what Reserve and Wait return for a cost that can never be
// admitted.
var ErrNever = errors.New("seawall/ratelimit: the cost exceeds the burst")

// Reservation is tokens that have been taken before they were there.
type Reservation struct {
	cell *cell
	due  int64 // when it may be acted upon, in units
	paid int64 // the state it led to
	need int64
	back int64 // what had been given back by then
}

// Reserve takes cost tokens now or in the future, as a Critical request.
func (l *Limiter) Reserve(cost int64) (Reservation, error) {
	return l.reserve(clock(), max(cost, 0), mostDebt)
}

// reserve does so if they will be there within so many units.
func (l *Limiter) reserve(now, cost, within int64) (Reservation, error) {
	for {
		c := l.cell.Load()
		need := c.need(cost)
		if need > c.tol {
			return Reservation{}, ErrNever
		}
		back := c.back.Load()
		old := c.paid.Load()
		debt := max(0, old-now) + need
		paid, due := now+debt, now+debt-c.tol
		if debt-c.tol > within || debt > 2*mostDebt {
			return Reservation{}, errTooLate
		}
		if !c.paid.CompareAndSwap(old, paid) || l.cell.Load() != c {
			continue
		}
		return Reservation{c, due, paid, need, back}, nil
	}
}

var errTooLate = fmt.Errorf("seawall/ratelimit: the tokens would come too late: %w", context.DeadlineExceeded)

// Delay is how long to wait before acting on it, now.
func (r Reservation) Delay() time.Duration {
	if r.cell == nil {
		return 0
	}
	return toDuration(max(0, r.due-clock()), 1)
}

// Cancel gives back what has not been paid for by time yet: that much was kept
// from others. More would admit too much. Call it at most once.
func (r Reservation) Cancel() { r.cancel(clock()) }

func (r Reservation) cancel(now int64) {
	if r.cell == nil {
		return
	}
	since := r.cell.back.Load() - r.back
	if back := min(r.need, r.paid-since-now); back > 0 {
		r.cell.back.Add(back)
		r.cell.paid.Add(-back)
	}
}

// Wait takes cost tokens, and waits until they are there. If ctx would be done
// before, it says so at once and takes none.
func (l *Limiter) Wait(ctx context.Context, cost int64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("seawall/ratelimit: %w", err)
	}
	within := int64(mostDebt)
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left < mostDebt>>unitShift {
			within = int64(left) << unitShift
		}
	}
	r, err := l.reserve(clock(), max(cost, 0), within)
	if err != nil {
		return err
	}
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return fmt.Errorf("seawall/ratelimit: %w", ctx.Err())
	}
}
