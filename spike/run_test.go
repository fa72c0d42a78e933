package spike

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func instant(context.Context, *Request) Outcome { return Success }

// stall answers nobody.
func stall(ctx context.Context, _ *Request) Outcome {
	<-ctx.Done()
	return gone(ctx)
}

// after answers everybody with o after d.
func after(d time.Duration, o Outcome) Target {
	return func(ctx context.Context, _ *Request) Outcome {
		if sleep(ctx, d) != nil {
			return gone(ctx)
		}
		return o
	}
}

// run runs a load in virtual time.
func run(t *testing.T, l Load, target Target) (rec *Record) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if rec, err = l.Run(t.Context(), target, nil); err != nil {
			t.Fatal(err)
		}
	})
	return rec
}

func outcomes(rec *Record) (n [numOutcomes]int) {
	for _, s := range rec.Samples {
		n[s.Outcome]++
	}
	return n
}

// TestOpenLoop: a server that answers nobody sees the arrivals that one sees
// which answers at once.
func TestOpenLoop(t *testing.T) {
	l := alone(Step(100, 2000, sec, sec), 3*sec)
	fast, stuck := run(t, l, instant), run(t, l, stall)
	if len(fast.Samples) < 2000 || len(fast.Samples) != len(stuck.Samples) {
		t.Fatalf("%d requests to a fast target, %d to a stuck one", len(fast.Samples), len(stuck.Samples))
	}
	for i, s := range stuck.Samples {
		f := fast.Samples[i]
		if s.Intended != f.Intended || s.User != f.User || s.Lag != 0 {
			t.Fatalf("request %d: %+v of a stuck target, %+v of a fast one", i, s, f)
		}
		if f.Outcome != Success || f.Latency != 0 || s.Outcome != TimedOut || s.Latency != sec {
			t.Fatalf("request %d: %+v of a stuck target, %+v of a fast one", i, s, f)
		}
	}
	if stuck.Elapsed < 3*sec || stuck.Elapsed > 4*sec {
		t.Errorf("the run took %v", stuck.Elapsed)
	}
}

func TestSameSeedSameRecord(t *testing.T) {
	l := Load{Profile: Step(100, 1000, sec, sec), Duration: 3 * sec, Seed: 3}
	target := func(ctx context.Context, r *Request) Outcome {
		if r.User%3 == 0 {
			return Rejected
		}
		return after(time.Duration(r.User)*time.Millisecond/10, Success)(ctx, r)
	}
	a, b := run(t, l, target), run(t, l, target)
	if !slices.Equal(a.Samples, b.Samples) {
		t.Error("two runs with the same seed differ")
	}
	ids := map[uint64]bool{}
	for _, s := range a.Samples {
		if ids[s.ID] {
			t.Fatalf("request id %d twice", s.ID)
		}
		ids[s.ID] = true
	}
}

// TestLateAnswerIsNoSuccess: the client has gone.
func TestLateAnswerIsNoSuccess(t *testing.T) {
	deaf := func(o Outcome) Target {
		return func(context.Context, *Request) Outcome {
			time.Sleep(sec + time.Millisecond)
			return o
		}
	}
	for o, want := range map[Outcome]Outcome{Success: TimedOut, Failed: TimedOut, Rejected: Rejected, Dropped: Failed, 77: Failed} {
		rec := run(t, alone(Steady(100), sec), deaf(o))
		if n := outcomes(rec); n[want] != len(rec.Samples) {
			t.Errorf("a late %v: %v, want %v", o, n, want)
		}
	}
	if rec := run(t, alone(Steady(100), sec), after(999*time.Millisecond, Success)); outcomes(rec)[Success] != len(rec.Samples) {
		t.Error("an answer in time is no success")
	}
}

func TestJourneySteps(t *testing.T) {
	l := Load{Profile: Steady(500), Duration: 40 * sec, Journeys: Journeys{Share: 0.3, Length: 3, Think: 20 * time.Millisecond}}
	rec := run(t, l, after(10*time.Millisecond, Success))
	type journey struct {
		steps []Sample
	}
	all := map[uint32]*journey{}
	inJourneys := 0
	for _, s := range rec.Samples {
		if s.Journey == 0 {
			if s.Step != 0 {
				t.Fatalf("a step without a journey: %+v", s)
			}
			continue
		}
		inJourneys++
		if all[s.Journey] == nil {
			all[s.Journey] = &journey{}
		}
		all[s.Journey].steps = append(all[s.Journey].steps, s)
	}
	if share := float64(inJourneys) / float64(len(rec.Samples)); share < 0.28 || share > 0.32 {
		t.Errorf("%.3f of the requests belong to journeys, want 0.3", share)
	}
	near(t, "requests", float64(len(rec.Samples)), 20_000, 6)
	pauses, n := time.Duration(0), 0
	for _, j := range all {
		for i, s := range j.steps {
			if int(s.Step) != i+1 || s.User != j.steps[0].User || s.Priority != j.steps[0].Priority {
				t.Fatalf("step %d: %+v after %+v", i+1, s, j.steps[0])
			}
			if i > 0 {
				pause := s.Intended - j.steps[i-1].Intended - j.steps[i-1].Latency
				if pause < 0 {
					t.Fatalf("step %d began %v before the answer to the one before it", i+1, -pause)
				}
				pauses, n = pauses+pause, n+1
			}
		}
		if len(j.steps) > 3 {
			t.Fatalf("a journey of %d steps", len(j.steps))
		}
	}
	if mean := pauses / time.Duration(n); mean < 18*time.Millisecond || mean > 22*time.Millisecond {
		t.Errorf("mean pause %v, want 20ms", mean)
	}
}

