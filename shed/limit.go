package shed

import "math"

// hunt is what the law remembers while it looks for the limit.
type hunt struct {
	began float64 // when CONVERGE or HOLD began, in seconds of the episode

	// CLIMB and CONVERGE: phases at a constant limit, compared by throughput.
	until        float64 // the pause after a move ends here
	count, time  float64
	area         float64 // CONVERGE: of those inside over time
	lastX, lastL float64
	lastCount    float64 // CONVERGE: completions behind lastX
	falling      bool
	full         bool // CONVERGE: has been so since the limit was moved
	queued       bool // CONVERGE: at some limit requests have been seen to queue

	// The promise: limit and throughput when it began to bind, since when that
	// has cost throughput, and until when it is suspended.
	capL, capX       float64
	capTime, capFrom float64

	fresh  bool // the knee rests on a few first samples, or was found too low
	slowed bool // HOLD: entered because the backend has become slower

	// former is the knee before capacity was lost, which is tried in turn with
	// smaller steps: what was lost mostly comes back as a whole.
	former  float64
	tryBack bool

	// What the last verdict has changed, to be taken back if it did not help.
	undoKnee, undoX float64
	undoAt          float64 // when the count begins
	undoCount       float64
	undoTime        float64

	test test
	rest [2]float64 // HOLD: plain phases last this many probing ones; up, down
}

// test compares the throughput at the limit with that at another one.
type test struct {
	down     bool
	on       bool    // now at the other limit
	there    bool    // and those inside are as many
	factor   float64 // between the two, above 1
	switchAt float64
	from     float64    // the counting of this phase begins
	count    [2]float64 // completions without and with
	time     [2]float64
	area     [2]float64 // of those inside over time
}

const (
	probeFactor = 1.5
	firstRest   = 8
	// climbPause is how long a climb waits for the first requests of a process
	// to come back: they are a baseline, and that is better.
	climbPause = 1.0
)

