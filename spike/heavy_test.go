package spike

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestFaultHeavy: the share of the work that it says takes as much longer as it
// says, and several add up.
func TestFaultHeavy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 10*ms)
		count := func() map[time.Duration]float64 {
			counts := map[time.Duration]float64{}
			for range 2000 {
				counts[serveTime(t, b)]++
			}
			return counts
		}
		lift, err := b.InjectFault(Fault{At: -1, Kind: FaultHeavy, Value: 5, Share: 0.3}) // the times do not matter
		if err != nil {
			t.Fatal(err)
		}
		counts := count()
		near(t, "light", counts[10*ms], 1400, 4)
		near(t, "heavy", counts[50*ms], 600, 4)
		second, err := b.InjectFault(Fault{Kind: FaultHeavy, Value: 2, Share: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		counts = count()
		near(t, "neither", counts[10*ms], 700, 4)
		near(t, "the second", counts[20*ms], 700, 4)
		near(t, "the first", counts[50*ms], 300, 4)
		near(t, "both", counts[100*ms], 300, 4)
		lift()
		second()
		if counts := count(); counts[10*ms] != 2000 {
			t.Errorf("lifted: %v", counts)
		}
		inject(t, b, FaultHeavy, 3) // without a share: all of it
		if counts := count(); counts[30*ms] != 2000 {
			t.Errorf("without a share: %v", counts)
		}
		if _, err := b.InjectFault(Fault{Kind: FaultHeavy, Value: 2, Share: 2}); err == nil {
			t.Error("a share of 2 is taken")
		}
	})
}

// TestFaultHeavyIsDrawnAlone: neither service times nor errors depend on it, and
// the same seed has the same weights.
func TestFaultHeavyIsDrawnAlone(t *testing.T) {
	serve := func(share float64) (times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			b, err := NewBackend(BackendConfig{Slots: 1, Seed: 8})
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range []float64{2, 3, 5} { // in this order, whatever the map says
				if share > 0 {
					if _, err := b.InjectFault(Fault{Kind: FaultHeavy, Value: value, Share: share}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 100 {
				times = append(times, serveTime(t, b))
			}
		})
		return times
	}
	light, one, two := serve(0), serve(0.4), serve(0.4)
	changed := 0
	for i := range light {
		if one[i] != two[i] {
			t.Fatalf("the same seed takes %v and %v", one[i], two[i])
		}
		factor := float64(one[i]) / float64(light[i])
		if math.Abs(factor-math.Round(factor)) > 1e-6 || 30%int(math.Round(factor)) != 0 {
			t.Fatalf("%v became %v", light[i], one[i])
		}
		if factor > 1.5 {
			changed++
		}
	}
	if changed < 60 || changed > 95 { // 1 - 0.6^3 of 100
		t.Errorf("%d of 100 are heavier", changed)
	}
}
