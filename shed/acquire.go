package shed

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// Permit is a seat inside. Every Permit must be released, once; a second
// release does nothing. The zero Permit holds no seat.
//
// A Permit must not be copied after it has been received (go vet tells).
type Permit struct {
	ticket ticket
	done   atomic.Bool
}

// Release gives the seat back. The time since the Permit was received is a
// sample for the law.
func (p *Permit) Release() { p.end(false) }

// Drop gives the seat back without a sample: the work was cut short, or its
// duration says nothing about the backend.
func (p *Permit) Drop() { p.end(true) }

func (p *Permit) end(dropped bool) {
	if p.ticket.s != nil && !p.done.Swap(true) {
		p.ticket.s.release(&p.ticket, dropped)
	}
}

// ticket is a Permit without its guard: the middleware's form. It has three
// words, because the compiler keeps structs of up to four fields in registers
// and moves larger ones through memory, which cost more than all the rest.
type ticket struct {
	s     *Shedder // nil: nothing to give back
	start int64    // when the seat was taken; 0 if not sampled
	bits  uint64   // tick (32 bits), shard (24), flags (8)
}

func (t ticket) tick() uint32  { return uint32(t.bits >> 32) }
func (t ticket) shard() uint32 { return uint32(t.bits) >> 8 }
func (t ticket) flags() uint32 { return uint32(t.bits) & 0xff }

// Acquire asks for a seat. If none is free it waits in the order of priority
// and user, as long as the priority's wait allows and ctx is not done. The
// error is a *seawall.Rejection. Under load admitting and releasing costs about
// 30 ns and refusing 15 ns; with few requests, all of them timed, about 0.3 us
// (two readings of the clock, cold caches). Neither allocates.
func (s *Shedder) Acquire(ctx context.Context, c seawall.Class) (Permit, error) {
	t, err := s.acquire(ctx, &c, true)
	return Permit{ticket: t}, err
}

// TryAcquire is Acquire without waiting.
func (s *Shedder) TryAcquire(c seawall.Class) (Permit, error) {
	t, err := s.acquire(context.Background(), &c, false)
	return Permit{ticket: t}, err
}

// acquire is the hot path. It calls nothing, so that nothing has to be kept
// safe across calls. An error is a *seawall.Rejection: as an error it lets
// Acquire be inlined, and the Class be made where it is read.
func (s *Shedder) acquire(ctx context.Context, c *seawall.Class, wait bool) (ticket, error) {
	g := s.gate.Load()
	if c.Exempt {
		s.exempt.Add(1)
		s.observe(ctx, g, c, event{outcome: seawall.Admitted})
		return ticket{}, nil
	}
	var r rank
	if c.User == 0 {
		r = rankOfNobody(c.Priority)
	} else if r = g.epochs.rankOf(c.Priority, c.User); g.favours != nil && g.favours.has(c.User, g.second) {
		r = r.ahead()
	}
	level := r.level()
	below := level >= g.floor
	at := pick(len(s.shards))
	t := ticket{s: s, bits: uint64(at) << 8}
	sh := &s.shards[at]
	add := uint64(1)
	if below {
		add = 1<<32 | 1
	}
	seq := uint32(sh.offered[level].Add(add))
	sampled := (seq-1)&g.mask == 0
	if sampled {
		t.start = s.now()
		if t.start >= s.due.Load() {
			s.tick(ctx, t.start)
			g = s.gate.Load()
			// A floor of before a pause must not refuse the first who comes
			// after it.
			if now := level >= g.floor; now != below {
				below = now
				sh.offered[level].Add(signed(below))
			}
		}
		sh.met.Add(uint64(s.n.Load())<<countBits | 1)
	}
	if below {
		if g.plain {
			return ticket{}, g.overloaded(r, seq)
		}
		return s.refuse(ctx, g, c, r, seq, event{})
	}
	if s.waiters.Load() == 0 {
		for n := s.n.Load(); n < g.limit; n = s.n.Load() {
			if s.n.CompareAndSwap(n, n+1) {
				if sampled {
					t.bits |= s.note(sh, g, n+1)
				}
				if !g.plain || g.favours != nil || s.gate.Load().closed {
					return s.admitted(ctx, g, c, r, seq, t)
				}
				return t, nil
			}
		}
	}
	return s.full(ctx, g, c, r, seq, t, wait)
}

