package shed

import (
	"context"
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
	}
	return set
}

// refuse says no, or in a dry run lets the request in beside the seats.
// Retry-After grows with the share that is refused, so that those who are sent
// away come back at the rate at which there is room, and is spread evenly.
func (s *Shedder) refuse(ctx context.Context, g *gate, c *seawall.Class, seq uint32, e event) (ticket, *seawall.Rejection) {
	rej := g.says.overloaded[1+mix(uint64(seq))%uint64(g.retry)]
	if g.closed {
		rej = g.says.draining
	}
	e.outcome, e.reason, e.retryAfter = seawall.Rejected, rej.Reason, rej.RetryAfter
	s.observe(ctx, g, c, e)
	if g.dry && !g.closed {
		s.shadows.Add(1)
		return ticket{s: s, shadow: true}, nil
	}
	return ticket{}, rej
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
		Priority: c.Priority, Route: c.Route, User: c.User, DryRun: g.dry,
	})
}
