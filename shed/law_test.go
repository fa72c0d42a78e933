package shed

import (
	"math"
	"math/rand/v2"
	"testing"
)

var usual = bounds{min: 4, max: 10_000, budget: 1}

// house is the simplest backend there is: slots, a service time without
// scatter, and the queue Little's law says it has. It drives the law alone.
type house struct {
	s            state
	slots, speed float64 // speed in requests per second and slot
	now          float64
	b            bounds
}

func newHouse(slots, service float64) *house {
	return &house{s: newState(usual), slots: slots, speed: 1 / service, b: usual}
}

// run offers rate for some seconds, in ticks of dt.
func (h *house) run(rate, seconds, dt float64) {
	for end := h.now + seconds; h.now < end; h.now += dt {
		h.s = step(h.s, h.window(rate, dt), h.b)
	}
}

func (h *house) window(rate, dt float64) *window {
	capacity := h.slots * h.speed
	served := min(rate, capacity)
	w := &window{now: h.now, dt: dt, arrivals: rate * dt}
	for l := range w.offered {
		w.offered[l] = float32(rate * dt / levels)
	}
	if rate <= capacity {
		w.nMean = rate / h.speed
		w.nMax = w.nMean * 1.5
	} else {
		w.nMean, w.nMax = h.s.limit, h.s.limit
		w.blocked = (rate - capacity) * dt
		w.waiting = 5
		served = min(capacity, h.s.limit*h.speed)
	}
	w.n = w.nMean
	w.done = served * dt
	w.samples = w.done
	latency := max(1/h.speed, w.nMean/max(served, 1))
	w.sumR = w.done * latency
	if w.nMean <= h.s.eligible {
		n := w.done
		w.cohorts = []sample{{n: n, sum: n / h.speed, squares: n * 1.43 / h.speed / h.speed}}
	}
	return w
}

func TestLawOpensOnceTrafficIsKnown(t *testing.T) {
	h := newHouse(24, 0.08)
	h.run(200, 10, tick)
	if h.s.phase != open || h.s.door.floor != allLevels {
		t.Fatalf("calm traffic: phase %v, floor %d", h.s.phase, h.s.door.floor)
	}
	peak := h.s.calm.peak // 24, of 16 in the mean
	if most := max(firstGate, peak+3*math.Sqrt(peak)); h.s.limit < smallGate || h.s.limit > most {
		t.Fatalf("gate is %.1f, want at most %.1f", h.s.limit, most)
	}
	if got := h.s.base.mean; math.Abs(got-0.08) > 0.001 {
		t.Fatalf("baseline %.4f s", got)
	}
}

func TestLawFindsTheKneeInATenthOfASecond(t *testing.T) {
	for _, slots := range []float64{10, 24, 60} {
		h := newHouse(slots, 0.08)
		capacity := slots / 0.08
		h.run(0.5*capacity, 10, tick)
		h.run(5*capacity, 3*tick, tick)
		if h.s.phase != converge || math.Abs(h.s.knee-slots) > 0.1*slots {
			t.Errorf("%g slots: phase %v, knee %.1f after three ticks", slots, h.s.phase, h.s.knee)
		}
		if l := h.s.limit; l < slots || l > 1.5*slots {
			t.Errorf("%g slots: limit %.1f", slots, l)
		}
		if h.s.door.floor >= levels {
			t.Errorf("%g slots: no floor", slots)
		}
		h.run(5*capacity, 3, tick)
		if h.s.phase != hold {
			t.Errorf("%g slots: phase %v after 3 s", slots, h.s.phase)
		}
	}
}

func TestLawLetsGoInTheFirstTickAfter(t *testing.T) {
	h := newHouse(24, 0.08)
	h.run(200, 10, tick)
	h.run(3000, 5, tick)
	h.run(200, tick, tick)
	if h.s.door.floor != allLevels {
		t.Fatalf("floor %d one tick after the spike", h.s.door.floor)
	}
	h.run(200, 3, tick)
	if h.s.phase != open || h.s.limit < smallGate {
		t.Fatalf("phase %v, limit %.1f three seconds after", h.s.phase, h.s.limit)
	}
}

func TestLawKeepsTheLimitOfASlowerBackend(t *testing.T) {
	h := newHouse(24, 0.08)
	h.run(200, 10, tick)
	h.run(900, 3, tick)
	knee := h.s.knee
	h.speed /= 4
	h.run(900, 3, tick)
	if h.s.knee < 0.99*knee {
		t.Fatalf("knee went from %.1f to %.1f although only the speed changed", knee, h.s.knee)
	}
	if got := h.s.base.mean; math.Abs(got-4*0.08) > 0.1 {
		t.Fatalf("baseline %.3f s, want about 0.32", got)
	}
}

