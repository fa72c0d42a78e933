package shed

import "math"

// hunt is what the law remembers while it looks for the limit.
type hunt struct {
	began float64 // when CONVERGE or HOLD began, in seconds of the episode

	// CLIMB: phases at a constant limit, compared by throughput.
	until        float64 // the pause after a move ends here
	count, time  float64
	bestX        float64 // CONVERGE: the highest X
	lastX, lastL float64
	falling      bool

	// The promise: limit and throughput when it began to bind, since when that
	// has cost throughput, and until when it is suspended.
	capL, capX       float64
	capTime, capFrom float64

	// PROBE: sums at the high and the low limit since the last verdict.
	high           bool
	rest           float64 // low phases last this many high ones
	switchAt       float64
	hiCount, hiSec float64
	loCount, loSec float64
}

const (
	probeFactor = 1.5
	// probing shows its worth when 1.5 times the seats bring this exponent of
	// throughput, two standard errors from chance.
	probeGain = 0.3
	firstRest = 8
	// climbPause is how long a climb waits for the first requests of a process
	// to come back: they are a baseline, and that is better.
	climbPause = 1.0
)

// provenX is how many completions an X must rest on to be the best one.
const provenX = 50

// stepLimit moves the limit.
func (s state) stepLimit(w *window, b bounds) state {
	if s.sat.now {
		s = s.stepSaturated(w, b)
	} else {
		s = s.stepOpen(w)
	}
	s.limit = max(s.limit, 1.2*s.calm.n)
	if s.sat.now && s.sat.x > 0 {
		s = s.keepPromise(w, b)
	}
	if b.pinned > 0 {
		s.limit = b.pinned
	}
	s.limit = clamp(s.limit, b.min, b.max)
	return s
}

// keepPromise is Little's law the other way round: nobody sits inside for
// longer than half of what clients wait, or 1.5 times what the work takes by
// itself, if that is more. Without the latter a backend slower than that would
// be starved: below the knee X falls with the limit, and the limit with X.
func (s state) keepPromise(w *window, b bounds) state {
	h := &s.hunt
	most := max(4, s.sat.x*max(b.budget/2, 1.5*s.rested))
	switch {
	case min(s.limit, most) > 0.8*h.capL:
		h.capX = s.sat.xNow // still what it was with the whole limit
	case s.sat.xNow < 0.75*h.capX:
		h.capTime += w.dt
	default:
		h.capTime = 0
	}
	if h.capTime > 1 {
		// The limit has been cut and the throughput with it: there was no queue
		// to cut, the work itself has become slow.
		s.rested = min(most/s.sat.xNow, 60)
		s.limit, h.capL, h.capX, h.capTime = h.capL, 0, 0, 0
		s.sat.count, s.sat.time = 0, 0 // X is that of the small limit
		h.capFrom = s.sat.since + 2*s.rested
	}
	if s.sat.since < h.capFrom {
		return s
	}
	if s.limit > most {
		if h.capL == 0 {
			h.capL, h.capX, h.capTime = s.limit, s.sat.xNow, 0
		}
		s.limit = most
	}
	return s
}

// stepOpen lets the limit rise to the gate. A gate is no limit that anybody
// meets in calm; it bounds what a step lets in before anything is known.
func (s state) stepOpen(w *window) state {
	if s.sat.ticks > 0 || w.blocked > 0 && !s.base.usable() {
		return s // a single tick with room must not open the house
	}
	s.phase = open
	gate := float64(firstGate)
	if s.base.count >= provenSamples {
		gate = smallGate
	}
	gate = max(gate, 1.5*s.calm.peak, 1.5*s.knee)
	s.limit = min(gate, s.limit*math.Pow(1.25, w.dt/tick)+1)
	return s
}

func (s state) stepSaturated(w *window, b bounds) state {
	if s.sat.ticks == 1 {
		s.phase = climb
		s.hunt = hunt{rest: firstRest, until: climbPause}
		if s.base.usable() {
			s.phase = converge
		}
		return s
	}
	s.sat = s.sat.observe(w, s.base.cv2)
	if !(s.sat.x > 0) {
		return s
	}
	if s.phase == open { // saturated again within the same episode
		s.phase = hold
		if s.knee == 0 {
			s.phase = climb
		}
	}
	if s.phase == climb && s.base.usable() {
		s.phase = converge
		s.hunt = hunt{rest: firstRest, began: s.sat.since}
	}
	switch s.phase {
	case climb:
		s = s.stepClimb(w)
	case converge:
		s = s.stepConverge(w)
	case hold:
		s = s.stepHold(w, b)
	case open:
	}
	return s
}

// priorCV2 is the squared coefficient of variation of service times that
// nothing is known of: that of a log-normal with sigma 0.65.
const priorCV2 = 0.5

// uncertainty is the standard error of X*B.
func (s *state) uncertainty() float64 {
	// A few samples rarely hold one of the tail, so they look more alike than
	// they are: a prior counts like sixteen.
	n := min(s.base.count, longMemory)
	cv2 := (s.base.cv2*n + priorCV2*shortMemory) / (n + shortMemory)
	return math.Sqrt(cv2 * (1/max(s.sat.count, 1) + 1/s.base.memory()))
}

// slack is how far above the knee the limit stays: too much costs latency,
// too little costs work, and what is not known well should err to the former.
func (s *state) slack() float64 { return 1 + 0.03 + min(s.uncertainty(), 0.5) }