func TestJourneyIsGivenUp(t *testing.T) {
	l := Load{Profile: Steady(200), Duration: 10 * sec, Journeys: Journeys{Share: 1, Length: 4}}
	rec := run(t, l, func(_ context.Context, r *Request) Outcome {
		if r.Step == 2 {
			return Rejected
		}
		return Success
	})
	steps := map[uint8]int{}
	for _, s := range rec.Samples {
		steps[s.Step]++
	}
	if steps[1] == 0 || steps[2] < steps[1]*9/10 || steps[3]+steps[4] > 0 {
		t.Errorf("steps %v, want none after the second", steps)
	}
}

func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		name     string
		retries  Retries
		target   func() Target
		attempts uint8
		outcome  Outcome
		latency  time.Duration
	}{
		{"none", Retries{}, func() Target { return after(0, Rejected) }, 1, Rejected, 0},
		{"in vain", Retries{Max: 2}, func() Target { return after(time.Millisecond, Rejected) }, 3, Rejected, 3 * time.Millisecond},
		{"delayed", Retries{Max: 2, Delay: 10 * time.Millisecond}, func() Target { return after(time.Millisecond, Failed) }, 3, Failed, 23 * time.Millisecond},
		{"second succeeds", Retries{Max: 5}, func() Target { return atAttempt(2, Success) }, 2, Success, time.Millisecond},
		{"last succeeds", Retries{Max: 5}, func() Target { return atAttempt(6, Success) }, 6, Success, 5 * time.Millisecond},
		{"each has its patience", Retries{Max: 1}, func() Target { return stall }, 2, TimedOut, 2 * sec},
	} {
		l := alone(Steady(100), 5*sec)
		l.Retries = tt.retries
		rec := run(t, l, tt.target())
		attempts := uint64(0)
		for _, s := range rec.Samples {
			attempts += uint64(s.Attempts)
			if s.Intended > 2*sec {
				continue // nothing is tried again after the end of the load
			}
			if s.Attempts != tt.attempts || s.Outcome != tt.outcome || s.Latency != tt.latency {
				t.Fatalf("%s: %+v", tt.name, s)
			}
		}
		if rec.Attempts != attempts {
			t.Errorf("%s: %d attempts in all, %d of the requests", tt.name, rec.Attempts, attempts)
		}
		if rec.Elapsed > 6*sec {
			t.Errorf("%s: the run took %v", tt.name, rec.Elapsed)
		}
	}
}

// atAttempt is Rejected after 1 ms until an attempt, which has outcome o at
// once.
func atAttempt(n int, o Outcome) Target {
	return func(ctx context.Context, r *Request) Outcome {
		if r.Attempt == n {
			return o
		}
		return after(time.Millisecond, Rejected)(ctx, r)
	}
}

// gauge counts who is inside.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func TestMaxInFlight(t *testing.T) {
	l := alone(Steady(1000), 3*sec)
	l.MaxInFlight = 100
	var g gauge
	rec := run(t, l, func(ctx context.Context, r *Request) Outcome {
		g.add(1)
		defer g.add(-1)
		return stall(ctx, r)
	})
	n := outcomes(rec)
	if g.most != 100 {
		t.Errorf("%d were in flight, want 100", g.most)
	}
	if n[Dropped] < 2000 || uint64(n[Dropped]) != rec.Dropped || n[Dropped]+n[TimedOut] != len(rec.Samples) {
		t.Errorf("outcomes %v, %d dropped of %d", n, rec.Dropped, len(rec.Samples))
	}
	near(t, "requests", float64(len(rec.Samples)), 3000, 5) // dropping does not slow the arrivals
	for _, s := range rec.Samples {
		if s.Outcome == Dropped && (s.Attempts != 0 || s.Latency != 0) {
			t.Fatalf("dropped, and yet %+v", s)
		}
	}
}

func TestMaxRequests(t *testing.T) {
	l := Load{Profile: Steady(1000), Duration: 3 * sec, MaxRequests: 500}
	rec := run(t, l, instant)
	if len(rec.Samples) != 500 || rec.Attempts != 500 || rec.Dropped < 2000 {
		t.Errorf("%d samples, %d attempts, %d dropped", len(rec.Samples), rec.Attempts, rec.Dropped)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(why) })
		l := Load{Profile: Steady(100), Duration: time.Hour, Retries: Retries{Max: 100, Delay: sec}, Timeout: time.Minute}
		start := time.Now()
		rec, err := l.Run(ctx, stall, nil)
		if err != why || rec == nil {
			t.Fatalf("got %v, %v", rec, err)
		}
		if took := time.Since(start); took != 1500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if n := outcomes(rec); n[Failed] != len(rec.Samples) || n[Failed] < 100 {
			t.Errorf("outcomes %v", n)
		}
	})
}