// admitted is the rest of an admission that somebody is told of, or that Close
// may not have seen.
func (s *Shedder) admitted(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, t ticket) (ticket, error) {
	if now := s.gate.Load(); now.closed {
		s.giveSeat()
		s.slow[r.class()].full.Add(1)
		return s.refuse(ctx, now, c, r, seq, event{})
	}
	if g.favours != nil && c.User != 0 {
		g.favours.admitted(c.User, g.second)
	}
	if g.cfg.Observer != nil {
		s.observeAdmitted(ctx, g, c, t)
	}
	return t, nil
}

// full goes on where there is no seat.
func (s *Shedder) full(ctx context.Context, g *gate, c *seawall.Class, r rank, seq uint32, t ticket, wait bool) (ticket, error) {
	s.shards[t.shard()].blocked.Add(1)
	limit := g.cfg.waitOf(c.Priority)
	if !wait || limit <= 0 || g.dry {
		s.slow[r.class()].full.Add(1)
		if g.plain {
			return ticket{}, g.overloaded(r, seq)
		}
		return s.refuse(ctx, g, c, r, seq, event{})
	}
	return s.wait(ctx, g, c, r, t, seq, limit)
}

// signed is +1 or -1 in the upper half of shard.offered.
func signed(up bool) uint64 {
	if up {
		return 1 << 32
	}
	return ^uint64(1<<32) + 1
}

// note makes an admitted request a sample.
func (s *Shedder) note(sh *shard, g *gate, n int64) (bits uint64) {
	var flags uint32
	if n <= g.eligible {
		flags |= eligible
	}
	if n <= g.proven {
		flags |= proven
	}
	sh.ring[g.tick%ringSlots].admit(flags)
	if n > sh.nMax.Load() {
		sh.nMax.Store(n) // a lost race costs one of two maxima
	}
	return uint64(g.tick)<<32 | uint64(flags)
}

// wait joins the queue. A newcomer who is better than the worst inside takes
// its place when there is no room.
func (s *Shedder) wait(ctx context.Context, g *gate, c *seawall.Class, r rank, t ticket, seq uint32, limit time.Duration) (ticket, error) {
	if t.start == 0 {
		t.start = s.now()
	}
	began := t.start
	slow := &s.slow[r.class()]
	w, ok := s.enqueue(r, g)
	if !ok {
		slow.full.Add(1)
		return s.refuse(ctx, g, c, r, seq, event{})
	}
	slow.waited.Add(1)
	v, gaveUp, timedOut := s.await(ctx, w, limit)

	now := s.now()
	waited := time.Duration(now - began)
	slow.waitNanos.Add(uint64(waited))
	seated := false
	switch {
	case gaveUp:
		slow.left.Add(1)
	case timedOut:
		slow.expired.Add(1)
	case v == granted:
		slow.granted.Add(1)
		seated = true
	default:
		slow.evicted.Add(1)
	}
	defer func() {
		if seated { // an Observer panicked
			s.release(&t, true)
		}
	}()
	if now >= s.due.Load() {
		s.tick(ctx, now)
	}
	g = s.gate.Load()
	switch {
	case gaveUp:
		return s.gone(ctx, g, c, waited)
	case !seated:
		return s.refuse(ctx, g, c, r, seq, event{wait: waited})
	}
	if g.favours != nil && c.User != 0 {
		g.favours.admitted(c.User, g.second)
	}
	t.start = now
	t.bits |= s.note(&s.shards[t.shard()], g, s.n.Load())
	s.observe(ctx, g, c, event{outcome: seawall.Admitted, wait: waited})
	seated = false
	return t, nil
}

// await waits for a verdict, which counts for nothing if the client gave up or
// the time is over.
func (s *Shedder) await(ctx context.Context, w *waiter, limit time.Duration) (v verdict, gaveUp, timedOut bool) {
	timer := time.NewTimer(limit) // not pooled: a Shedder may live in a synctest bubble and outside
	defer timer.Stop()
	select {
	case v = <-w.ready:
	case <-timer.C:
		timedOut = s.leave(w)
		if !timedOut {
			v = <-w.ready // told in the same moment
		}
	case <-ctx.Done():
		gaveUp = true
		if !s.leave(w) {
			v = <-w.ready
			if v == granted {
				s.giveSeat()
			}
		}
	}
	return v, gaveUp, timedOut
}

