package shed

import (
	"context"
	"math"
	"time"

	"github.com/seawall-go/seawall"
)

// patience is how long a request may wait for its seats.
type patience struct {
	wait time.Duration
	// left is until its client gives up, and hurried that this, and not the
	// priority, is what bounds the wait.
	left    time.Duration
	hurried bool
}

// remaining is how much longer the client waits for its answer.
func remaining(ctx context.Context, c *seawall.Class) time.Duration {
	left := time.Duration(math.MaxInt64)
	if c.Budget > 0 {
		left = c.Budget
	}
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	return left
}

// wait joins the queue. A newcomer who is better than the worst inside takes
// its place when there is no room.
func (s *Shedder) wait(ctx context.Context, g *gate, c *seawall.Class, r rank, t ticket, seq uint32, p patience) (ticket, error) {
	if t.start == 0 {
		t.start = s.now()
	}
	began := t.start
	slow := s.slowOf(c)
	w, ok := s.enqueue(r, g, t.seats())
	if !ok {
		return s.refuse(ctx, g, c, r, seq, &slow.full, event{})
	}
	slow.waited.Add(1)
	v := s.await(ctx, w, p.wait)

	now := s.now()
	waited := time.Duration(now - began)
	slow.waitNanos.Add(uint64(waited))
	slow.ended.Add(1)
	seated := false
	if v == granted {
		// What it was granted, as the limit may be another one by now.
		t = t.withSeats(w.seats)
		switch {
		case ctx.Err() != nil:
			v = left
			s.giveSeats(w.seats)
		case waited >= p.left:
			v, p.hurried = expired, true
			s.giveSeats(w.seats)
		default:
			seated = true
		}
	}
	defer func() {
		if seated { // an Observer panicked
			s.release(&t, true, 0)
		}
	}()
	if now >= s.due.Load() {
		s.tick(ctx, now)
	}
	g = s.gate.Load()
	e := event{wait: waited}
	switch {
	case v == left:
		return s.gone(ctx, g, c, e)
	case v == expired && p.hurried:
		return s.late(ctx, g, c, r, seq, e)
	case !seated:
		return s.refuse(ctx, g, c, r, seq, &slow.expired, e)
	}
	if g.favours != nil && c.User != 0 {
		g.favours.admitted(c.User, g.second)
	}
	t.start = now
	t.bits |= s.note(&s.shards[t.shard()], g, s.n.Load(), w.seats) | g.route(s, c)
	e.outcome = seawall.Admitted
	s.observe(ctx, g, c, e)
	seated = false
	return t, nil
}

// await waits for a verdict, until the client gives up or the time is over.
func (s *Shedder) await(ctx context.Context, w *waiter, limit time.Duration) verdict {
	timer := time.NewTimer(limit) // not pooled: a Shedder may live in a synctest bubble and outside
	defer timer.Stop()
	select {
	case v := <-w.ready:
		return v
	case <-timer.C:
		if s.leave(w) {
			return expired
		}
	case <-ctx.Done():
		if s.leave(w) {
			return left
		}
	}
	return <-w.ready // told in the same moment
}

// enqueue reports false when everybody inside is better and there is no room.
// The queue's room is counted in seats, as that is what has to fall free.
func (s *Shedder) enqueue(r rank, g *gate, seats int64) (*waiter, bool) {
	w := &waiter{rank: r, seats: seats, best: -1, worst: -1, ready: make(chan verdict, 1)}
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	for evictions := 0; s.queue.seats+seats > 8*g.limit+16; evictions++ {
		worst := s.queue.peekWorst()
		if worst == nil || r >= worst.rank {
			// Nobody is evicted for nothing: a heavy one that has made room, but
			// not enough, stays.
			if evictions == 0 {
				return nil, false
			}
			break
		}
		s.queue.remove(worst)
		worst.ready <- evicted
	}
	s.queue.push(w)
	s.waiters.Store(int32(s.queue.seats)) // before the look at the seats: who frees one looks the other way round
	s.grantLocked()                       // seats may have fallen free before anybody was seen waiting
	return w, true
}

// leave takes w out of the queue; false means it was told already. A heavy
// waiter that goes may have kept others from seats that are too few for it.
func (s *Shedder) leave(w *waiter) bool {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	removed := s.queue.remove(w)
	s.grantLocked()
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

// grantLocked is strict: while the best one needs more seats than are free,
// nobody behind it gets any.
func (s *Shedder) grantLocked() {
	limit := s.gate.Load().limit // not an earlier one: Close may have come between
	for w := s.queue.peekBest(); w != nil; w = s.queue.peekBest() {
		n, seats := s.n.Load(), min(w.seats, mostSeats(limit))
		if n+seats > limit {
			break
		}
		if s.n.CompareAndSwap(n, n+seats) {
			s.queue.popBest()
			w.seats = seats
			w.ready <- granted
		}
	}
	if s.gate.Load().closed {
		for w := s.queue.popBest(); w != nil; w = s.queue.popBest() {
			w.ready <- closed
		}
	}
	s.waiters.Store(int32(s.queue.seats))
}

// handOver passes seats on to those who wait, as far as they are enough, and
// frees the rest; true means that there was none.
func (s *Shedder) handOver(seats int64) bool {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	limit := s.gate.Load().limit
	for seats > 0 && s.n.Load() <= limit {
		w := s.queue.peekBest()
		if w == nil || min(w.seats, mostSeats(limit)) > seats {
			break
		}
		s.queue.popBest()
		w.seats = min(w.seats, mostSeats(limit))
		seats -= w.seats
		w.ready <- granted
	}
	s.waiters.Store(int32(s.queue.seats))
	if seats > 0 {
		s.free(seats)
	}
	return seats == 0
}
