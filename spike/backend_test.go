package spike

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// bench is a backend of constant service times without contention.
func bench(t *testing.T, slots int, service time.Duration) *Backend {
	t.Helper()
	b, err := NewBackend(BackendConfig{Slots: slots, Service: Constant(service), Contention: seawall.Off})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackendDefaults(t *testing.T) {
	b, err := NewBackend(BackendConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c := b.Config()
	if c.Slots != 24 || c.Service.Mean() != 80*ms || c.Contention != 0.002 || c.MaxSlowdown != 4 {
		t.Errorf("got %+v", c)
	}
	if got := b.Capacity(); math.Abs(got-300) > 1e-6 {
		t.Errorf("capacity %v, want 300", got)
	}
	if (BackendConfig{Slots: -1}).Capacity() != 0 {
		t.Error("a wrong configuration has a capacity")
	}
}

func TestBackendValidate(t *testing.T) {
	for want, c := range map[string]BackendConfig{
		"Slots must be between 1 and 1000000 (got -1)": {Slots: -1},
		"Service.Modes[0].Mean":                        {Service: Constant(-1)},
		"Contention must be 0 or more (got -0.5)":      {Contention: -0.5},
		"Contention must be 0 or more (got NaN)":       {Contention: math.NaN()},
		"MaxSlowdown must be at least 1 (got 0.5)":     {MaxSlowdown: 0.5},
		"MaxSlowdown must be at least 1 (got +Inf)":    {MaxSlowdown: math.Inf(1)},
	} {
		if _, err := NewBackend(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

// TestBackendIsFirstCome: ten at once on two slots are served in their order,
// two at a time.
func TestBackendIsFirstCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 2, 100*ms)
		start := time.Now()
		var (
			mu    sync.Mutex
			order []int
			ends  []time.Duration
		)
		for i := range 10 {
			go func() {
				if err := b.Serve(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order, ends = append(order, i/2), append(ends, time.Since(start))
			}()
			synctest.Wait()
		}
		if s := b.Stats(); s.InService != 2 || s.Waiting != 8 {
			t.Errorf("got %+v", s)
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("served in the order %v", order)
		}
		for i, end := range ends {
			if want := time.Duration(i/2+1) * 100 * ms; end != want {
				t.Errorf("number %d ended after %v, want %v", i, end, want)
			}
		}
		if s := b.Stats(); s.Served != 10 || s.Busy != sec || s.Wasted != 0 || s.InService+s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestBackendQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		go b.Serve(t.Context())
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		start := time.Now()
		go func() { // in the middle of the queue
			if err := b.Serve(short); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 50*ms {
				t.Errorf("left after %v with %v", time.Since(start), err)
			}
		}()
		synctest.Wait()
		done := make(chan time.Duration, 1)
		go func() {
			_ = b.Serve(t.Context())
			done <- time.Since(start)
		}()
		synctest.Wait()
		if s := b.Stats(); s.Waiting != 2 {
			t.Errorf("%d wait, want 2", s.Waiting)
		}
		if took := <-done; took != 200*ms {
			t.Errorf("the one behind ended after %v, want 200ms", took)
		}
		if s := b.Stats(); s.Left != 1 || s.Served != 2 || s.Wasted != 0 {
			t.Errorf("got %+v", s)
		}
		if err := b.Serve(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has gone before coming gets %v", err)
		}
	})
}

// TestBegunWorkRunsToItsEnd: Serve does not return before, and the slot time
// is wasted.
func TestBegunWorkRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		ctx, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		start := time.Now()
		if err := b.Serve(ctx); err != nil || time.Since(start) != 100*ms {
			t.Errorf("returned after %v with %v", time.Since(start), err)
		}
		_ = b.Serve(t.Context())
		if s := b.Stats(); s.Served != 2 || s.WastedRequests != 1 || s.Busy != 200*ms || s.Wasted != 100*ms {
			t.Errorf("got %+v", s)
		}
	})
}

func TestBackendContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBackend(BackendConfig{Slots: 1, Service: Constant(100 * ms), Contention: 0.1, MaxSlowdown: 1.25})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var ends []time.Duration
		var mu sync.Mutex
		for range 6 {
			go func() {
				_ = b.Serve(t.Context())
				mu.Lock()
				defer mu.Unlock()
				ends = append(ends, time.Since(start))
			}()
			synctest.Wait()
		}
		_ = b.Drain(t.Context())
		synctest.Wait()
		// Nobody waits; then, after each, 4 (bounded by 1.25), 3, 2, 1 and 0 wait.
		want := []time.Duration{100, 225, 350, 470, 580, 680}
		for i := range want {
			if ends[i].Round(time.Microsecond) != want[i]*ms {
				t.Errorf("number %d ended after %v, want %v", i, ends[i], want[i]*ms)
			}
		}
	})
}

func TestSameSeedSameServiceTimes(t *testing.T) {
	times := func(seed uint64) (all []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			b, err := NewBackend(BackendConfig{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				start := time.Now()
				_ = b.Serve(t.Context())
				all = append(all, time.Since(start))
			}
		})
		return all
	}
	if a := times(5); !slices.Equal(a, times(5)) || slices.Equal(a, times(6)) {
		t.Error("service times do not follow the seed")
	}
}

// TestLateTimersAreMadeUpFor: what the machine is late does not lower the
// capacity, but a stall does not make the next works vanish.
func TestLateTimersAreMadeUpFor(t *testing.T) {
	b := bench(t, 1, 100*ms)
	b.busy = 1
	b.end(101*ms, ms, false)
	for i, want := range []time.Duration{99 * ms, 100 * ms} {
		if work, err := b.draw(anyRoute); work != want || err != nil {
			t.Errorf("work %d takes %v, want %v", i, work, want)
		}
	}
	b.end(time.Minute, time.Minute, false)
	total := time.Duration(0)
	for range 50 {
		work, _ := b.draw(anyRoute)
		if work < 90*ms {
			t.Fatalf("a work of %v", work)
		}
		total += 100*ms - work
	}
	if total != maxLate {
		t.Errorf("%v were made up for, want %v", total, maxLate)
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		go b.Serve(t.Context())
		synctest.Wait()
		go b.Serve(ctx) // leaves the queue
		synctest.Wait()
		if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		start := time.Now()
		if err := b.Drain(t.Context()); err != nil || time.Since(start) != 50*ms {
			t.Errorf("drained after %v: %v", time.Since(start), err)
		}
	})
}

func TestDrainWhenTheLastLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		if _, err := b.Inject(FaultCapacity, 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		go b.Serve(ctx)
		synctest.Wait()
		start := time.Now()
		if err := b.Drain(t.Context()); err != nil || time.Since(start) != 50*ms {
			t.Errorf("drained after %v: %v", time.Since(start), err)
		}
	})
}

func TestBackendStatsSub(t *testing.T) {
	a := BackendStats{InService: 1, Waiting: 2, Served: 10, WastedRequests: 4, Failed: 5, Left: 6, Busy: 7, Wasted: 3}
	b := BackendStats{InService: 9, Waiting: 9, Served: 1, WastedRequests: 1, Failed: 1, Left: 1, Busy: 1, Wasted: 1}
	want := BackendStats{InService: 1, Waiting: 2, Served: 9, WastedRequests: 3, Failed: 4, Left: 5, Busy: 6, Wasted: 2}
	if got := a.Sub(b); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