// enqueue reports false when everybody inside is better and there is no room.
func (s *Shedder) enqueue(r rank, g *gate) (*waiter, bool) {
	w := &waiter{rank: r, best: -1, worst: -1, ready: make(chan verdict, 1)}
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	if int64(s.queue.len()) >= 8*g.limit+16 {
		worst := s.queue.peekWorst()
		if r >= worst.rank {
			return nil, false
		}
		s.queue.remove(worst)
		worst.ready <- evicted
	}
	s.queue.push(w)
	s.waiters.Store(int32(s.queue.len()))
	s.grantLocked() // a seat may have fallen free before anybody was seen waiting
	return w, true
}

// leave takes w out of the queue; false means it was told already.
func (s *Shedder) leave(w *waiter) bool {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	removed := s.queue.remove(w)
	s.waiters.Store(int32(s.queue.len()))
	return removed
}

// grant fills free seats from the queue.
func (s *Shedder) grant() {
	if s.waiters.Load() == 0 {
		return
	}
	s.queueMu.Lock()
	s.grantLocked()
	s.queueMu.Unlock()
}

func (s *Shedder) grantLocked() {
	limit := s.gate.Load().limit // not an earlier one: Close may have come between
	for s.queue.len() > 0 {
		n := s.n.Load()
		if n >= limit {
			break
		}
		if s.n.CompareAndSwap(n, n+1) {
			s.queue.popBest().ready <- granted
		}
	}
	if s.gate.Load().closed {
		for w := s.queue.popBest(); w != nil; w = s.queue.popBest() {
			w.ready <- closed
		}
	}
	s.waiters.Store(int32(s.queue.len()))
}

// giveSeat passes a seat to the best who waits, without n dipping, or frees it.
func (s *Shedder) giveSeat() {
	if s.waiters.Load() > 0 {
		s.queueMu.Lock()
		if s.n.Load() <= s.gate.Load().limit {
			if w := s.queue.popBest(); w != nil {
				w.ready <- granted
				s.waiters.Store(int32(s.queue.len()))
				s.queueMu.Unlock()
				return
			}
		}
		s.free()
		s.queueMu.Unlock()
	} else {
		s.free()
	}
	// Somebody may have begun to wait between the look and the return.
	if s.waiters.Load() > 0 {
		s.grant()
	}
}

// free returns a seat. A floor is for a full house: when that is half empty, it
// is lifted at once and not at the next tick.
func (s *Shedder) free() {
	n, g := s.n.Add(-1), s.gate.Load()
	switch {
	case g.closed:
		s.signalIdle()
	case 2*n < g.limit && g.floor < allLevels:
		lifted := *g
		lifted.floor = allLevels
		s.gate.CompareAndSwap(g, &lifted) // or a tick has just decided anew
	}
}

// release ends a request. Without a client, or cut short, it is no sample.
func (s *Shedder) release(t *ticket, dropped bool) {
	if t.flags()&shadow != 0 {
		if !dropped {
			s.shards[t.shard()].done.Add(1) // the backend did that, too
		}
		s.releaseShadow()
		return
	}
	sh := &s.shards[t.shard()]
	if !dropped {
		sh.done.Add(1)
	}
	s.giveSeat()
	if t.start == 0 {
		return
	}
	now := s.now()
	g := s.gate.Load()
	c := &sh.ring[t.tick()%ringSlots]
	fresh := g.tick-t.tick() < ringAge
	if dropped {
		if fresh {
			c.retract(t.flags())
		}
	} else {
		took := now - t.start
		units := uint64(took) >> unitShift
		sh.returned.Add(min(units, maxSquared)<<countBits | 1)
		if fresh {
			c.giveBack(t.flags(), units, took < g.early)
		}
	}
	if now >= s.due.Load() {
		s.tick(context.Background(), now)
	}
}

// gone is the answer to a request whose context ended while it waited.
func (s *Shedder) gone(ctx context.Context, g *gate, c *seawall.Class, waited time.Duration) (ticket, error) {
	reason := seawall.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		reason = seawall.DeadlineExceeded
	}
	rej := &seawall.Rejection{Component: component, Name: g.cfg.Name, Reason: reason, Cause: context.Cause(ctx)}
	s.observe(ctx, g, c, event{outcome: seawall.Rejected, reason: reason, wait: waited})
	return ticket{}, rej
}
