package storeguard

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	budget   = 5 * time.Millisecond
	patience = 50 * time.Millisecond
	open     = 250 * time.Millisecond
)

var errDown = errors.New("connection refused")

// told is what OnChange was told.
type told struct {
	mu  sync.Mutex
	all []change
}

type change struct {
	up    bool
	cause error
	at    time.Time
}

func (l *told) tell(up bool, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, change{up, cause, time.Now()})
}

// want is "down", "up" and so on.
func (l *told) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var got []string
	for _, c := range l.all {
		got = append(got, map[bool]string{true: "up", false: "down"}[c.up])
		if c.up != (c.cause == nil) {
			t.Errorf("told up %v because of %v", c.up, c.cause)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("told %q, want %q", strings.Join(got, " "), want)
	}
}

func guard(calls int) (*Guard, *told) {
	l := new(told)
	return New(Config{Budget: budget, Patience: patience, Open: open, Calls: calls, OnChange: l.tell}), l
}

func fine(context.Context) error { return nil }

func fails(context.Context) error { return errDown }

func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// call makes one and waits until it has ended; it reports whether it was made.
func call(g *Guard, f func(context.Context) error) bool {
	ended := make(chan struct{})
	if g.Go(func(ctx context.Context) error {
		defer close(ended)
		return f(ctx)
	}) == nil {
		return false
	}
	<-ended
	synctest.Wait()
	return true
}

// giveUp makes calls that fail until the store is given up.
func giveUp(t *testing.T, g *Guard) {
	t.Helper()
	for range inARow {
		if g.Up() {
			call(g, fails)
		}
	}
	if g.Up() {
		t.Error("up after so many failures")
	}
}

// confirm has a second call fail, after the first pause.
func confirm(t *testing.T, g *Guard) {
	t.Helper()
	time.Sleep(firstOpen + time.Millisecond)
	if !call(g, fails) {
		t.Error("no call finds out")
	}
}

func closeGuard(t *testing.T, g *Guard) {
	t.Helper()
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// failures are all the ways in which a call can fail.
var failures = map[string]func(context.Context) error{
	"error":            fails,
	"slow":             takes(budget + time.Microsecond),
	"until its end":    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	"frozen":           takes(time.Minute),
	"panic":            func(context.Context) error { panic("a bug in the store") },
	"runtime.Goexit":   func(context.Context) error { runtime.Goexit(); return nil },
	"nil dereference":  func(context.Context) error { var p *int; *p = 1; return nil },
	"panic, and later": func(context.Context) error { time.Sleep(time.Second); panic("late") },
}

// TestEachFailure: the first that is slow gives the store up, if it has not answered
// anything within the budget before, and the third that is an error; after a while one call finds out whether it is
// back, and if it is not the next waits twice as long, up to Open. Each change is
// told once, and one late answer is none.
func TestEachFailure(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, l := guard(8)
				if !call(g, fine) || !g.Up() {
					t.Fatal("not up")
				}
				time.Sleep(time.Second)
				began := time.Now()
				for i := 0; i < inARow && g.Up(); i++ {
					if g.Go(failure) == nil {
						t.Fatal("no call was made")
					}
					time.Sleep(budget)
					synctest.Wait()
				}
				l.want(t, "")
				if g.Up() || g.May() {
					t.Errorf("%v after it began: up %v, may %v", time.Since(began), g.Up(), g.May())
				}
				for i, pause := range []time.Duration{firstOpen, 2 * firstOpen, 4 * firstOpen, 8 * firstOpen, open, open} {
					from := time.Now()
					for g.Go(fails) == nil {
						time.Sleep(100 * time.Microsecond)
					}
					if d := time.Since(from); d > pause+time.Millisecond || d < pause-budget-time.Millisecond {
						t.Errorf("probe %d after %v, want %v", i, d, pause)
					}
					l.want(t, "down")
				}
				time.Sleep(time.Minute)
				if g.Up() || !g.May() {
					t.Error("up without a call")
				}
				if !call(g, fine) || !g.Up() {
					t.Error("a call that is answered did not bring it back")
				}
				l.want(t, "down up")
				closeGuard(t, g)
			})
		})
	}
}

