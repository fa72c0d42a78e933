package spike

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func inject(t *testing.T, b *Backend, kind FaultKind, value float64) (lift func()) {
	t.Helper()
	lift, err := b.Inject(kind, value)
	if err != nil {
		t.Fatal(err)
	}
	return lift
}

// serveTime returns how long one request takes.
func serveTime(t *testing.T, b *Backend) time.Duration {
	t.Helper()
	start := time.Now()
	if err := b.Serve(t.Context()); err != nil {
		t.Error(err)
	}
	return time.Since(start)
}

func TestFaultLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		lift := inject(t, b, FaultLatency, 0.25)
		for range 3 {
			go b.Serve(t.Context())
		}
		time.Sleep(251 * ms) // on the road nobody takes a slot
		if s := b.Stats(); s.InService != 1 || s.Waiting != 2 {
			t.Errorf("after the road %+v", s)
		}
		_ = b.Drain(t.Context())
		if s := b.Stats(); s.Busy != 300*ms {
			t.Errorf("%v of slot time, want 300ms", s.Busy)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		if err := b.Serve(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who leaves on the road gets %v", err)
		}
		lift()
		lift() // once is enough
		if got := serveTime(t, b); got != 100*ms {
			t.Errorf("healed, it takes %v", got)
		}
	})
}

func TestFaultErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		lift := inject(t, b, FaultErrors, 0.3)
		failed := 0
		start := time.Now()
		for range 1000 {
			if err := b.Serve(t.Context()); errors.Is(err, ErrInjected) {
				failed++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		near(t, "errors", float64(failed), 300, 4)
		if took, want := time.Since(start), time.Duration(1000-failed)*100*ms; took != want {
			t.Errorf("took %v, want %v: errors cost no time", took, want)
		}
		if s := b.Stats(); s.Failed != uint64(failed) || s.Served != uint64(1000-failed) || s.InService != 0 {
			t.Errorf("got %+v", s)
		}
		lift()
		inject(t, b, FaultErrors, 1)
		go b.Serve(t.Context())
		if err := b.Serve(t.Context()); err != ErrInjected {
			t.Errorf("got %v", err)
		}
	})
}

// TestErrorsInTheQueue: a failure passes its slot on.
func TestErrorsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		errs := make(chan error, 5)
		for range 5 {
			go func() { errs <- b.Serve(t.Context()) }()
		}
		synctest.Wait()
		inject(t, b, FaultErrors, 1)
		start, failed := time.Now(), 0
		for range 5 {
			if errors.Is(<-errs, ErrInjected) {
				failed++
			}
		}
		if failed != 4 || time.Since(start) != 100*ms {
			t.Errorf("%d failed after %v", failed, time.Since(start))
		}
		if s := b.Stats(); s.InService != 0 || s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestFaultSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		lift := inject(t, b, FaultSlow, 4)
		lift2 := inject(t, b, FaultSlow, 0.5)
		if got := serveTime(t, b); got != 200*ms {
			t.Errorf("4 and 0.5 times as slow: %v", got)
		}
		lift2()
		go func() { time.Sleep(50 * ms); lift() }()
		if got := serveTime(t, b); got != 400*ms {
			t.Errorf("work begun before healing takes %v", got)
		}
		if got := serveTime(t, b); got != 100*ms {
			t.Errorf("healed, it takes %v", got)
		}
	})
}

func TestFaultCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 4, 100*ms)
		for range 8 {
			go b.Serve(t.Context())
		}
		synctest.Wait()
		lift := inject(t, b, FaultCapacity, 3)
		if s := b.Stats(); s.InService != 4 {
			t.Errorf("begun work was cut off: %+v", s)
		}
		time.Sleep(150 * ms)
		if s := b.Stats(); s.InService != 1 || s.Waiting != 3 {
			t.Errorf("with one slot left: %+v", s)
		}
		lift() // the slots come back at once, not with the next end
		if s := b.Stats(); s.InService != 4 || s.Waiting != 0 {
			t.Errorf("healed: %+v", s)
		}
		_ = b.Drain(t.Context())
		inject(t, b, FaultCapacity, 1)
		inject(t, b, FaultCapacity, 2)
		for range 8 {
			go b.Serve(t.Context())
		}
		synctest.Wait()
		if s := b.Stats(); s.InService != 1 {
			t.Errorf("with 1 and 2 of 4 slots lost: %+v", s)
		}
		_ = b.Drain(t.Context())
		inject(t, b, FaultCapacity, 100)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Serve(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a slot: %v", err)
		}
		b.Heal()
		if got := serveTime(t, b); got != 100*ms {
			t.Errorf("healed, it takes %v", got)
		}
	})
}

func TestFaultHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		lift1, lift2 := inject(t, b, FaultHang, 0), inject(t, b, FaultHang, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		time.AfterFunc(sec, lift1)
		time.AfterFunc(2*sec, lift2)
		start := time.Now()
		if err := b.Serve(ctx); err != nil || time.Since(start) != 2*sec {
			t.Errorf("returned after %v with %v", time.Since(start), err)
		}
		if s := b.Stats(); s.Busy != 2*sec || s.Wasted != 2*sec {
			t.Errorf("got %+v", s)
		}
		// What a hang takes longer is no late timer.
		if got := serveTime(t, b); got != 100*ms {
			t.Errorf("healed, it takes %v", got)
		}
	})
}

func TestRunFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- b.RunFaults(t.Context(), []Fault{
				{At: 3 * sec, For: sec, Kind: FaultSlow, Value: 3},
				{At: sec, For: 3 * sec, Kind: FaultSlow, Value: 2},
			})
		}()
		for at, want := range []time.Duration{100 * ms, 200 * ms, 200 * ms, 600 * ms, 100 * ms} {
			time.Sleep(time.Until(start.Add(time.Duration(at)*sec + ms)))
			if got := serveTime(t, b); got != want {
				t.Errorf("after %ds it takes %v, want %v", at, got, want)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		// The end of the context lifts what is in force.
		ctx, cancel := context.WithTimeout(t.Context(), sec)
		defer cancel()
		err := b.RunFaults(ctx, []Fault{{For: time.Hour, Kind: FaultSlow, Value: 2}, {At: time.Hour, For: 1, Kind: FaultHang}})
		if !errors.Is(err, context.DeadlineExceeded) || len(b.faults) != 0 {
			t.Errorf("got %v, %d faults are left", err, len(b.faults))
		}
	})
}

func TestFaultsAreBounded(t *testing.T) {
	b := bench(t, 1, ms)
	for range maxFaults {
		inject(t, b, FaultLatency, 0)
	}
	if _, err := b.Inject(FaultLatency, 0); err == nil || !strings.Contains(err.Error(), "at most 1000 (got 1001)") {
		t.Errorf("got %v", err)
	}
	if err := b.RunFaults(t.Context(), make([]Fault, maxFaults+1)); err == nil {
		t.Error("1001 faults are a schedule")
	}
	b.Heal()
	inject(t, b, FaultLatency, 0)
}

func TestFaultValidate(t *testing.T) {
	for want, f := range map[string]Fault{
		"Fault.At must be between":                                     {At: -1, For: 1, Kind: FaultHang},
		"Fault.For must be positive":                                   {Kind: FaultHang},
		"Fault.Kind must be one of the six kinds (got 0)":              {For: 1},
		"Fault.Kind must be one of the six kinds (got 99)":             {For: 1, Kind: 99},
		"must be between 0 and 3600 seconds for latency (got -1)":      {For: 1, Kind: FaultLatency, Value: -1},
		"must be a share between 0 and 1 for errors (got 1.5)":         {For: 1, Kind: FaultErrors, Value: 1.5},
		"must be a factor above 0 and at most 1000 for slow (got 0)":   {For: 1, Kind: FaultSlow},
		"must be a factor above 0 and at most 1000 for slow (got NaN)": {For: 1, Kind: FaultSlow, Value: math.NaN()},
		"must be a factor above 0 and at most 1000 for heavy (got 0)":  {For: 1, Kind: FaultHeavy, Share: 0.5},
		"Fault.Share must be between 0 and 1 (got -0.5)":               {For: 1, Kind: FaultHeavy, Value: 2, Share: -0.5},
		"Fault.Share must be between 0 and 1 (got 2)":                  {For: 1, Kind: FaultHeavy, Value: 2, Share: 2},
		"Fault.Share must be between 0 and 1 (got NaN)":                {For: 1, Kind: FaultSlow, Value: 2, Share: math.NaN()},
		"for capacity (got +Inf)":                                      {For: 1, Kind: FaultCapacity, Value: math.Inf(1)},
	} {
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
		b := bench(t, 1, ms)
		if err := b.RunFaults(t.Context(), []Fault{f}); err == nil {
			t.Errorf("RunFaults takes %+v", f)
		}
	}
	if _, err := bench(t, 1, ms).Inject(FaultErrors, 2); err == nil {
		t.Error("Inject takes a share of 2")
	}
}

func TestFaultJSON(t *testing.T) {
	for k := FaultLatency; k < numFaultKinds; k++ {
		data, err := json.Marshal(Fault{At: 1, For: 2, Kind: k, Value: 3})
		var back Fault
		if err != nil || json.Unmarshal(data, &back) != nil || back.Kind != k || back.Value != 3 {
			t.Errorf("%v: %s, %v", k, data, err)
		}
	}
	if _, err := json.Marshal(Fault{}); err == nil {
		t.Error("no fault has a name")
	}
	if err := json.Unmarshal([]byte(`{"kind":"fever"}`), new(Fault)); err == nil || !strings.Contains(err.Error(), `unknown fault "fever"`) {
		t.Errorf("got %v", err)
	}
	if got := FaultKind(99).String(); got != "fault(99)" {
		t.Errorf("got %q", got)
	}
}