// TestLawNoFloorWhileItGrows: the limit is in the way, and X is that of the
// limit. Where the limit is somebody else's it cannot grow, and there is a floor.
func TestLawNoFloorWhileItGrows(t *testing.T) {
	floors := func(most float64) (growing, with int) {
		h := newHouse(400, 0.2)
		h.b.max = most
		h.run(40, 20, tick)
		for range 60 {
			h.run(3000, tick, tick)
			if s := &h.s; s.phase == converge && !s.hunt.queued && s.sat.ticks > 2 {
				growing++
				if s.door.floor != allLevels {
					with++
				}
			}
		}
		if h.s.door.floor == allLevels {
			t.Errorf("at most %.0f: no floor in a full house after three seconds; %v, limit %.0f", most, h.s.phase, h.s.limit)
		}
		return growing, with
	}
	if growing, with := floors(10_000); growing == 0 || with > 0 {
		t.Errorf("in %d of %d ticks in which the limit grows there is a floor", with, growing)
	}
	if growing, with := floors(24); with < growing-1 {
		t.Errorf("a limit at its maximum: a floor in %d of %d ticks", with, growing)
	}
}

// TestLawKeepsAVerdictInAFlicker: with a knee twice as large the house is full
// only now and then. X is that of the full ticks, as it was before.
func TestLawKeepsAVerdictInAFlicker(t *testing.T) {
	for _, every := range []int{1, 2, 3, 4} { // one tick in so many is full
		s := newState(usual)
		s.phase, s.knee, s.limit, s.rested = hold, 40, 44, 0.1
		s.base = baseline{mean: 0.1, square: 0.0143, cv2: 0.43, count: 500}
		s.sat = saturation{now: true, ticks: 50, since: 10, x: 400, count: 400, time: 1, nMean: 44, xNow: 400, recent: 400}
		s = s.enterHold(firstRest).remember(20, 200)
		for i := range 40 {
			w := &window{now: float64(i) * tick, dt: tick, arrivals: 25, done: 20, nMean: 40, nMax: 44, n: 40}
			if i%every == 0 {
				w.blocked, w.nMean, w.n, w.waiting = 12, 44, 44, 5
			}
			if s = step(s, w, usual); s.knee < 25 {
				t.Errorf("one tick in %d is full: after %d the knee is taken back to %.0f, with an X of twice the former", every, i, s.knee)
				break
			}
		}
	}
}

func TestLawFindsMoreRoom(t *testing.T) {
	h := newHouse(8, 0.08)
	h.run(50, 10, tick)
	h.run(2000, 3, tick)
	h.slots = 24
	h.run(2000, 15, tick)
	if h.s.knee < 17 {
		t.Fatalf("knee %.1f, fifteen seconds after 8 slots became 24", h.s.knee)
	}
}

func TestLawPromise(t *testing.T) {
	h := newHouse(24, 0.08)
	h.run(200, 10, tick)
	h.run(3000, 3, tick)
	// 25 a second: half a second's worth is 12. So deep a fall is taken for
	// slowness once, on the way down; then it is two thirds of a second.
	h.slots = 2
	h.run(3000, 10, tick)
	if h.s.limit > 18 {
		t.Fatalf("limit %.1f: requests sit inside for %.1f s", h.s.limit, h.s.limit/25)
	}
}

// Cutting the limit of a backend that has become slow makes nobody faster.
func TestLawDoesNotStarveTheSlow(t *testing.T) {
	h := newHouse(24, 0.08)
	h.run(200, 10, tick)
	h.run(900, 3, tick)
	h.speed /= 8 // 0.64 s, more than half of the budget
	h.run(900, 15, tick)
	if h.s.limit < 20 {
		t.Fatalf("limit %.1f for 24 slots", h.s.limit)
	}
	for _, service := range []float64{0.6, 2} {
		h := newHouse(24, service)
		h.run(0.7*24/service, 60, tick)
		h.run(3*24/service, 60, tick)
		if h.s.limit < 24 || h.s.limit > 40 {
			t.Errorf("%v s: limit %.1f for 24 slots", service, h.s.limit)
		}
	}
}

func TestLawPinned(t *testing.T) {
	h := newHouse(24, 0.08)
	h.b.pinned = 7
	h.run(3000, 3, tick)
	if h.s.limit != 7 {
		t.Fatalf("limit %.1f, pinned at 7", h.s.limit)
	}
	h.b.pinned = 0
	h.run(3000, 5*tick, tick)
	if h.s.limit < 20 {
		t.Fatalf("limit %.1f although nobody holds it any more", h.s.limit)
	}
	h.b.pinned = 1e9
	h.run(3000, 1, tick)
	if h.s.limit != h.b.max {
		t.Fatalf("limit %.1f, pinned beyond the maximum", h.s.limit)
	}
}

