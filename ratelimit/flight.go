package ratelimit

import (
	"context"
	"fmt"
	"time"
)

// ask decides by what the store says, if it says so in time.
func (s *Shared) ask(ctx context.Context, l *lease, a *question, patience time.Duration) (Decision, bill) {
	if !s.guard.Up() {
		if s.guard.May() {
			s.fly(l, a, a.cost) // is it back? nobody waits for that
		}
		return s.lost(l, a)
	}
	if patience <= 0 {
		return s.lost(l, a)
	}
	l.waiting.Add(a.cost)
	defer l.waiting.Add(-a.cost)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		f := s.fly(l, a, a.cost)
		if f == nil {
			return s.lost(l, a)
		}
		select {
		case <-f.done:
		case <-late.C:
			if clock()-f.began >= int64(s.cfg.Sharing.Budget)<<unitShift {
				f.call.Slow()
			}
			l.abandon(f)
			return s.lost(l, a)
		case <-ctx.Done():
			return s.lost(l, a)
		}
		a.now = clock()
		if d, b, ok := s.quick(l, a, Store); ok {
			return d, b
		}
		if f.lost || !s.guard.Up() {
			return s.lost(l, a)
		}
	}
}

// abandon lets others try anew: this call may hang for long.
func (l *lease) abandon(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight == f {
		l.fly(nil)
	}
}

// fly says which call is under way; the caller holds l.mu.
func (l *lease) fly(f *flight) {
	l.flight = f
	l.flying.Store(f != nil)
}

// fly returns the call about this bucket that is under way, or starts one; nil
// if none may be made now.
func (s *Shared) fly(l *lease, a *question, least int64) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight != nil {
		return l.flight
	}
	if !l.known {
		l.id, l.known = bucketID(s.cfg.Sharing.Secret, a.key), true
	}
	t := trip{m: a.m, upTo: a.upTo, hash: a.hash, window: a.window}
	if s.cfg.Sharing.OnLoss == Alone {
		t.group = s.alone.group(a.hash, a.key)
	}
	return s.launch(l, t, least)
}

// trip is what later calls about a bucket need of the first one's question.
type trip struct {
	m      *sharedMeters
	upTo   int64
	hash   uint64
	group  uint64
	window *calendarWindow
}

// launch starts a call. The caller holds l.mu.
func (s *Shared) launch(l *lease, t trip, least int64) *flight {
	now := clock()
	take := s.order(l, t, least, now)
	f := &flight{done: make(chan struct{}), began: now}
	l.fly(f)
	f.call = s.guard.Go(func(ctx context.Context) error { return s.call(ctx, l, f, t, take, now) })
	if f.call != nil {
		return f
	}
	l.fly(nil)
	l.back += take.Back
	l.used.Add(take.Used)
	return nil
}

// order is what to ask for: for the requests that wait, and beyond that for
// what will be used in the next 50 ms at the pace of the last lease, at most
// twice that one.
func (s *Shared) order(l *lease, t trip, least, now int64) RemoteTake {
	l.takeVoid(now)
	have := int64(l.word.Load() >> voidBits)
	want := max(least, l.waiting.Load())
	if !s.cfg.Sharing.Exact {
		size := 2 * l.size
		if took := now - l.landed; took > 0 && l.landed > 0 {
			pace := float64(max(l.level-have, 0)) / float64(took)
			size = min(size, int64(pace*float64(useFor<<unitShift)))
		}
		l.size = min(max(size, 1), t.m.most)
		want = max(want, l.size-have)
	}
	take := RemoteTake{
		Rate: t.m.whole.rate, UpTo: t.upTo, Least: least, Want: max(least, min(want, t.upTo, mostLease)),
		Back: l.back, Used: max(l.used.Swap(0), 0), State: l.state,
	}
	window := ""
	if t.window != nil {
		window, take.Until = t.window.label, t.window.ends
	}
	take.Key = l.key(s.prefix, window)
	l.back, l.window = 0, t.window
	return take
}

