package shed

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

const (
	component = "shed"
	// maxRetry is the longest Retry-After in seconds.
	maxRetry = 30
)

// rejections are made beforehand: a refusal allocates nothing.
type rejections struct {
	overloaded [maxRetry + 1]*seawall.Rejection
	late       [maxRetry + 1]*seawall.Rejection
	draining   *seawall.Rejection
}

func newRejections(name string) *rejections {
	set := &rejections{draining: &seawall.Rejection{
		Component: component, Name: name, Reason: seawall.Draining, RetryAfter: time.Second,
	}}
	for i := range set.overloaded {
		set.overloaded[i] = &seawall.Rejection{
			Component: component, Name: name, Reason: seawall.Overloaded, RetryAfter: time.Duration(i) * time.Second,
		}
		set.late[i] = &seawall.Rejection{
			Component: component, Name: name, Reason: seawall.DeadlineExceeded, RetryAfter: time.Duration(i) * time.Second,
			Cause: context.DeadlineExceeded,
		}
	}
	return set
}

// spreads is how many values of a Retry-After are prepared at a time.
const spreads = 64

// spread prepares the refusals of a tick: seconds from 1 to retry, evenly.
func (set *rejections) spread(retry uint32) (all [spreads]*seawall.Rejection) {
	for i := range all {
		all[i] = set.overloaded[1+i*int(retry)/spreads]
	}
	return all
}

// overloaded is one of them: by user, by tick and within a tick, as there may
// be one or a thousand of any.
func (g *gate) overloaded(r rank, seq uint32) *seawall.Rejection {
	return g.refusals[(uint32(r)^g.salt+seq*27)%spreads]
}

// refuse says no. Retry-After grows with the share that is refused, so that
// those who are sent away come back at the rate at which there is room, and is
// spread evenly. Count is where the refusal is counted; nil if it is already, or
// if the house is closed.
func (s *Shedder) refuse(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, count *atomic.Uint64, e event) (ticket, error) {
	rej := g.overloaded(r, seq)
	if g.closed {
		rej, count = g.says.draining, &s.slowOf(c).draining
	}
	if count != nil {
		count.Add(1)
	}
	return s.turnAway(ctx, g, c, rej, e)
}

// late refuses a request that would be admitted, if at all, too late for its
// client.
func (s *Shedder) late(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, e event) (ticket, error) {
	if g.closed {
		return s.refuse(ctx, g, c, r, seq, nil, e)
	}
	s.slowOf(c).late.Add(1)
	return s.turnAway(ctx, g, c, g.says.late[g.overloaded(r, seq).RetryAfterSeconds()], e)
}

// dead refuses a request whose context was done before it came. It is nobody's
// demand: the law does not hear of it.
func (s *Shedder) dead(ctx context.Context, g *gate, c *seawall.Class) (ticket, error) {
	s.slowOf(c).unheard.Add(1)
	return s.gone(ctx, g, c, event{})
}

// gone refuses a request whose context is done.
func (s *Shedder) gone(ctx context.Context, g *gate, c *seawall.Class, e event) (ticket, error) {
	slow := s.slowOf(c)
	rej := &seawall.Rejection{Component: component, Name: g.cfg.Name, Reason: seawall.Canceled, Cause: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		rej.Reason = seawall.DeadlineExceeded
		slow.late.Add(1)
	} else {
		slow.left.Add(1)
	}
	return s.turnAway(ctx, g, c, rej, e)
}

// turnAway tells of a refusal, and in a dry run lets the request in beside the
// seats.
func (s *Shedder) turnAway(ctx context.Context, g *gate, c *seawall.Class, rej *seawall.Rejection, e event) (ticket, error) {
	if g.cfg.Observer != nil {
		e.outcome, e.reason, e.retryAfter = seawall.Rejected, rej.Reason, rej.RetryAfter
		s.observe(ctx, g, c, e)
	}
	if !g.dry || g.closed {
		return ticket{}, rej
	}
	s.shadows.Add(1)
	if now := s.gate.Load(); now.closed { // and Close may not have seen the shadow
		s.releaseShadow()
		return ticket{}, now.says.draining
	}
	return ticket{s: s, bits: shadow}.withSeats(seatsOf(c.Cost, g.limit)), nil
}

func (s *Shedder) releaseShadow() {
	s.shadows.Add(-1)
	if s.gate.Load().closed {
		s.signalIdle()
	}
}

// event is the part of a seawall.Event that differs between decisions.
type event struct {
	outcome          seawall.Outcome
	reason           seawall.Reason
	wait, retryAfter time.Duration
}

func (s *Shedder) observe(ctx context.Context, g *gate, c *seawall.Class, e event) {
	if g.cfg.Observer == nil {
		return
	}
	g.cfg.Observer.Observe(ctx, seawall.Event{
		Component: component, Name: g.cfg.Name,
		Outcome: e.outcome, Reason: e.reason, Wait: e.wait, RetryAfter: e.retryAfter,
		Priority: c.Priority, Route: c.Route, User: c.User, DryRun: g.dry && !g.closed,
	})
}

// observeAdmitted gives the seat back if the Observer panics: nobody else would.
func (s *Shedder) observeAdmitted(ctx context.Context, g *gate, c *seawall.Class, t ticket) {
	returned := false
	defer func() {
		if !returned {
			s.release(&t, true, 0)
		}
	}()
	s.observe(ctx, g, c, event{outcome: seawall.Admitted})
	returned = true
}