// sound fails if the state has become one that the law must never be in.
func sound(t *testing.T, s *state, b bounds, w *window) {
	t.Helper()
	if !(s.limit >= b.min && s.limit <= b.max) {
		t.Fatalf("limit %v outside of %v to %v", s.limit, b.min, b.max)
	}
	if s.door.floor < cohorts || s.door.floor > allLevels {
		t.Fatalf("floor %d refuses Critical", s.door.floor)
	}
	if s.door.floor != allLevels && !s.sat.now {
		t.Fatalf("floor %d without saturation", s.door.floor)
	}
	if w.blocked == 0 && w.waiting == 0 && s.door.floor != allLevels {
		t.Fatalf("floor %d although nobody was blocked", s.door.floor)
	}
	for name, v := range map[string]float64{
		"knee": s.knee, "eligible": s.eligible, "proven": s.proven, "baseline": s.base.mean, "cv2": s.base.cv2,
		"calm n": s.calm.n, "peak": s.calm.peak, "x": s.sat.x, "volume": s.door.volume, "trim": s.door.trim, "rest": s.hunt.rest[0],
	} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			t.Fatalf("%s is %v", name, v)
		}
	}
}

// randomWindow is anything a tick could count, late and lost ticks included.
func randomWindow(r *rand.Rand, s *state) *window {
	scale := math.Pow(10, 6*r.Float64()-1)
	w := &window{dt: tick * math.Pow(10, 4*r.Float64()-1), nMean: r.Float64() * s.limit, waiting: float64(r.IntN(3)) * r.Float64() * 300}
	if r.IntN(3) == 0 {
		w.dt = tick
	}
	for range r.IntN(20) {
		n := float32(r.Float64() * scale)
		w.offered[r.IntN(levels)] += n
		w.arrivals += float64(n)
	}
	w.blocked = w.arrivals * float64(r.IntN(3)) / 2
	w.nMax = w.nMean * (1 + r.Float64())
	w.n = w.nMean * r.Float64()
	w.done = r.Float64() * scale
	w.samples = w.done
	w.sumR = w.done * math.Pow(10, 5*r.Float64()-4)
	if r.IntN(2) == 0 {
		n := float64(1 + r.IntN(50))
		m := math.Pow(10, 6*r.Float64()-5)
		w.cohorts = []sample{{n, n * m, n * m * m * (1 + r.Float64()*3)}}
	}
	w.judged = float64(r.IntN(100))
	w.late = w.judged * r.Float64()
	return w
}

func TestLawStaysSound(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := bounds{min: float64(1 + r.IntN(8)), budget: math.Pow(10, 3*r.Float64()-2)}
		b.max = b.min * math.Pow(10, 4*r.Float64())
		s := newState(b)
		for range 500 {
			w := randomWindow(r, &s)
			s = step(s, w, b)
			sound(t, &s, b, w)
		}
		// Whatever happened, an ordinary hour afterwards is served.
		for range 60 * 20 {
			w := &window{dt: tick, arrivals: 1, done: 1, samples: 1, sumR: 0.01, nMean: 0.2, nMax: 1,
				cohorts: []sample{{1, 0.01, 0.0001}}}
			s = step(s, w, b)
			sound(t, &s, b, w)
		}
		if s.phase != open || s.limit < min(b.max, smallGate)-1 {
			t.Fatalf("seed %d: phase %v, limit %.1f of at most %.1f after a calm minute", seed, s.phase, s.limit, b.max)
		}
	}
}

// FuzzStep feeds the law with hostile numbers: what a broken clock or counter
// would make of them.
func FuzzStep(f *testing.F) {
	f.Add(0.05, 15.0, 5.0, 10.0, 20.0, 3.0, 1.0, 0.08, uint16(200))
	f.Add(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, uint16(0))
	f.Add(math.Inf(1), 1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300, uint16(511))
	f.Add(1e-300, 1e9, 0.0, 1e9, 0.0, 1e9, 1e-300, 1e-300, uint16(1))
	f.Fuzz(func(t *testing.T, dt, arrivals, blocked, done, n, waiting, samples, latency float64, level uint16) {
		for _, v := range []*float64{&dt, &arrivals, &blocked, &done, &n, &waiting, &samples, &latency} {
			// Counters count: what they cannot be is negative or not a number.
			// The largest a tick of a century could hold is far below 1e15.
			if math.IsNaN(*v) || *v < 0 {
				*v = 0
			}
			*v = min(*v, 1e15)
		}
		s := newState(usual)
		for i := range 40 {
			w := &window{dt: dt, arrivals: arrivals, blocked: blocked, done: done, nMean: n, nMax: n, waiting: waiting,
				samples: samples, sumR: samples * latency, judged: samples, late: samples / 2}
			w.offered[level%levels] = float32(arrivals)
			if i%2 == 0 {
				w.cohorts = []sample{{samples, samples * latency, samples * latency * latency}}
			}
			s = step(s, w, usual)
			sound(t, &s, usual, w)
		}
	})
}