// stepConverge computes the knee in the first second of saturation, or for as
// long as three while it is not known well.
func (s state) stepConverge(w *window) state {
	for0 := s.sat.since - s.hunt.began
	if for0 >= 3 || for0 >= 1 && s.uncertainty() <= 0.2 {
		if s.knee > 0 {
			return s.enterHold(firstRest)
		}
	}
	if s.base.slower {
		// Slower, not smaller: what calm traffic has shown to fit still fits.
		s.knee = max(s.sat.x*s.base.mean, s.calm.peak)
		s.base = s.base.rescale(s.knee / s.sat.x)
		s.base.slower = false
		s.limit = s.knee * s.slack()
		return s.enterHold(1)
	}
	x := s.sat.x
	if s.base.count < provenSamples {
		// With a baseline by a few first samples, the best X since the onset and
		// not the last: a limit that came out too low lowers X, and following
		// that down would have no end.
		if s.sat.count >= provenX {
			s.hunt.bestX = max(s.hunt.bestX, x)
		}
		x = max(x, s.hunt.bestX)
	}
	knee := x * s.base.mean
	limit := knee * s.slack()
	if w.nMean > 0.9*s.limit || limit > s.limit {
		s.knee, s.limit = knee, limit
	}
	return s
}

func (s state) enterHold(rest float64) state {
	s.phase = hold
	s.hunt = hunt{rest: rest, began: s.sat.since, capL: s.hunt.capL, capX: s.hunt.capX, capFrom: s.hunt.capFrom}
	s.hunt.switchAt = s.sat.since + s.lowPhase()
	s.hunt.until = s.sat.since + 0.7*s.latency()
	return s
}

// latency is what a request spends inside, by Little's law.
func (s *state) latency() float64 { return max(s.sat.nMean, 1) / s.sat.x }

func (s *state) highPhase() float64 { return max(3*tick, 2*s.latency()) }
func (s *state) lowPhase() float64  { return s.hunt.rest * s.highPhase() }

// stepHold keeps the knee and follows the speed of the backend: in saturation
// the knee is state, and the baseline is derived. Correcting a baseline from
// samples taken under saturation instead ends in a spiral.
func (s state) stepHold(w *window, b bounds) state {
	// Below this both phases of a probe would be the minimum, and never differ.
	s.knee = max(s.knee, b.min/s.slack())
	s.base = s.base.rescale(min(s.knee/s.sat.x, b.budget)) // no longer than anybody waits
	s = s.probe(w, b)
	s.limit = s.knee * s.slack()
	if s.hunt.high {
		s.limit *= probeFactor
	}
	return s
}

// probe asks now and then whether more seats bring more throughput.
func (s state) probe(w *window, b bounds) state {
	h := &s.hunt
	bound := 0.3
	if h.rest < firstRest {
		bound = 0.5
	}
	if probeFactor*s.latency() > bound*b.budget && s.latency() > 1.5*s.rested {
		h.high = false
		h.switchAt = s.sat.since + s.lowPhase()
		h.hiCount, h.hiSec, h.loCount, h.loSec = 0, 0, 0, 0
		return s
	}
	if s.sat.since > h.until {
		if h.high {
			h.hiCount += w.done
			h.hiSec += w.dt
		} else {
			h.loCount += w.done
			h.loSec += w.dt
		}
	}
	if s.sat.since < h.switchAt {
		return s
	}
	wasHigh := h.high
	h.high = !wasHigh
	h.until = s.sat.since + 0.7*s.latency()
	if h.high {
		h.switchAt = s.sat.since + s.highPhase()
		return s
	}
	h.switchAt = s.sat.since + s.lowPhase()
	return s.probeVerdict()
}

func (s state) probeVerdict() state {
	h := &s.hunt
	if h.hiCount < 1 || h.loCount < 1 {
		return s
	}
	scale := math.Log(probeFactor)
	g := math.Log(h.hiCount/h.hiSec/(h.loCount/h.loSec)) / scale
	se := math.Sqrt(s.base.cv2*(1/h.hiCount+1/h.loCount)) / scale
	switch {
	case g-2*se > probeGain:
		s.knee *= probeFactor
		return s.enterHold(firstRest)
	case se < 0.25:
		h.hiCount, h.hiSec, h.loCount, h.loSec = h.hiCount/2, h.hiSec/2, h.loCount/2, h.loSec/2
		h.rest = min(h.rest*1.5, 60)
	}
	return s
}

// stepClimb is for a process that starts into a full spike and has no
// baseline: the limit grows while throughput answers, then falls until it
// costs throughput.
func (s state) stepClimb(w *window) state {
	h := &s.hunt
	if s.sat.since < h.until {
		return s
	}
	h.count += w.done
	h.time += w.dt
	if h.time < max(2*tick, s.latency()/2) || h.count < 30 {
		return s
	}
	x := h.count / h.time
	elastic := h.lastX > 0 && math.Log(x/h.lastX)/math.Log(s.limit/h.lastL) > 0.5
	before := h.lastL
	h.lastX, h.lastL = x, s.limit
	h.count, h.time = 0, 0
	h.until = s.sat.since + s.latency()
	switch {
	case before == 0 || !h.falling && elastic:
		s.limit *= probeFactor
	case !h.falling:
		h.falling = true
		s.limit /= probeFactor
	case elastic: // the last step down cost throughput
		s.knee = before
		s.limit = before * s.slack()
		s.base = s.base.rescale(s.knee / max(x, 1))
		return s.enterHold(firstRest)
	default:
		s.limit /= probeFactor
	}
	return s
}