// call makes one, and lets those who wait for it go.
func (s *Shared) call(ctx context.Context, l *lease, f *flight, t trip, take RemoteTake, began int64) error {
	s.counts.calls.Add(1)
	landed := false
	defer func() { // also if the store panics
		if !landed {
			l.mu.Lock()
			l.used.Add(take.Used)
			if l.flight == f {
				l.fly(nil)
			}
			l.mu.Unlock()
			f.lost = true
			close(f.done)
		}
	}()
	got, err := s.cfg.Sharing.Store.TakeUpTo(ctx, take)
	if err != nil {
		return err
	}
	if got.Got < 0 || got.Got > take.Want || got.Got > 0 && got.Got < take.Least || len(got.State) > maxState {
		return fmt.Errorf("seawall/ratelimit: the store's answer is not of the question: got %d of %d to %d tokens", got.Got, take.Least, take.Want)
	}
	landed = true
	held := s.land(l, f, t, take, got, began)
	if s.cfg.Sharing.OnLoss == Alone { // what is leased here has not been used
		s.alone.raise(t.m.alone, t.hash, t.group, float64(t.m.whole.rate.Burst-got.Left-held)/float64(t.m.whole.rate.Burst))
	}
	return nil
}

const maxState = 64

func (s *Shared) land(l *lease, f *flight, t trip, take RemoteTake, got RemoteTaken, began int64) (held int64) {
	now := clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.counts.granted.Add(uint64(got.Got))
	s.counts.returned.Add(uint64(take.Back))
	l.state = got.State
	l.left.Store(min(max(got.Left, 0), t.m.whole.rate.Burst))
	short := got.Got < take.Want
	if short {
		wait := max(got.RetryAfter, refuseFor)
		if s.cfg.Sharing.Exact {
			wait = max(got.RetryAfter, 0)
		}
		l.least.Store(1)
		if got.Got == 0 {
			l.least.Store(max(take.Least, 1))
		}
		l.until.Store(now + int64(min(wait, 400*24*time.Hour))<<unitShift)
	} else {
		l.until.Store(0)
	}
	l.of = t.m
	l.inc.Store(t.m.whole.inc)
	l.add(got.Got, now, max(began+int64(leaseVoid)<<unitShift, now+int64(leaseVoid/4)<<unitShift))
	l.level = int64(l.word.Load() >> voidBits)
	l.landed = now
	low := l.level / 4
	if short || s.cfg.Sharing.Exact || t.m.most == 1 {
		low = 0 // there is nothing to fetch, or nothing to be held
	}
	l.low.Store(low)
	if l.flight == f {
		l.fly(nil)
	}
	close(f.done)
	if more := l.waiting.Load() - l.level; more > 0 && !short && l.flight == nil {
		s.launch(l, t, 1) // for those who came while this was under way
	}
	return l.level
}

// Close gives back what is leased, as far as it can before ctx is done, and
// waits for the calls under way. Decisions after it are those without a store.
func (s *Shared) Close(ctx context.Context) error {
	if s.closing.CompareAndSwap(false, true) {
		s.giveBack(ctx)
	}
	return s.guard.Close(ctx)
}

// giveBack is best effort: tokens that are not given back were debited.
func (s *Shared) giveBack(ctx context.Context) {
	m, atOnce := s.meters.Load(), make(chan struct{}, 64)
	s.leases.all(func(l *lease) {
		take, ok := l.lastTrip(s.prefix, m)
		if !ok || !s.guard.Up() {
			return
		}
		select {
		case atOnce <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if s.guard.Go(func(ctx context.Context) error {
			defer func() { <-atOnce }()
			_, err := s.cfg.Sharing.Store.TakeUpTo(ctx, take)
			if err == nil {
				s.counts.returned.Add(uint64(take.Back))
			}
			return err
		}) == nil {
			<-atOnce
		}
	})
}

// lastTrip empties a lease.
func (l *lease) lastTrip(prefix string, m *sharedMeters) (RemoteTake, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of != nil {
		m = l.of
	}
	take := RemoteTake{
		Rate: m.whole.rate, UpTo: m.whole.rate.Burst, Back: int64(l.word.Swap(0)>>voidBits) + l.back, State: l.state,
	}
	l.back = 0
	window := ""
	if l.window != nil {
		window, take.Until = l.window.label, l.window.ends
	}
	take.Key = l.key(prefix, window)
	return take, l.known && take.Back > 0
}
