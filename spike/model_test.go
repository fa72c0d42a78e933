package spike

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// client is one request of a script: when it comes, how long it waits, and what
// became of it.
type client struct {
	comes, patience time.Duration
	served          bool
	ends            time.Duration
}

// model says what becomes of a script on so many slots of a constant service
// time: a simulation without goroutines.
func model(script []client, slots int, service time.Duration) []client {
	free := make([]time.Duration, slots) // when each slot is free
	out := slices.Clone(script)
	for i := range out {
		c := &out[i]
		slices.Sort(free)
		if begin := max(c.comes, free[0]); begin <= c.comes+c.patience {
			free[0] = begin + service
			c.served, c.ends = true, free[0]
		} else {
			c.ends = c.comes + c.patience
		}
	}
	return out
}

// TestBackendMatchesTheModel plays random scripts on both.
func TestBackendMatchesTheModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		slots, service := 1+rng.IntN(6), 50*ms
		script := make([]client, 300)
		for i := range script {
			// No two of anything at one moment: their order would be open.
			script[i].comes = time.Duration(rng.IntN(4000))*ms + time.Duration(i)*time.Microsecond
			script[i].patience = time.Duration(rng.IntN(300))*ms + 500*time.Microsecond
		}
		slices.SortFunc(script, func(a, b client) int { return cmp.Compare(a.comes, b.comes) })
		want := model(script, slots, service)
		synctest.Test(t, func(t *testing.T) {
			b := bench(t, slots, service)
			got := slices.Clone(script)
			start := time.Now()
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					time.Sleep(got[i].comes)
					ctx, cancel := context.WithTimeout(t.Context(), got[i].patience)
					defer cancel()
					got[i].served = b.Serve(ctx) == nil
					got[i].ends = time.Since(start)
				})
			}
			wg.Wait()
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("seed %d, client %d: %+v, want %+v", seed, i, got[i], want[i])
				}
			}
		})
	}
}

// TestBackendUnderEverything: requests come and go while faults do. Nothing is
// lost, and nothing more than the slots is ever in service.
func TestBackendUnderEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBackend(BackendConfig{Slots: 8, Service: LogNormal(20*ms, 1), Seed: 4})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		counts := [3]int{} // served, failed, left
		var mu sync.Mutex
		for worker := range 60 {
			rng := rand.New(rand.NewPCG(uint64(worker), 2))
			wg.Go(func() {
				for range 200 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(400))*ms)
					err := b.Serve(ctx)
					cancel()
					mu.Lock()
					switch err {
					case nil:
						counts[0]++
					case ErrInjected:
						counts[1]++
					default:
						counts[2]++
					}
					mu.Unlock()
				}
			})
		}
		for worker := range 6 {
			rng := rand.New(rand.NewPCG(uint64(worker), 3))
			values := []float64{FaultLatency: 0.02, FaultErrors: 0.3, FaultSlow: 2, FaultCapacity: 5, FaultHang: 0, FaultHeavy: 3}
			wg.Go(func() {
				for range 100 {
					kind := FaultLatency + FaultKind(rng.IntN(numFaultKinds-1))
					lift, err := b.Inject(kind, values[kind])
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(rng.IntN(30)) * ms)
					if s := b.Stats(); s.InService > 8 || s.InService < 0 || s.Waiting > 60 {
						t.Errorf("%+v", s)
					}
					if rng.IntN(10) == 0 {
						b.Heal()
					}
					lift()
				}
			})
		}
		wg.Wait()
		s := b.Stats()
		if s.InService != 0 || s.Waiting != 0 || len(b.faults) != 0 || b.effect != noEffect {
			t.Errorf("in the end %+v, %d faults", s, len(b.faults))
		}
		if int(s.Served) != counts[0] || int(s.Failed) != counts[1] || int(s.Left) > counts[2] || counts[0] == 0 || counts[1] == 0 || s.Left == 0 {
			t.Errorf("stats %+v, callers saw %v", s, counts)
		}
	})
}

// TestFiguresOfRandomRecords are within their bounds, whatever the record.
func TestFiguresOfRandomRecords(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	for range 300 {
		var h hand
		h.rec.Load = plain().Load
		for range rng.IntN(30) {
			from := time.Duration(rng.Int64N(int64(6 * sec)))
			h.add(rng.IntN(60), from, from+time.Duration(rng.Int64N(int64(6*sec-from)+1)), Sample{
				Outcome: Outcome(rng.IntN(numOutcomes)), Latency: time.Duration(rng.Int64N(int64(sec))), Journey: rng.Uint32N(5), Step: uint8(rng.IntN(4)),
			})
		}
		f := Analyze(&h.rec, plain(), BackendStats{Busy: 5, Wasted: 5})
		for name, n := range map[string]Number{
			"goodput": f.Goodput, "success": f.Success, "normal": f.Normal, "before": f.Before, "after": f.After, "journeys": f.Journeys, "wasted": f.Wasted,
		} {
			if n < 0 || n > 1 {
				t.Fatalf("%s is %v", name, n)
			}
		}
		if f.Settle < 0 || (f.Settle > 1 && f.Settle != Never) || f.Recover < 0 || (f.Recover > 2 && f.Recover != Never) {
			t.Fatalf("settled after %v, recovered after %v", f.Settle, f.Recover)
		}
		total, success := 0, 0
		for _, b := range Timeline(&h.rec, 0) {
			total += b.Offered
			success += b.Success()
			if b.Offered != b.Success()+b.Rejected+b.TimedOut+b.Failed+b.Dropped {
				t.Fatalf("a bucket does not add up: %+v", b)
			}
		}
		if n := outcomes(&h.rec); total != len(h.rec.Samples) || success != n[Success] {
			t.Fatalf("the timeline has %d requests and %d successes, the record %d and %d", total, success, len(h.rec.Samples), n[Success])
		}
	}
}