// TestSingleFailures: while others are answered, it takes three in a row.
func TestSingleFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(8)
		call(g, fine)
		for range 100 {
			for range inARow - 1 {
				call(g, fails)
			}
			call(g, fine)
		}
		l.want(t, "")
		for range inARow {
			call(g, fails)
		}
		l.want(t, "")
		if g.Up() {
			t.Error("up")
		}
		confirm(t, g)
		l.want(t, "down")
		if g.Up() || !errors.Is(l.all[0].cause, errDown) {
			t.Errorf("up %v, because of %v", g.Up(), l.all[0].cause)
		}
		closeGuard(t, g)
	})
}

// TestSlow: who has waited says so before the guard's own timer, and it counts
// once; an answer within the budget was one, whatever is said later.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(8)
		c := g.Go(takes(time.Second))
		time.Sleep(budget - time.Millisecond)
		if !g.Up() {
			t.Fatal("given up before the budget")
		}
		c.Slow()
		if g.Up() {
			t.Error("still up")
		}
		c.Slow()
		time.Sleep(firstOpen + time.Millisecond)
		g.Go(takes(time.Second)).Slow()
		l.want(t, "down")
		if !errors.Is(l.all[0].cause, ErrSlow) {
			t.Errorf("because of %v", l.all[0].cause)
		}
		time.Sleep(2 * time.Second) // its late answer changes nothing
		l.want(t, "down")
		for range 10 {
			c.Slow()
		}
		if !call(g, fine) {
			t.Fatal("no call")
		}
		answered := g.Go(takes(budget - time.Microsecond))
		time.Sleep(3 * budget)
		answered.Slow()
		l.want(t, "down up")
		closeGuard(t, g)
	})
}

// TestProbe: of any number of calls that want to find out, one is made; if it
// fails nobody may for another while.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(8)
		giveUp(t, g)
		for range 20 {
			time.Sleep(open + time.Millisecond)
			var made atomic.Int64
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if g.Go(takes(time.Second)) != nil {
						made.Add(1)
					}
				})
			}
			wg.Wait()
			if made.Load() != 1 {
				t.Errorf("%d calls to find out", made.Load())
			}
			time.Sleep(budget)
			synctest.Wait()
			if g.Up() || g.May() {
				t.Error("a probe that is slow brings it back")
			}
		}
		l.want(t, "down")
		time.Sleep(open + time.Millisecond)
		if !call(g, fine) {
			t.Error("no probe")
		}
		l.want(t, "down up")
		closeGuard(t, g)
	})
}

// TestLateAnswersOfBefore: what calls of before say when the store was given up
// meanwhile, or is back, changes nothing.
func TestLateAnswersOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(64)
		for range 20 {
			if g.Go(takes(time.Second)) == nil {
				t.Fatal("no call")
			}
		}
		time.Sleep(budget)
		confirm(t, g)
		l.want(t, "down")
		time.Sleep(open + time.Millisecond)
		call(g, fine)
		l.want(t, "down up")
		time.Sleep(time.Second) // now the 20 answer
		l.want(t, "down up")
		if !g.Up() {
			t.Error("not up")
		}
		closeGuard(t, g)
	})
}

// TestSlots: no more than Calls at once; those that are full are no failure, and
// are free again when calls end, however they do.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(3)
		for round := range 50 {
			for _, f := range []func(context.Context) error{
				takes(budget / 2), takes(budget / 3), takes(budget / 4),
			} {
				if g.Go(f) == nil {
					t.Fatalf("round %d: no call", round)
				}
			}
			for range 10 {
				if g.Go(fine) != nil {
					t.Fatal("a fourth call")
				}
			}
			if !g.Up() {
				t.Fatal("full is a failure")
			}
			time.Sleep(budget)
		}
		l.want(t, "")
		for name, f := range failures { // and all of these give theirs back
			if call(g, f) {
				time.Sleep(open + time.Millisecond)
				if n := len(g.slots); n != 0 {
					t.Errorf("%s: %d slots are taken", name, len(g.slots))
				}
			}
			time.Sleep(open + time.Millisecond)
			call(g, fine)
		}
		closeGuard(t, g)
	})
}

