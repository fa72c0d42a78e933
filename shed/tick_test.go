package shed

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// floored puts a floor into force that refuses all but Critical, until the next
// tick.
func floored(s *Shedder) {
	g := *s.gate.Load()
	g.floor = cohorts
	s.gate.Store(&g)
}

// The floor spares a wait in vain. In a house that has emptied there is none.
func TestFloorRefusesNobodyInAnEmptyHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pin(t, Config{}, "4")
		inside := make([]Permit, 4)
		for i := range inside {
			var err error
			if inside[i], err = s.TryAcquire(context.Background(), seawall.Class{}); err != nil {
				t.Fatal(err)
			}
		}
		floored(s)
		began := time.Now()
		for _, p := range []seawall.Priority{seawall.Normal, seawall.Sheddable, seawall.Background} {
			if _, err := s.Acquire(t.Context(), seawall.Class{Priority: p}); err == nil {
				t.Errorf("%v is let in", p)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a floor lets them wait for %v", took)
		}
		if st := s.Stats(); st.Floor != "normal" || st.Priorities[1].Floored != 1 || st.Priorities[3].Floored != 1 {
			t.Errorf("%+v", st)
		}
		for i := range inside {
			inside[i].Release()
		}
		for range 4 { // in the same instant
			if _, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Background}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The request whose tick lifts the floor is not refused by it, and counted as
// what became of it.
func TestFloorIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pin(t, Config{}, "1")
		p, err := s.TryAcquire(context.Background(), seawall.Class{})
		if err != nil {
			t.Fatal(err)
		}
		floored(s)
		time.Sleep(time.Minute)
		time.AfterFunc(10*time.Millisecond, p.Release)
		q, err := s.Acquire(t.Context(), seawall.Class{})
		if err != nil {
			t.Fatalf("the floor of a minute ago refuses: %v", err)
		}
		q.Release()
		st := s.Stats()
		if n := st.Priorities[1]; n.Offered != 2 || n.Admitted != 2 || n.Refused != 0 {
			t.Errorf("%+v", n)
		}
		for range 10 { // the counts of the ticks that follow are as right
			time.Sleep(60 * time.Millisecond)
			q, err := s.TryAcquire(context.Background(), seawall.Class{})
			if err != nil {
				t.Fatal(err)
			}
			q.Release()
			now := s.Stats()
			if n := now.Priorities[1]; n.Refused != 0 || now.RefusedShare > st.RefusedShare || now.State != "open" {
				t.Errorf("%s, refused share %v, %+v", now.State, now.RefusedShare, n)
			}
			st.RefusedShare = now.RefusedShare
		}
	})
}

// A limit that rises lets those in who wait, also when nobody leaves.
func TestTickHandsOutNewSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := seawall.Must(New(Config{MinLimit: 1}))
		s.mu.Lock()
		s.state.limit = 1
		s.state.base = baseline{mean: 0.02, square: 0.0005, cv2: 0.2, count: 1000, seen: 100, short: 0.02, shortSquare: 0.0005, shortCount: 1000}
		s.publish(s.gate.Load().cfg, s.now())
		s.mu.Unlock()
		class := seawall.Class{Priority: seawall.Critical}
		for range 20 { // so that most arrivals found a seat
			p, err := s.TryAcquire(context.Background(), class)
			if err != nil {
				t.Fatal(err)
			}
			p.Release()
		}
		p, err := s.TryAcquire(context.Background(), class)
		if err != nil {
			t.Fatal(err)
		}
		served := false
		go func() {
			q, err := s.Acquire(t.Context(), class)
			served = err == nil
			q.Release()
		}()
		time.Sleep(60 * time.Millisecond)
		r, _ := s.TryAcquire(context.Background(), seawall.Class{}) // runs the tick
		r.Release()
		synctest.Wait()
		if !served {
			t.Errorf("with a limit of %d one waits, and %d are inside", s.gate.Load().limit, s.n.Load())
		}
		p.Release()
	})
}

// Two who find a tick due run one.
func TestTickRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := seawall.Must(New(Config{}))
		time.Sleep(100 * time.Millisecond)
		now := s.now()
		s.tick(t.Context(), now)
		s.tick(t.Context(), now)
		if s.number != 1 || s.due.Load() != now+tickNanos {
			t.Errorf("tick number %d, the next is due in %v", s.number, time.Duration(s.due.Load()-now))
		}
		s.tick(t.Context(), now+tickNanos-1)
		if s.number != 1 {
			t.Error("a tick runs too early")
		}
		s.mu.Lock() // somebody else is at it: nobody waits for that
		s.tick(t.Context(), now+tickNanos)
		s.mu.Unlock()
		if s.number != 1 {
			t.Error("a tick runs while another one does")
		}
	})
}

// However many arrive, the samples of a tick stay a few hundred, and whatever is
// rare is still seen.
func TestSampleMask(t *testing.T) {
	for _, c := range []struct {
		arrivals float64
		want     uint32
	}{{0, 0}, {512, 0}, {513, 1}, {1024, 1}, {1025, 3}, {10_000, 31}, {1e6, 63}, {1e9, 63}} {
		if got := sampleMask(c.arrivals); got != c.want {
			t.Errorf("sampleMask(%v) = %d, want %d", c.arrivals, got, c.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := seawall.Must(New(Config{MinLimit: 1000}))
		for range 4 { // 100,000 a tick
			for i := range 100_000 {
				p, err := s.TryAcquire(context.Background(), seawall.Class{User: seawall.ID(i%1000 + 1)})
				if err != nil {
					t.Fatal(err)
				}
				p.Release()
			}
			time.Sleep(50 * time.Millisecond)
		}
		var samples uint64
		for i := range s.shards {
			samples += s.shards[i].met.Load() & countMask
		}
		if samples < 1000 || samples > 4000 {
			t.Errorf("%d samples of 100,000 arrivals, want about 100,000/64 and one a level", samples)
		}
		// Of each level the first in a tick is one, and finds out that it is due.
		for number := s.number; number < 20; number++ {
			p, _ := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical})
			p.Release()
			if mask := s.gate.Load().mask; s.number != number+1 {
				t.Fatalf("mask %d: the first request after 50ms is no sample", mask)
			}
			for i := range 40_000 {
				p, _ := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Sheddable, User: seawall.ID(i%1000 + 1)})
				p.Release()
			}
			time.Sleep(50 * time.Millisecond)
		}
		if p := s.Stats().Priorities[1]; p.Offered != 400_000 || p.Admitted != 400_000 {
			t.Errorf("%+v", p)
		}
	})
}
