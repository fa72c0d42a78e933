package shed

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// The moments between two steps of a decision, in which somebody else may come.

func pin(t *testing.T, cfg Config, limit string) *Shedder {
	t.Helper()
	cfg.MinLimit = 1
	s := seawall.Must(New(cfg))
	if err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: limit}); err != nil {
		t.Fatal(err)
	}
	return s
}

// A seat that falls free while somebody waits is not for a newcomer.
func TestNewcomerDoesNotOvertake(t *testing.T) {
	s := pin(t, Config{}, "1")
	s.waiters.Store(1) // is in the queue, and about to be told
	if _, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical}); err == nil {
		t.Error("a newcomer takes the seat of one who waits")
	}
	s.waiters.Store(0)
	if _, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical}); err != nil {
		t.Error(err)
	}
}

// A seat that fell free after it was looked for, but before anybody was seen
// waiting, is found by the one who begins to wait.
func TestWhoBeginsToWaitLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pin(t, Config{}, "1")
		began := time.Now()
		class := seawall.Class{}
		g := s.gate.Load()
		tk, rej := s.wait(t.Context(), g, &class, g.epochs.rank(0, 0), ticket{s: s}, 1, patience{wait: time.Second, left: time.Hour})
		if rej != nil || time.Since(began) != 0 || s.n.Load() != 1 {
			t.Errorf("after %v: %v, %d inside", time.Since(began), rej, s.n.Load())
		}
		s.release(&tk, false, 0)
	})
}

// The time somebody waited is no part of the time the backend took.
func TestWaitIsNoPartOfTheSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pin(t, Config{}, "1")
		p, err := s.Acquire(t.Context(), seawall.Class{})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(30*time.Millisecond, p.Release)
		q, err := s.Acquire(t.Context(), seawall.Class{})
		if err != nil {
			t.Fatal(err)
		}
		if q.ticket.start != s.now() || q.ticket.start < int64(30*time.Millisecond) {
			t.Errorf("the sample begins at %v, want %v", time.Duration(q.ticket.start), time.Duration(s.now()))
		}
		q.Release()
	})
}

// meet runs f and g as nearly at the same moment as two cores can.
func meet(f, g func()) {
	var there atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		there.Add(1)
		for spins := 0; there.Load() < 2; spins++ {
			if spins > 100 { // more goroutines than cores
				runtime.Gosched()
			}
		}
		f()
	}()
	for there.Load() < 1 {
		runtime.Gosched()
	}
	there.Add(1)
	for range rand.IntN(100) { // at another moment each time
		_ = there.Load()
	}
	g()
	<-done
}

// rounds is how often a race is run. Each takes a microsecond or ten.
const rounds = 20_000

// One begins to wait just when the only seat falls free, and nobody comes later
// who would put it right.
func TestNoWakeUpIsLost(t *testing.T) {
	s := pin(t, Config{CriticalWait: 5 * time.Second}, "1")
	class := seawall.Class{Priority: seawall.Critical}
	for i := range rounds {
		p, err := s.TryAcquire(context.Background(), class)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		meet(p.Release, func() {
			q, err := s.Acquire(context.Background(), class)
			if err != nil {
				t.Fatalf("round %d: the seat is free, and nobody says so: %v after %v", i, err, time.Since(began))
			}
			q.Release()
		})
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// One takes a seat just when it is closed: either Close waits for them, or they
// are refused, and counted so.
func TestCloseSeesEverySeat(t *testing.T) {
	class := seawall.Class{Priority: seawall.Critical}
	for _, dry := range []bool{false, true} {
		both := 0
		for i := range rounds / 4 {
			s := seawall.Must(New(Config{DryRun: dry, MinLimit: 1}))
			if dry { // those without a seat are to be seen, too
				if err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: "1"}); err != nil {
					t.Fatal(err)
				}
				s.n.Add(1)
			}
			var p Permit
			var entered error
			closed := false
			done, cancel := context.WithCancel(context.Background())
			cancel()
			meet(func() {
				p, entered = s.TryAcquire(context.Background(), class)
			}, func() {
				if dry {
					s.n.Add(-1)
				}
				closed = s.Close(done) == nil // without waiting
			})
			if entered == nil && closed {
				t.Fatalf("round %d: closed while somebody is inside", i)
			}
			if entered == nil {
				both++
			}
			p.Release()
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := PriorityStats{Priority: seawall.Critical, Offered: 1}
			st := s.Stats().Priorities[0]
			if want.Refused = st.Refused; entered != nil {
				want.Refused = 1
			}
			want.Admitted = 1 - want.Refused
			if st.Offered != 1 || st.Refused != want.Refused || st.Admitted != want.Admitted {
				t.Fatalf("round %d: %v, and %+v", i, entered, st)
			}
		}
		if both == 0 || both == rounds/4 {
			t.Logf("dry run %v: %d of %d were let in", dry, both, rounds/4)
		}
	}
}

// The one a seat is passed on to leaves in the same moment.
func TestNoSeatIsLostWithItsReceiver(t *testing.T) {
	s := pin(t, Config{CriticalWait: 5 * time.Second}, "1")
	class := seawall.Class{Priority: seawall.Critical}
	served := 0
	for i := range rounds / 4 {
		p, err := s.TryAcquire(context.Background(), class)
		if err != nil {
			t.Fatalf("a seat is lost: %v", err)
		}
		ctx, leave := context.WithCancel(context.Background())
		var waiting sync.WaitGroup
		waiting.Go(func() {
			q, err := s.Acquire(ctx, class)
			if err == nil {
				served++
			}
			q.Release()
		})
		for s.waiters.Load() == 0 {
			runtime.Gosched()
		}
		if i%2 == 0 {
			meet(leave, p.Release)
		} else {
			leave() // and the seat falls free before they have got up
			p.Release()
		}
		waiting.Wait()
		if n := s.n.Load(); n != 0 || s.waiters.Load() != 0 {
			t.Fatalf("%d are inside, %d wait; want nobody", n, s.waiters.Load())
		}
	}
	t.Logf("%d of %d had the seat before they left", served, rounds/4)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Seats are added just when all are given back: whichever is first, none is left.
func TestAddCostMeetsTheEnd(t *testing.T) {
	s := pin(t, Config{}, "4000")
	for _, end := range []func(*Permit){(*Permit).Release, func(p *Permit) { p.Detach() }} {
		for i := range rounds {
			p, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical, Cost: 5})
			if err != nil {
				t.Fatal(err)
			}
			meet(func() { end(&p) }, func() { p.AddCost(3) })
			p.Release()
			if n, d := s.n.Load(), s.detached.Load(); n != 0 || d != 0 {
				t.Fatalf("round %d: %d inside, %d detached; want nobody", i, n, d)
			}
		}
	}
}
