package shed

import "math"

// suspicious is how many times what it took in calm a request may spend
// inside before fewer seats are tried: what the slack makes of it and chance,
// and a third more.
func (s *state) suspicious() float64 {
	return 1.35*s.slack() + 2*math.Sqrt(s.base.cv2/s.base.memory())
}

// probe asks now and then whether more seats bring more throughput, or, when
// requests spend much longer inside than they did, whether fewer bring less.
func (s state) probe(w *window, b bounds) state {
	t := &s.hunt.test
	if down := s.rested > 0 && s.latency() > s.suspicious()*s.rested; down != t.down && !t.on {
		return s.newTest(down)
	}
	if !t.down && !t.on && t.factor*s.latency() > 0.5*b.budget && s.latency() > 1.5*s.rested {
		return s.newTest(false) // would keep the clients waiting for too long
	}
	if t.on && !t.there {
		// It counts only when the house has filled, or emptied, to that limit
		// and what was begun there comes back.
		if t.down {
			t.there = w.nMean < 1.05*s.limit+0.5
		} else {
			// Where it never fills all who come are in after a while.
			t.there = w.nMean > 0.95*s.limit-0.5 || s.sat.since > t.switchAt-s.probing()
		}
		t.from = s.sat.since + 0.7*s.latency()
		if t.there {
			t.switchAt = s.sat.since + s.probing()
		}
	}
	if s.sat.since > t.from {
		i := 0
		if t.on {
			i = 1
		}
		t.count[i] += w.done
		t.time[i] += w.dt
		t.area[i] += w.nMean * w.dt
	}
	if t.on && t.there && t.count[1] >= 10 {
		if f := s.follows(); f > 3 || f < -3 { // no need to go on
			return s.verdict()
		}
	}
	if s.sat.since < t.switchAt {
		return s
	}
	t.on = !t.on
	t.from = s.sat.since + 0.7*s.latency()
	t.there = false
	if t.on {
		t.switchAt = s.sat.since + 2*s.probing() // at the latest
		return s
	}
	t.switchAt = s.sat.since + s.resting()
	return s.verdict()
}

// newTest begins with a phase at the limit.
func (s state) newTest(down bool) state {
	t := test{down: down, factor: 2} // what a test costs falls with its size
	if !down {
		// No larger than can be told from chance: what it costs grows with it.
		if !s.hunt.fresh {
			t.factor = s.step(s.probing())
		}
		if h := &s.hunt; h.former > 1.2*s.knee && !(t.factor*s.knee > h.former) {
			if h.tryBack = !h.tryBack; h.tryBack {
				t.factor = min(h.former/s.knee, 4)
			}
		}
	}
	s.hunt.test = t
	s.hunt.test.from = s.sat.since
	s.hunt.test.switchAt = s.sat.since + s.resting()
	return s
}

// fromAbove begins the test with its phase at the other limit, which the house
// is at: filling it again would take a latency, and that is long by now.
func (s state) fromAbove(w *window, b bounds) state {
	t := &s.hunt.test
	if f := min(w.nMean/s.limit, 2); f > 1.15 && s.latency() < b.budget {
		t.factor, t.on, t.there = f, true, true
		t.from = s.sat.since + 0.7*s.latency()
		t.switchAt = t.from + s.probing()
		s.limit *= f
	}
	return s
}

func (s *state) probing() float64 { return max(3*tick, 2*s.latency()) }

func (s *state) resting() float64 {
	if s.hunt.test.down {
		return s.hunt.rest[1] * s.probing()
	}
	return s.hunt.rest[0] * s.probing()
}

// follows is the log of the likelihoods' ratio between "throughput is
// proportional to the limit" and "throughput does not depend on it".
func (s *state) follows() float64 {
	t := &s.hunt.test
	if t.count[0] < 1 || t.count[1] < 1 {
		return 0
	}
	// By those who were inside, who at a raised limit may be all who came.
	size := math.Log(t.area[1] / t.time[1] / (t.area[0] / t.time[0]))
	d := math.Log(t.count[1] / t.time[1] / (t.count[0] / t.time[0]))
	if t.down {
		size, d = -size, -d
	}
	if !(size > 0) {
		return 0
	}
	return (d - size/2) * size / (s.base.cv2 * (1/t.count[0] + 1/t.count[1]))
}

// verdict ends a test that is conclusive: it is a sequential one (A. Wald,
// 1945), and otherwise goes on with another pair of phases.
func (s state) verdict() state {
	t := &s.hunt.test
	follows := s.follows()
	switch {
	case !t.down && follows > 3:
		before, x := s.knee, t.count[0]/t.time[0]
		s.knee *= min(t.factor, t.area[1]/t.time[1]/(t.area[0]/t.time[0]))
		rest := 2.0
		if s.hunt.slowed {
			rest = 0.5
		}
		slowed, former := s.hunt.slowed, s.hunt.former
		s = s.enterHold(rest)
		s.hunt.slowed, s.hunt.former = slowed, former
		s.hunt.fresh = true // where there was more there may be yet more
		return s.newTest(false).remember(before, x)
	case t.down && follows < -3:
		// Smaller, not slower.
		before, x := s.knee, t.count[0]/t.time[0]
		former := max(before, s.hunt.former, s.calm.peak)
		s.knee = min(s.knee, s.sat.x*s.rested)
		s.calm.n, s.calm.peak = min(s.calm.n, s.knee/1.2), min(s.calm.peak, s.knee)
		s = s.enterHold(firstRest / 2)
		s.hunt.former = former
		return s.newTest(false).remember(before, x)
	case t.down && follows > 2:
		// Slower, not smaller: that is how long it takes from now on.
		s.rested = s.whole() * t.time[0] / t.count[0]
		return s.enterHold(firstRest)
	case !t.down && follows < -3:
		s.hunt.rest[0] = clamp(s.hunt.rest[0]*1.5, firstRest, 60)
		s.hunt.fresh = false
		return s.newTest(false)
	}
	return s
}

// remember keeps what was before a verdict.
func (s state) remember(knee, x float64) state {
	h := &s.hunt
	h.undoKnee, h.undoX, h.undoCount, h.undoTime = knee, x, 0, 0
	h.undoAt = s.sat.since + 1.5*s.latency()
	return s
}

// verify takes the last verdict back if it does not show: X must have grown
// with the knee, or not have fallen with it.
func (s state) verify(w *window) state {
	h := &s.hunt
	if h.undoKnee == 0 || s.sat.since <= h.undoAt || h.test.on {
		return s
	}
	h.undoCount += w.done
	h.undoTime += w.dt // of full ticks, as X is
	if h.undoCount < 20 {
		return s
	}
	d := math.Log(h.undoCount / h.undoTime / h.undoX)
	size := math.Log(s.knee / h.undoKnee) // negative: smaller
	se2 := s.base.cv2 * (1/h.undoCount + 1/(h.undoCount+20))
	follows := (d - size/2) * size / se2
	switch {
	case size > 0 && follows < -2:
		s.knee = h.undoKnee
		return s.enterHold(firstRest)
	case size < 0 && follows > 2:
		s.knee = h.undoKnee
		s.rested = s.knee / h.undoX
		return s.enterHold(firstRest)
	case math.Abs(follows) > 4, h.undoTime > 3:
		h.undoKnee = 0
	}
	return s
}
