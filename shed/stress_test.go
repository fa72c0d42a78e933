package shed

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// watcher counts events.
type watcher struct {
	admitted atomic.Int64
	rejected atomic.Int64
}

func (o *watcher) Observe(_ context.Context, e seawall.Event) {
	if e.Outcome == seawall.Admitted {
		o.admitted.Add(1)
	} else {
		o.rejected.Add(1)
	}
}

const (
	stressWorkers = 64
	stressSteps   = 150
)

// TestStress lets 64 goroutines do everything at once. Afterwards nobody is
// inside, nobody waits, and all have counted alike. It is short: run it with
// -race -count=100.
func TestStress(t *testing.T) {
	for _, c := range []struct {
		name       string
		close, dry bool // in the middle of it
	}{{"open", false, false}, {"close", true, false}, {"dry run", false, true}, {"dry run, close", true, true}} {
		t.Run(c.name, func(t *testing.T) { stress(t, c.close, c.dry) })
	}
}

func stress(t *testing.T, closes, dry bool) {
	o := &watcher{}
	cfg := Config{
		MinLimit: 1, MaxLimit: 20, DryRun: dry, Observer: o,
		CriticalWait: 3 * time.Millisecond, NormalWait: time.Millisecond, SheddableWait: 200 * time.Microsecond,
	}
	s := seawall.Must(New(cfg))
	if err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: "8"}); err != nil {
		t.Fatal(err)
	}
	var offered, admitted, rejected, inside atomic.Int64
	var workers sync.WaitGroup
	for worker := range stressWorkers {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), uint64(worker)))
			for step := range stressSteps {
				if closes && worker == 0 && step == stressSteps/2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(100))*time.Microsecond)
					_ = s.Close(ctx)
					cancel()
				}
				switch r.IntN(40) {
				case 0:
					next := cfg
					next.DryRun = dry && r.IntN(2) == 0
					next.MaxLimit = 8 + r.IntN(20)
					if err := s.Update(next); err != nil {
						t.Error(err)
					}
				case 1:
					_ = s.Update(Config{Budget: -1})
				case 2:
					v := "" // an end to it
					if n := r.IntN(9); n > 0 {
						v = strconv.Itoa(n)
					}
					if err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: v, For: time.Duration(r.IntN(1e6))}); err != nil {
						t.Error(err)
					}
				case 3:
					s.Snapshot()
				case 4:
					s.Controls()
				}
				offered.Add(1)
				class := seawall.Class{Priority: seawall.Priorities()[r.IntN(4)], User: seawall.ID(r.IntN(9))}
				p, err := stressAcquire(s, r, class)
				if err != nil {
					rejected.Add(1)
					if !errors.Is(err, seawall.ErrRejected) {
						t.Error(err)
					}
					continue
				}
				admitted.Add(1)
				inside.Add(1)
				linger(r)
				inside.Add(-1)
				switch r.IntN(8) {
				case 0:
					p.Drop()
				case 1:
					go p.Release() // at once with the one below
				}
				p.Release()
			}
		})
	}
	workers.Wait()
	if err := s.Close(t.Context()); err != nil { // goroutines of the last Release end before
		t.Error(err)
	}
	if _, err := s.TryAcquire(context.Background(), seawall.Class{}); !errors.Is(err, seawall.Draining) {
		t.Errorf("a closed one says %v", err)
	}
	rejected.Add(1)
	offered.Add(1)
	if n, w, q, d := s.n.Load(), s.waiters.Load(), s.queue.len(), s.shadows.Load(); n != 0 || w != 0 || q != 0 || d != 0 {
		t.Errorf("%d inside, %d (%d) wait, %d shadows; want nobody", n, w, q, d)
	}
	if a, r := o.admitted.Load(), o.rejected.Load(); a+r != offered.Load() || !dry && a != admitted.Load() {
		t.Errorf("%d offered, %d admitted, %d rejected; the Observer was told of %d and %d",
			offered.Load(), admitted.Load(), rejected.Load(), a, r)
	}
	var sum PriorityStats
	for _, p := range s.Stats().Priorities {
		sum.Offered += p.Offered
		sum.Admitted += p.Admitted
		sum.Refused += p.Refused
	}
	if sum.Offered != uint64(offered.Load()) || sum.Admitted != uint64(o.admitted.Load()) || sum.Refused != uint64(o.rejected.Load()) {
		t.Errorf("%d offered, the Observer was told of %d admitted, %d rejected; Stats say %+v",
			offered.Load(), o.admitted.Load(), o.rejected.Load(), sum)
	}
}

func stressAcquire(s *Shedder, r *rand.Rand, class seawall.Class) (Permit, error) {
	switch r.IntN(4) {
	case 0:
		return s.TryAcquire(context.Background(), class)
	case 1:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(2e6)))
		defer cancel()
		return s.Acquire(ctx, class)
	case 2:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return s.Acquire(ctx, class)
	default:
		return s.Acquire(context.Background(), class)
	}
}

// linger works for a moment, so that seats are taken.
func linger(r *rand.Rand) {
	for end := time.Now().Add(time.Duration(r.IntN(100_000))); time.Now().Before(end); {
		if r.IntN(3) == 0 {
			break
		}
	}
}

// TestNoLockIsHeldWhileObserving goes through every kind of decision alone, so
// that a lock that is taken is our own.
func TestNoLockIsHeldWhileObserving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &lockWatcher{t: t}
		cfg := Config{MinLimit: 1, Observer: o, CriticalWait: 20 * time.Millisecond}
		s := seawall.Must(New(cfg))
		o.s = s
		for round := range 3 {
			if err := s.Override(t.Context(), seawall.Override{Control: "limit", Value: strconv.Itoa(1 + round%2), For: time.Second}); err != nil {
				t.Fatal(err)
			}
			p, err := s.Acquire(t.Context(), seawall.Class{Priority: seawall.Critical})
			if err != nil {
				t.Fatal(err)
			}
			for range 200 { // some seconds: ticks, time-outs, the end of the override
				q, _ := s.Acquire(t.Context(), seawall.Class{Priority: seawall.Critical})
				q.Release()
				q, _ = s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Background})
				q.Release()
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			q, _ := s.Acquire(ctx, seawall.Class{})
			q.Release()
			s.Controls()
			s.Stats()
			if err := s.Update(cfg); err != nil {
				t.Fatal(err)
			}
			p.Release()
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.TryAcquire(context.Background(), seawall.Class{}); err == nil {
			t.Error("not closed")
		}
		if o.events < 1000 || o.limits == 0 || o.states == 0 {
			t.Errorf("told of %d decisions, %d states, %d limits: the test is too tame", o.events, o.states, o.limits)
		}
	})
}

type lockWatcher struct {
	t                      *testing.T
	s                      *Shedder
	events, states, limits int
}

func (o *lockWatcher) look(what string) {
	for name, mu := range map[string]*sync.Mutex{"mu": &o.s.mu, "queueMu": &o.s.queueMu} {
		if !mu.TryLock() {
			o.t.Errorf("%s is held while the Observer is told of %s", name, what)
			continue
		}
		mu.Unlock()
	}
}

func (o *lockWatcher) Observe(_ context.Context, e seawall.Event) {
	o.events++
	o.look(e.Outcome.String())
}

func (o *lockWatcher) ObserveState(context.Context, seawall.StateChange) {
	o.states++
	o.look("a state")
}

func (o *lockWatcher) ObserveLimit(context.Context, seawall.LimitChange) {
	o.limits++
	o.look("a limit")
}