// stepLimit moves the limit.
func (s state) stepLimit(w *window, b bounds) state {
	if h := &s.hunt; s.phase == converge && s.sat.ticks > 0 {
		h.count += w.done
		h.time += w.dt
		h.area += w.nMean * w.dt
	}
	if s.sat.now {
		s = s.stepSaturated(w, b)
	} else {
		s = s.stepRoom(w, b)
	}
	if t := &s.hunt.test; !(s.phase == hold && t.on && t.down) {
		s.limit = max(s.limit, s.calm.fits())
	}
	// Before that next to nothing has come back, and while the limit grows X is
	// that of a smaller one.
	h := &s.hunt
	growing := s.phase == converge && !h.queued || h.fresh && h.test.on && !h.test.down
	if s.sat.now && s.sat.x > 0 && s.rested > 0 && s.sat.since > 1.5*s.rested && !growing {
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

// stepRoom is for a tick in which hardly anybody was blocked.
func (s state) stepRoom(w *window, b bounds) state {
	if t := &s.hunt.test; s.sat.ticks > 0 && s.phase == hold && s.hunt.fresh && t.on && !t.down {
		// With room for all who come a raised limit is at its best: that counts.
		return s.stepProbe(w, b)
	}
	return s.stepOpen(w, b)
}

// stepOpen lets the limit rise to the gate. A gate is no limit that anybody
// meets in calm; it bounds what a step lets in before anything is known.
func (s state) stepOpen(w *window, b bounds) state {
	if s.sat.ticks > 0 || w.blocked > 0 && !s.base.usable() {
		return s // a single tick with room must not open the house
	}
	s.phase = open
	gate := float64(firstGate)
	if s.base.count >= provenSamples && s.calm.known > 30 {
		// A small backend has shown what comes at once: bursts, and what a pause
		// collects, as well.
		gate = clamp(2*s.calm.peak+3*math.Sqrt(s.calm.peak), smallGate, firstGate)
	}
	if stay := max(b.budget/2, 1.5*s.usual); s.base.count >= 3*shortMemory && s.usual > 0 && s.calm.used >= 1 {
		// The promise for those a crowd lets in before it is noticed: they are to
		// be served in time even if there is no more room than calm has used. Less
		// than one at once would say nothing.
		gate = clamp(s.calm.used*stay/s.usual, smallGate, gate)
	}
	gate = max(gate, s.calm.peak+3*math.Sqrt(s.calm.peak), min(1.5*s.knee, s.knee+3*math.Sqrt(s.knee)))
	s.limit = min(gate, s.limit*math.Pow(1.25, w.dt/tick)+1)
	// The promise holds before anybody was blocked, too: if requests already
	// stay for too long, more of them are no help.
	if c := &s.calm; s.base.usable() && c.longDone > 1 {
		stay := max(b.budget/2, 1.5*s.rested)
		if c.longArea > c.longDone*stay*(1+2*math.Sqrt((1+s.base.cv2)/c.longDone)) {
			s.limit = min(s.limit, max(c.fits(), c.longDone*stay))
		}
	}
	return s
}

func (s state) stepSaturated(w *window, b bounds) state {
	if s.sat.ticks == 1 {
		s.phase = climb
		s.hunt = hunt{until: climbPause}
		if s.base.usable() {
			s.phase = converge
			s.hunt = hunt{fresh: s.base.count < provenSamples}
		}
		return s
	}
	if s.phase == converge && s.sat.since+tick < s.base.mean {
		return s // what comes back was let in before: nothing is known of a full house
	}
	if t := &s.hunt.test; s.phase != hold || !t.on || !t.down {
		s.sat = s.sat.observe(w, s.base.cv2) // X is that of the whole limit
	}
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
		h := &s.hunt
		s.hunt = hunt{began: s.sat.since, fresh: true, lastX: h.lastX, lastL: h.lastL, lastCount: h.lastCount}
		if h.lastX > 0 {
			s.hunt.until = h.began + 1.5*s.latencyBefore()
		}
	}
	switch s.phase {
	case climb:
		s = s.stepClimb(w)
	case converge:
		s = s.stepConverge(w, b)
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
func (s *state) slack() float64 {
	// With a wide spread of service times the seats are taken by the slow ones
	// for a while, and X is low: twice the error then.
	return 1 + 0.03 + min(s.uncertainty()*clamp(math.Sqrt(s.base.cv2), 1, 2), 0.5)
}

// stepConverge computes the knee in the first second of saturation, or for as
// long as three while it is not known well, and longer while a test is going on
// or the baseline is young.
func (s state) stepConverge(w *window, b bounds) state {
	h := &s.hunt
	for0 := s.sat.since - h.began
	settled := s.sat.x*s.base.mean < w.nMean/(1+0.5*(s.slack()-1))
	if !h.fresh && s.knee > 0 && (for0 >= 3 && (h.queued || h.lastX == 0) || for0 >= 1 && s.uncertainty() <= 0.2 && h.queued && settled) {
		return s.enterHold(firstRest)
	}
	if s.base.slower {
		// Slower, not smaller: what calm traffic has shown to fit still fits.
		s.knee = max(s.sat.x*s.base.mean, s.calm.peak)
		s.base = s.base.rescale(s.knee / s.sat.x)
		s.base.slower = false
		s.rested = s.base.mean
		s.limit = s.knee * s.slack()
		s = s.enterHold(2)
		s.hunt.slowed = true
		return s.fromAbove(w, b)
	}
	if full := s.sat.since + 0.7*s.latencyBefore(); w.nMean > 0.9*s.limit && full < h.until && !h.full {
		h.until, h.full = full, true
	}
	if s.sat.since < h.until {
		s.sat.count, s.sat.time = 0, 0 // X is that of the limit before
		h.count, h.time, h.area = 0, 0, 0
		return s
	}
	knee := s.sat.x * s.base.mean
	if !h.queued {
		// Calm tells nothing about more than twice what it has shown to fit.
		known := s.calm.fits() >= s.limit/2 || knee <= s.fewAtWork()*w.nMean
		if h.fresh || h.lastX > 0 || !known {
			if s = s.grow(s.limit >= b.max || b.pinned > 0); s.phase == hold || !s.hunt.queued {
				return s
			}
		}
	}
	h.queued = true
	limit := knee * s.slack()
	if w.nMean > 0.9*s.limit || limit > s.limit {
		s.knee, s.limit = knee, limit
	}
	return s
}

// step is by how much to change the limit for a time so that the difference it
// makes to throughput can be told from chance.
func (s *state) step(seconds float64) float64 {
	return clamp(math.Exp(5*math.Sqrt(2*s.base.cv2/max(s.sat.x*seconds, 1))), 1.15, probeFactor)
}

func (s state) enterHold(rest float64) state {
	s.phase = hold
	s.hunt = hunt{rest: [2]float64{rest, 1}, began: s.sat.since, capL: s.hunt.capL, capX: s.hunt.capX, capFrom: s.hunt.capFrom}
	return s.newTest(false)
}

// latency is what a request spends inside, by Little's law.
func (s *state) latency() float64 { return max(s.sat.nMean, 1) / s.sat.x }

// stepHold keeps the knee and follows the speed of the backend: in saturation
// the knee is state, and the baseline is derived. Correcting a baseline from
// samples taken under saturation instead ends in a spiral.
func (s state) stepHold(w *window, b bounds) state {
	// Below this both phases of a probe would be the minimum, and never differ.
	s.knee = max(s.knee, b.min/s.slack())
	s.base = s.base.rescale(min(s.knee/s.sat.x, b.budget)) // no longer than anybody waits
	if s.hunt.slowed && s.sat.since-s.hunt.began < max(1, 4*s.latency()) {
		s.rested = s.base.mean // what was begun before comes back yet
	}
	return s.verify(w).stepProbe(w, b)
}

func (s state) stepProbe(w *window, b bounds) state {
	s = s.probe(w, b)
	s.limit = s.whole()
	if t := &s.hunt.test; t.on {
		if t.down {
			s.limit /= t.factor
		} else {
			s.limit *= t.factor
		}
	}
	return s
}

// whole is the limit while nothing is tried.
func (s *state) whole() float64 { return max(s.knee*s.slack(), s.calm.fits()) }

// stepClimb is for a process that starts into a full spike and has no
// baseline: the limit grows while throughput answers, then falls until it
// costs throughput.
func (s state) stepClimb(w *window) state {
	h := &s.hunt
	if n := s.sat.nMean; h.lastX == 0 && h.until == climbPause {
		// A house that has been filled at once is so many completions a seat
		// behind (renewal theory); with them as many as are inside have come back.
		h.count += w.done
		served := h.count + n*(1-priorCV2)/2
		if served >= n {
			h.lastX, h.lastL, h.lastCount = served/(s.sat.since+tick), n, h.count
			h.count = 0
			h.began = s.sat.since
			h.until = max(h.until, s.sat.since+1.5*s.latencyBefore())
			s.limit *= 2
			return s
		}
	}
	if s.sat.since < h.until {
		return s
	}
	if h.time == 0 {
		h.count = 0 // what came back before was begun before
	}
	h.count += w.done
	h.time += w.dt
	if h.time < max(2*tick, s.latency()/2) || h.count < 30 {
		return s
	}
	x := h.count / h.time
	elastic := h.lastX > 0 && math.Log(x/h.lastX)/math.Log(s.limit/h.lastL) > 0.5
	before := h.lastL
	h.lastX, h.lastL, h.lastCount = x, s.limit, h.count
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
