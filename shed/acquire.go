package shed

import (
	"context"
	"time"

	"github.com/seawall-go/seawall"
)

// mode is how somebody asks for a seat.
type mode uint8

const (
	mayWait mode = 1 << iota
	// eager looks at once whether the context is done. Middleware does only in a
	// full house: in calm it is not worth the time.
	eager
)

// Acquire asks for a seat, or for as many as Class.Cost says. If they are not
// free it waits in the order of priority and user, as long as the priority's
// wait allows, ctx is not done, and what is left of its deadline and of
// Class.Budget leaves time for the work. The error is a *seawall.Rejection.
// Under load admitting and releasing costs about 30 ns and refusing 15 ns; with
// few requests, all of them timed, about 0.3 us (two readings of the clock, cold
// caches). Neither allocates.
func (s *Shedder) Acquire(ctx context.Context, c seawall.Class) (Permit, error) {
	t, err := s.acquire(ctx, &c, mayWait|eager)
	return Permit{ticket: t}, err
}

// TryAcquire is Acquire without waiting.
func (s *Shedder) TryAcquire(ctx context.Context, c seawall.Class) (Permit, error) {
	t, err := s.acquire(ctx, &c, eager)
	return Permit{ticket: t}, err
}

// acquire is the hot path. It calls nothing, so that nothing has to be kept
// safe across calls. An error is a *seawall.Rejection: as an error it lets
// Acquire be inlined, and the Class be made where it is read.
func (s *Shedder) acquire(ctx context.Context, c *seawall.Class, how mode) (ticket, error) { //nolint:funlen,gocognit // it calls nothing: see above
	g := s.gate.Load()
	if c.Exempt {
		s.exempt.Add(1)
		s.observe(ctx, g, c, event{outcome: seawall.Admitted})
		return ticket{}, nil
	}
	if how&eager != 0 && ctx.Err() != nil {
		return s.dead(ctx, g, c)
	}
	var r rank
	if c.User == 0 {
		r = rankOfNobody(c.Priority)
	} else {
		r = g.epochs.rankOf(c.Priority, c.User)
	}
	own, lowered := r, false
	if g.favours != nil && (c.Tenant != 0 || g.favours.knows(c.User)) {
		r = g.place(r, c)
		lowered = r.class() != own.class()
	}
	level := r.level()
	below := level >= g.floor
	at := pick(len(s.shards))
	t := ticket{s: s, bits: uint64(at) << shardShift}
	sh := &s.shards[at]
	seats := int64(1)
	if c.Cost > 1 {
		seats = seatsOf(c.Cost, g.limit)
		t.bits |= uint64(seats-1) << seatShift
		sh.extra.Add(seats - 1)
	}
	add := uint64(1)
	if below {
		add = 1<<32 | 1
	}
	seq := uint32(sh.offered[level].Add(add))
	if lowered {
		sh.lowered.Add(add)
	}
	sampled := (seq-1)&g.mask == 0
	if sampled { //nolint:nestif // as above
		t.start = s.now()
		if t.start >= s.due.Load() {
			s.tick(ctx, t.start)
			g = s.gate.Load()
			// A floor of before a pause must not refuse the first who comes
			// after it.
			if now := level >= g.floor; now != below {
				below = now
				sh.offered[level].Add(signed(below))
				if lowered {
					sh.lowered.Add(signed(below))
				}
			}
		}
		sh.met.Add(uint64(s.n.Load())<<countBits | 1)
		if g.cfg.RunQueue > 0 {
			s.runs.poll(t.start)
		}
		if g.shares != nil && g.weigh(c, uint32(seats), seq) {
			// Who goes over the share with this request waits behind the others.
			// The floor has counted on it, and leaves it alone.
			r = g.place(own, c)
		}
	}
	if below {
		if g.plain {
			return ticket{}, g.overloaded(r, seq)
		}
		return s.refuse(ctx, g, c, r, seq, nil, event{})
	}
	if s.waiters.Load() == 0 {
		for n := s.n.Load(); n+seats <= g.limit; n = s.n.Load() {
			if s.n.CompareAndSwap(n, n+seats) {
				if sampled {
					t.bits |= s.note(sh, g, n+seats, seats) | g.route(s, c)
				}
				if !g.plain || g.favours != nil || s.gate.Load().closed {
					return s.admitted(ctx, g, c, r, seq, t)
				}
				return t, nil
			}
		}
	}
	return s.full(ctx, g, c, r, seq, t, how)
}

