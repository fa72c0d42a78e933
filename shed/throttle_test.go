package shed

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// naive keeps every request with its bucket.
type naive []struct {
	number   uint32
	accepted bool
}

func (n naive) probability(number uint32, k float64) float64 {
	requests, accepts := 0.0, 0.0
	for _, r := range n {
		if number-r.number < 30 {
			requests++
			if r.accepted {
				accepts++
			}
		}
	}
	if requests < 10 {
		return 0
	}
	return min(0.99, max(0, (requests-k*accepts)/(requests+1)))
}

// TestThrottleModel: whatever comes in whatever rhythm, pauses of many windows
// included, the buckets say what a list of all requests says.
func TestThrottleModel(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var th throttle
		var all naive
		number, good := uint32(dice.IntN(3)), dice.Float64()
		for range 300 {
			switch dice.IntN(12) {
			case 0:
				number += uint32(dice.IntN(4))
			case 1:
				if dice.IntN(8) == 0 {
					number += uint32(dice.IntN(100))
				}
			case 2:
				good = dice.Float64()
			}
			accepted := dice.Float64() < good
			th.count(number, accepted)
			all = append(all, struct {
				number   uint32
				accepted bool
			}{number, accepted})
			at := number + uint32(dice.IntN(2))*uint32(dice.IntN(40))
			for _, k := range []float64{1.1, 2, 7} {
				looked := th // a look ahead must not move the window of the next ones
				if got, want := looked.probability(at, k), all.probability(at, k); math.Abs(got-want) > 1e-12 {
					t.Fatalf("seed %d, bucket %d, K %v: %v, want %v", seed, at, k, got, want)
				}
			}
		}
	}
}

// TestThrottleOlderClock: who read the clock first may come second.
func TestThrottleOlderClock(t *testing.T) {
	var th throttle
	for range 20 {
		th.count(100, false)
		th.count(99, false)
		th.count(71, true)
	}
	if th.number != 100 || th.buckets[100%throttleBuckets] != (bucket{100, 60, 20}) {
		t.Errorf("bucket %d holds %+v", th.number, th.buckets[100%throttleBuckets])
	}
	if p, want := th.probability(129, 1.1), (60-22)/61.0; math.Abs(p-want) > 1e-12 {
		t.Errorf("in the last bucket of its window: %v, want %v", p, want)
	}
	if p := th.probability(130, 1.1); p != 0 {
		t.Errorf("after its window: %v", p)
	}
}

func TestThrottleBounds(t *testing.T) {
	var th throttle
	for i := range throttleFew {
		if p := th.probability(0, 2); p != 0 {
			t.Errorf("after %d failures the next is refused with %v", i, p)
		}
		th.count(0, false)
	}
	if p := th.probability(0, 2); math.Abs(p-10.0/11) > 1e-12 {
		t.Errorf("after ten failures: %v", p)
	}
	for range 10_000 {
		th.count(1, false)
	}
	if p := th.probability(1, 2); p != throttleMost {
		t.Errorf("nothing is accepted: %v", p)
	}
	for range 20_000 {
		th.count(2, true)
	}
	if p := th.probability(2, 2); p != 0 {
		t.Errorf("two of three are accepted: %v", p)
	}
	if got := bucketAt(59*time.Second+999*time.Millisecond, time.Minute); got != 29 {
		t.Errorf("the last moment of a window is in bucket %d", got)
	}
}

func TestCeiling(t *testing.T) {
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	var c ceiling
	check := func(ms, want int) {
		t.Helper()
		if got := c.level(at(ms)); got != want {
			t.Errorf("after %d ms the floor is %d, want %d", ms, got, want)
		}
	}
	check(5, allLevels)
	c.tell(at(10), 200)
	check(10, 200)
	check(1009, 200)
	c.lift(0)
	c.lift(at(9))
	c.lift(at(10))
	check(1009, 200) // none of these knew of the floor
	c.tell(at(1000), 150)
	check(1999, 150)
	c.tell(at(1001), 300)
	check(1999, 300)
	check(2001, allLevels)
	c.tell(at(3000), 150)
	c.lift(at(3001))
	check(3002, allLevels)
	c.tell(at(3003), 130)
	check(3003, 130)
	probes := 0
	for range 1000 {
		if c.probes() {
			probes++
		}
	}
	if probes != 10 {
		t.Errorf("%d of 1000 are sent as probes", probes)
	}
}

// TestNothingCountsUnderAFloor: not even what was sent before it was told.
func TestNothingCountsUnderAFloor(t *testing.T) {
	h := host{retry: 1}
	late := func(now time.Duration) {
		for range 100 {
			h.learn(now, 1, answer{floor: allLevels, heard: true}, time.Minute)
		}
	}
	h.learn(time.Second, 1, answer{floor: 200, heard: true, accepted: true}, time.Minute)
	late(1500 * time.Millisecond)
	if p := h.throttles[1].probability(bucketAt(3*time.Second, time.Minute), 2); p != 0 {
		t.Errorf("throttled with %v by refusals under a floor", p)
	}
	late(2 * time.Second) // which is over now
	if p := h.throttles[1].probability(bucketAt(3*time.Second, time.Minute), 2); p < 0.9 {
		t.Errorf("throttled with %v by refusals without a floor", p)
	}
}