// TestGoexitInTarget: a target that ends its goroutine is a failure, and
// loses nothing.
func TestGoexitInTarget(t *testing.T) {
	l := alone(Steady(1000), 2*sec)
	l.MaxInFlight = 5
	rec := run(t, l, func(context.Context, *Request) Outcome {
		runtime.Goexit()
		return Success
	})
	if n := outcomes(rec); n[Failed] != len(rec.Samples) || n[Failed] < 1800 {
		t.Errorf("outcomes %v of %d", n, len(rec.Samples))
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu   sync.Mutex
			seen []Progress
		)
		l := Load{Profile: Steady(100), Duration: 1100 * time.Millisecond}
		rec, err := l.Run(t.Context(), after(250*time.Millisecond, Success), func(p Progress) {
			if !mu.TryLock() {
				t.Error("progress is called twice at once")
				return
			}
			defer mu.Unlock()
			seen = append(seen, p)
			time.Sleep(50 * time.Millisecond) // a slow one
		})
		if err != nil {
			t.Fatal(err)
		}
		last := seen[len(seen)-1]
		if len(seen) < 6 || seen[0] != (Progress{}) || !last.Done || last.InFlight != 0 {
			t.Errorf("%d reports, the first %+v, the last %+v", len(seen), seen[0], last)
		}
		if int(last.Success) != len(rec.Samples) || last.Attempts != rec.Attempts {
			t.Errorf("the last report %+v, the record %d samples and %d attempts", last, len(rec.Samples), rec.Attempts)
		}
		if mid := seen[3]; mid.InFlight < 5 || mid.InFlight > 60 || mid.Success == 0 || mid.Done {
			t.Errorf("in the middle %+v", mid)
		}
		for i := 1; i < len(seen)-1; i++ {
			if seen[i].At < seen[i-1].At || seen[i].Success < seen[i-1].Success || seen[i].Done {
				t.Errorf("report %d: %+v after %+v", i, seen[i], seen[i-1])
			}
		}
		for _, s := range rec.Samples {
			if s.Lag != 0 {
				t.Fatalf("a slow progress function delays requests: %+v", s)
			}
		}
	})
}

// TestRunStopsInTheMiddleOfABurst: also while it never waits.
func TestRunStopsInTheMiddleOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := alone(Steady(1000), time.Hour)
		sent := 0
		rec, err := l.Run(ctx, func(context.Context, *Request) Outcome {
			time.Sleep(10 * sec) // deaf to its context
			return Success
		}, func(p Progress) {
			if sent++; sent == 3 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || len(rec.Samples) < 300 || len(rec.Samples) > 500 {
			t.Errorf("%d samples, %v", len(rec.Samples), err)
		}
		if n := outcomes(rec); n[TimedOut] != len(rec.Samples) {
			t.Errorf("outcomes %v", n)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := alone(Steady(1e6), time.Hour)
	if rec, err := l.Run(ctx, instant, nil); err == nil || len(rec.Samples) > 0 {
		t.Errorf("a run that is over before it begins: %d samples, %v", len(rec.Samples), err)
	}
}

// TestJourneyPausesCount: a journey that thinks is under way.
func TestJourneyPausesCount(t *testing.T) {
	l := Load{
		Profile: Steady(500), Duration: time.Minute, MaxInFlight: 20,
		Journeys: Journeys{Share: 1, Length: 100, Think: 20 * sec},
	}
	dropped := outcomes(run(t, l, instant))[Dropped]
	if dropped < 100 { // of 300 journeys, which take no time but for their pauses
		t.Errorf("%d dropped", dropped)
	}
	l.Journeys.Think = time.Microsecond
	if n := outcomes(run(t, l, instant)); n[Dropped] != 0 {
		t.Errorf("without pauses: %v", n)
	}
}

// TestNothingBeginsAfterTheEnd: neither steps nor attempts.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	l := Load{
		Profile: Steady(3000), Duration: 2 * sec, Retries: Retries{Max: 50, Delay: 20 * ms},
		Journeys: Journeys{Share: 0.9, Length: 50},
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rec, err := l.Run(t.Context(), func(ctx context.Context, r *Request) Outcome {
			if now := time.Since(start); now >= l.Duration {
				t.Errorf("a request begins after %v: %+v", now, r)
			}
			if r.User%2 == 0 {
				return after(30*ms, Rejected)(ctx, r)
			}
			return after(30*ms, Success)(ctx, r)
		}, nil)
		if err != nil || rec.Elapsed > l.Duration+30*ms {
			t.Errorf("ended after %v: %v", rec.Elapsed, err)
		}
	})
}