// place is where in a full house a request stands: not by chance alone, but
// also by what its user and tenant have had and have asked for.
func (g *gate) place(r rank, c *seawall.Class) rank {
	stands := inOrder
	if c.User != 0 {
		stands = g.favours.standing(c.User, g.second)
	}
	if stands < behind && c.Tenant != 0 && g.shares != nil && r.cohort() >= g.shares.keep(c.Tenant) {
		stands = behind
	}
	switch stands {
	case ahead:
		return r.ahead()
	case lower:
		if r.class() == 0 {
			r += 1 << 32 // its Critical requests stand among the Normal
		}
		return r.behind()
	case behind:
		return r.behind()
	default:
		return r
	}
}

// weigh counts a sampled request for its user and tenant, and reports whether
// the user now stands elsewhere.
func (g *gate) weigh(c *seawall.Class, seats, seq uint32) (moved bool) {
	n := seats
	if seq != 1 { // the first of a level is always sampled, and stands for itself
		n *= g.mask + 1
	}
	if c.User != 0 {
		if over, far := g.shares.user(c.User, n, g.second); g.favours != nil {
			moved = g.favours.weigh(c.User, g.second, over, far)
		}
	}
	if c.Tenant != 0 {
		g.shares.tenant(c.Tenant, n)
	}
	return moved
}

// admitted is the rest of an admission that somebody is told of, that Close may
// not have seen, or that is made in a full house, where a seat for a client that
// has gone is a seat too many.
func (s *Shedder) admitted(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, t ticket) (ticket, error) {
	if now := s.gate.Load(); now.closed {
		s.release(&t, true, 0)
		return s.refuse(ctx, now, c, r, seq, nil, event{})
	}
	if g.favours != nil {
		if ctx.Err() != nil {
			s.release(&t, true, 0)
			return s.gone(ctx, g, c, event{})
		}
		if c.User != 0 {
			g.favours.admitted(c.User, g.second)
		}
	}
	if g.cfg.Observer != nil {
		s.observeAdmitted(ctx, g, c, t)
	}
	return t, nil
}

// full goes on where there is no seat.
func (s *Shedder) full(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, t ticket, how mode) (ticket, error) {
	sh := &s.shards[t.shard()]
	limit := g.cfg.waitOf(c.Priority)
	if how&mayWait == 0 || limit <= 0 || g.dry || g.closed {
		full := &sh.full[classOf(c.Priority)>>32]
		if g.plain {
			full.Add(1)
			return ticket{}, g.overloaded(r, seq)
		}
		return s.refuse(ctx, g, c, r, seq, full, event{})
	}
	sh.blocked.Add(1)
	if ctx.Err() != nil {
		return s.gone(ctx, g, c, event{})
	}
	p := patience{wait: limit, left: remaining(ctx, c)}
	if spare := p.left - g.expectOf(c); spare < limit {
		p.wait, p.hurried = spare, true
	}
	if p.wait <= 0 {
		return s.late(ctx, g, c, r, seq, event{})
	}
	return s.wait(ctx, g, c, r, t, seq, p)
}

// expectOf is what an answer takes at best.
func (g *gate) expectOf(c *seawall.Class) time.Duration {
	if g.routes != nil && g.routes.active {
		if i, ok := g.routes.index[c.Route]; ok {
			return time.Duration(float64(g.expect) * float64(g.routes.weightOf(i)) / doneOne)
		}
	}
	return g.expect
}