// TestNeverStuck: after any mix of failures, with slots full and probes that do
// not come back, it is up half a second after the store is.
func TestNeverStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(4)
		for round := range 30 {
			for name, f := range failures {
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for range 20 {
							if c := g.Go(f); c != nil && round%2 == 0 {
								time.Sleep(time.Millisecond)
								c.Slow()
							}
							time.Sleep(time.Duration(round) * time.Millisecond)
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Minute) // frozen ones end
				for end := time.Now().Add(2 * open); !g.Up() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					call(g, fine)
				}
				if !g.Up() {
					t.Fatalf("round %d: stuck after %s", round, name)
				}
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, c := range l.all {
			if c.up != (i%2 == 1) {
				t.Fatalf("change %d is up %v", i, c.up)
			}
		}
		if len(l.all) < 30 || len(l.all)%2 != 0 {
			t.Errorf("%d changes", len(l.all))
		}
		closeGuard(t, g)
	})
}

// TestPanicsAreTold: with what was thrown, and where.
func TestPanicsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, want := range map[string]string{"panic": "panic in a store: a bug in the store\n", "runtime.Goexit": "the call ended its goroutine", "until its end": "no answer in time"} {
			g, l := guard(1)
			giveUp(t, g)
			time.Sleep(firstOpen + time.Millisecond)
			g.Go(failures[name])
			time.Sleep(budget)
			l.want(t, "down")
			if got := l.all[0].cause.Error(); !strings.HasPrefix(got, want) || name == "panic" && !strings.Contains(got, "guard_test.go") {
				t.Errorf("%s: told %q", name, got)
			}
			closeGuard(t, g)
		}
	})
}

// TestPatience: the context of a call ends after that, and it may go on.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := guard(1)
		began := time.Now()
		call(g, func(ctx context.Context) error {
			<-ctx.Done()
			if d := time.Since(began); d != patience || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("the context ended after %v: %v", d, ctx.Err())
			}
			return nil
		})
		closeGuard(t, g)
	})
}

// TestClose: no more calls after it, it waits for those under way, not longer than
// it may, and cancels them then. Again is no harm.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := guard(4)
		began := time.Now()
		g.Go(takes(3 * time.Millisecond))
		closeGuard(t, g)
		if d := time.Since(began); d != 3*time.Millisecond {
			t.Errorf("waited %v for a call of 3 ms", d)
		}
		if g.Go(fine) != nil {
			t.Error("a call after Close")
		}
		closeGuard(t, g)
		if len(g.slots) != 0 {
			t.Errorf("%d slots are taken by calls that were not made", len(g.slots))
		}

		g = New(Config{Budget: time.Hour, Patience: time.Hour, Open: open, Calls: 1, OnChange: l.tell})
		began = time.Now()
		var ended atomic.Bool
		g.Go(func(ctx context.Context) error {
			<-ctx.Done()
			ended.Store(true)
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
		if !ended.Load() {
			t.Error("the call was not told to end")
		}
		closeGuard(t, g)
	})
}

// TestWithoutOnChange: nobody need be told.
func TestWithoutOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Budget: budget, Patience: patience, Open: open, Calls: 1})
		giveUp(t, g)
		if g.Up() {
			t.Error("up")
		}
		closeGuard(t, g)
	})
}

// TestCallersOfOnChange: it may ask the guard, for no lock is held.
func TestCallersOfOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g *Guard
		var said []bool
		g = New(Config{Budget: budget, Patience: patience, Open: open, Calls: 2, OnChange: func(up bool, _ error) {
			said = append(said, up, g.Up(), g.Go(fine) != nil)
		}})
		giveUp(t, g)
		confirm(t, g)
		time.Sleep(open + time.Millisecond)
		call(g, fine)
		synctest.Wait()
		if len(said) != 6 || said[0] || said[1] || said[2] || !said[3] || !said[4] || !said[5] {
			t.Errorf("%v", said)
		}
		closeGuard(t, g)
	})
}
