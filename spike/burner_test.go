package spike

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

func TestBurnerValidate(t *testing.T) {
	for want, cfg := range map[string]BurnerConfig{
		"Work must be positive and at most 10s (got -1ns)": {Work: -1},
		"Work must be positive and at most 10s (got 11s)":  {Work: 11 * sec},
		"Sigma must be between 0 and 3 (got -1)":           {Sigma: -1},
		"Sigma must be between 0 and 3 (got NaN)":          {Sigma: math.NaN()},
	} {
		if _, err := NewBurner(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
	if cfg, err := (BurnerConfig{}).resolve(); err != nil || cfg.Work != 2*ms {
		t.Errorf("by default %+v, %v", cfg, err)
	}
}

// TestBurnerBurns: processor time, not patience. The bounds are wide: other
// programs disturb the calibration and what is measured here.
func TestBurnerBurns(t *testing.T) {
	if cpuTime() == 0 {
		t.Skip("this system does not tell the processor time")
	}
	b := seawall.Must(NewBurner(BurnerConfig{Work: 4 * ms}))
	best := time.Hour
	for range 5 {
		before := cpuTime()
		for range 10 {
			b.Serve(t.Context())
		}
		best = min(best, cpuTime()-before)
	}
	if best < 20*ms || best > 120*ms {
		t.Errorf("40 ms of work take %v of processor time", best)
	}
	if s := b.Stats(); s.Served != 50 || s.Busy != 200*ms || s.Wasted != 0 || s.InService != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestBurnerCounts(t *testing.T) {
	b := seawall.Must(NewBurner(BurnerConfig{Work: 100 * time.Microsecond, Sigma: 0.5, Seed: 1}))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				w := httptest.NewRecorder()
				b.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if w.Code != 200 || w.Body.String() != "ok\n" {
					t.Errorf("got %d, %q", w.Code, w.Body)
				}
				b.Serve(gone) // is computed all the same
			}
		})
	}
	wg.Wait()
	s := b.Stats()
	if s.Served != 160 || s.WastedRequests != 80 || s.InService != 0 || s.Wasted <= 0 || s.Wasted >= s.Busy {
		t.Errorf("got %+v", s)
	}
	if mean := s.Busy / 160; mean < 70*time.Microsecond || mean > 130*time.Microsecond {
		t.Errorf("a mean of %v", mean)
	}
}

func TestMeasureCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 4, 20*ms) // 200 a second
		for workers, want := range map[int]float64{1: 50, 3: 150, 4: 200, 8: 200} {
			got, err := MeasureCapacity(t.Context(), b.Target(nil), workers, 0)
			if err != nil || math.Abs(got-want) > float64(workers) {
				t.Errorf("%d workers: %v a second, want %v, %v", workers, got, want, err)
			}
			if err := b.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		}
		refuse := func(context.Context, *Request) Outcome { time.Sleep(ms); return Rejected }
		if _, err := MeasureCapacity(t.Context(), refuse, 1, sec); err == nil || !strings.Contains(err.Error(), "no request succeeded") {
			t.Errorf("who refuses all: %v", err)
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*ms, func() { cancel(why) })
		start := time.Now()
		if _, err := MeasureCapacity(ctx, b.Target(nil), 2, time.Minute); err != why || time.Since(start) > 200*ms {
			t.Errorf("cut short: %v after %v", err, time.Since(start))
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for _, err := range []error{
		measure(nil, 1, sec), measure(instant, 0, sec), measure(instant, 10_001, sec), measure(instant, 1, -1), measure(instant, 1, time.Hour),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "seawall/spike: ") {
			t.Errorf("got %v", err)
		}
	}
}

func measure(target Target, workers int, d time.Duration) error {
	_, err := MeasureCapacity(context.Background(), target, workers, d)
	return err
}

func TestOneQueue(t *testing.T) {
	cfg, err := OneQueue(400, 0.5)
	if err != nil || cfg.Slots != 1 || math.Abs(cfg.Capacity()-400) > 1e-6 || cfg.Contention != seawall.Off {
		t.Errorf("got %+v, %v", cfg, err)
	}
	for _, capacity := range []float64{0, -1, math.NaN(), math.Inf(1), 1e9} {
		if _, err := OneQueue(capacity, 0); err == nil {
			t.Errorf("a capacity of %v is taken", capacity)
		}
	}
	if _, err := OneQueue(10, 4); err == nil {
		t.Error("a sigma of 4 is taken")
	}
}