// signed is +1 or -1 in the upper half of shard.offered.
func signed(up bool) uint64 {
	if up {
		return 1 << 32
	}
	return ^uint64(1<<32) + 1
}

// route is the place of a sample's route in a ticket.
func (g *gate) route(s *Shedder, c *seawall.Class) (bits uint64) {
	if g.routes == nil {
		return 0
	}
	return uint64(g.routes.of(s, c.Route)) << routeShift
}

// note makes an admitted request a sample.
func (s *Shedder) note(sh *shard, g *gate, n, seats int64) (bits uint64) {
	var flags uint32
	if n <= g.eligible {
		flags |= eligible
	}
	if n <= g.proven {
		flags |= proven
	}
	sh.ring[g.tick%ringSlots].admit(flags, seats)
	if n > sh.nMax.Load() {
		sh.nMax.Store(n) // a lost race costs one of two maxima
	}
	return uint64(g.tick)<<tickShift | uint64(flags)
}

// giveSeats passes seats to the best who waits, without n dipping, or frees
// them.
func (s *Shedder) giveSeats(seats int64) {
	if s.waiters.Load() > 0 {
		if s.handOver(seats) {
			return
		}
	} else {
		s.free(seats)
	}
	// Somebody may have begun to wait between the look and the return.
	if s.waiters.Load() > 0 {
		s.grant()
	}
}

// free returns seats. A floor is for a full house: when that is half empty, it
// is lifted at once and not at the next tick.
func (s *Shedder) free(seats int64) {
	n, g := s.n.Add(-seats), s.gate.Load()
	switch {
	case g.closed:
		s.signalIdle()
	case g.floor < allLevels && 2*n < g.limit && !g.firm:
		lifted := *g
		lifted.floor = allLevels
		s.gate.CompareAndSwap(g, &lifted) // or a tick has just decided anew
	}
}

// release ends a request that has so many seats more than its ticket says.
// Without a client, or cut short, it is no sample. The latency of a heavy
// request counts as often as it took seats, so that latencies times throughput,
// which is in seats as well, are seats.
func (s *Shedder) release(t *ticket, dropped bool, more int64) {
	if t.flags()&shadow != 0 {
		if !dropped {
			s.shards[t.shard()].done.Add(uint64(t.seats()) * doneOne) // the backend did that, too
		}
		s.releaseShadow()
		return
	}
	sh := &s.shards[t.shard()]
	seats := t.seats()
	g := s.gate.Load()
	weight := uint64(doneOne) // of the unsampled: the mean of the mix is 1
	if t.start != 0 && g.routes != nil && g.routes.active {
		weight = g.routes.weightOf(t.route())
	}
	if !dropped {
		sh.done.Add(uint64(seats+more) * weight)
	}
	s.giveSeats(seats + more)
	if t.start == 0 {
		return
	}
	now := s.now()
	c := &sh.ring[t.tick()%ringSlots]
	fresh := g.tick-t.tick() < ringAge
	if dropped { //nolint:nestif // the end of a sample
		if fresh {
			c.retract(t.flags(), seats)
		}
	} else {
		took := now - t.start
		units := uint64(took) >> unitShift
		if t.flags()&eligible != 0 {
			sh.routes[t.route()%maxRoutes].Add(weigh(units, 1))
		}
		if weight != doneOne {
			took = took * doneOne / int64(weight)
			units = units * doneOne / weight
		}
		if t.flags()&eligible != 0 && took > g.censor {
			c0 := uint64(g.censor) >> unitShift
			u := min(units, uint64(max(g.believe, g.censor))>>unitShift)
			if u > c0 {
				sh.overdue.Add((u - c0) * uint64(seats))
				sh.overdueSquares.Add(((u*u - c0*c0) >> 8) * uint64(seats))
			}
		}
		sh.returned.Add(weigh(units, seats))
		if fresh {
			c.giveBack(t.flags(), units, took < g.early, seats)
		}
	}
	if now >= s.due.Load() {
		s.tick(context.Background(), now)
	}
}
