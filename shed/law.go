package shed

import "math"

// The law decides, once a tick, how many requests may be inside (the limit)
// and who is refused at the door (the floor). It is made of pure functions of
// the state and of what was counted since the last tick, so that a simulator
// can drive it. docs/decisions.md tells which scenario each rule is there for.
//
// Three facts carry it:
//
//   - Little's law ties throughput X, latency R and concurrency n: X = n/R.
//     While seats are free R is constant and X grows with n; beyond the
//     capacity W it is the other way round. The knee is W = X * B, where X is
//     the throughput under saturation and B the latency without a queue (the
//     baseline).
//   - Only a latency taken at a concurrency known to be harmless tells about
//     B, and only one taken at a raised concurrency about the queue.
//   - The best concurrency follows the size of a backend, not its speed. When
//     everything takes four times as long, the limit stays and B is corrected.

// tick is the nominal time between two steps, in seconds.
const tick = 0.05

// window is what was counted since the last step. Rates and sums of samples
// are scaled to all requests where that matters.
type window struct {
	now, dt float64 // seconds

	offered  [levels]float32 // arrivals by level
	arrivals float64
	blocked  float64 // arrivals that met the floor, a full house or a queue
	extra    float64 // seats they asked for beyond one each, AddCost included
	done     float64 // completions whose client was still there, in seats
	nMean    float64 // mean number inside
	nMax     float64
	n        float64 // number inside now
	waiting  float64 // requests in the wait queue now

	runnable      float64 // goroutines that wait for a processor, for each of those: mean
	runnableLeast float64 // and least

	overdue, overdueSquares float64 // what baseline samples took beyond the age at which their cohort was closed

	samples float64 // completions sampled
	sumR    float64 // their latencies, in seconds

	cohorts []sample // baseline samples of cohorts that are complete
	judged  float64  // proven requests that are two baselines old
	late    float64  // those of them that had not returned by then
}

// sample is one cohort's worth of baseline latencies: count, sum, sum of
// squares.
type sample struct{ n, sum, squares float64 }

// bounds are what the configuration, or an operator, says about the limit.
type bounds struct {
	min, max float64
	budget   float64 // seconds
	queue    float64 // run queue per processor from which on that is what is short; 0: never
	pinned   float64 // > 0: the operator's limit
	fresh    bool    // the maximum is, or was until now, that of a slow start
}

// state is all the law remembers. It is a value: step returns the next one.
type state struct {
	base baseline
	calm calmness
	sat  saturation
	hunt hunt
	door door
	cpu  processors

	phase phase
	limit float64
	knee  float64 // 0: not known

	usual  float64 // the baseline over a minute or so of calm, in seconds
	rested float64 // the baseline of before this saturation, in seconds
	held   float64 // the limit, while it was the operator's or the maximum; or 0

	// gates for samples, in requests inside
	eligible, proven float64
}

// phase is what the law is doing about the limit.
type phase uint8

const (
	open     phase = iota // nobody is refused
	climb                 // no baseline yet: the limit follows throughput
	converge              // the knee is being computed
	hold                  // the knee stands; probing for more
)

var phaseNames = [...]string{"open", "climb", "converge", "hold"}

func (p phase) String() string { return phaseNames[p] }

// firstGate is how many may be inside before anything is known, until there
// have been provenSamples baseline samples; then smallGate is enough.
const (
	firstGate     = 32
	smallGate     = 8
	provenSamples = 100
	// firstEligible is up to which concurrency the very first requests are
	// believed to meet no queue.
	firstEligible = 16
)

func newState(b bounds) state {
	s := state{phase: open}
	s.limit = clamp(firstGate, b.min, b.max)
	s.door.floor = allLevels
	s.eligible = firstEligible
	return s
}

// step is the law: the state after a window.
func step(s state, w *window, b bounds) state {
	if !(w.dt >= 1e-6) {
		return s // two ticks in a microsecond, or a clock gone mad
	}
	w.dt = min(w.dt, 3600)
	if s.held > 0 && b.pinned == 0 && b.max > s.held {
		// What was learned under a limit of somebody else's making is that limit.
		s.sat, s.hunt, s.knee, s.phase = saturation{}, hunt{}, 0, open
		s.limit = clamp(smallGate, b.min, b.max)
		if b.fresh {
			s.limit = clamp(firstGate, b.min, b.max)
		}
	}
	s.sat = s.sat.step(w, s.limit)
	s.calm = s.calm.step(w, &s.base, s.sat.now)
	s.base = s.base.step(w, s.sat.now)
	if s.base.usable() && (s.sat.ticks == 0 || s.rested == 0) {
		s.rested = s.base.mean
	}
	if s.calm.now && s.base.count >= 2*shortMemory && !s.base.slower {
		if s.usual == 0 {
			s.usual = s.base.mean
		}
		s.usual += (s.base.mean - s.usual) * (1 - math.Exp(-w.dt/30))
	}
	s.eligible, s.proven = s.sampleGates()
	s = s.stepLimit(w, b)
	s.held = 0
	if b.pinned > 0 || s.limit >= b.max {
		s.held = s.limit
	}
	s.cpu = s.cpu.step(w, s.door.volume, b.queue)
	sat := s.sat
	if s.phase == converge && !s.hunt.queued && s.held == 0 {
		sat.now = false // the limit is in the way, and X is that of the limit
	}
	s.door = s.door.step(w, sat, s.limit, s.cpu.rate)
	return s
}

// sampleGates says up to which concurrency a request speaks about the
// baseline, and up to which its lateness is news.
func (s *state) sampleGates() (eligible, proven float64) {
	switch {
	case s.knee > 0:
		eligible = max(0.8*s.knee, 1.2*s.calm.n)
	case s.base.count < 32:
		eligible = max(firstEligible, 1.5*s.calm.nSlow)
	default:
		eligible = 1.2 * s.calm.n
	}
	// A queue's length goes with one plus cv2 (Pollaczek and Khinchine): the more
	// even the work, the further above the mean nobody is late for a queue.
	more := s.calm.n * (1 + (1+priorCV2)/(1+s.base.cv2))
	return max(eligible, 4), max(1.2*s.calm.n, min(s.calm.peak, more))
}

// fits is how many calm has shown to fit at once.
func (c *calmness) fits() float64 { return max(1.2*c.n, min(c.peak, 1.6*c.n)) }

// calmness remembers what traffic was like while there was no overload.
type calmness struct {
	now   bool
	n     float64    // mean number inside
	peak  float64    // largest
	maybe [2]float64 // largest of the last two ticks
	known float64    // seconds of calm ever
	nSlow float64    // mean of 2 s, whenever not saturated
	used  float64    // mean of 2 s of calm in which somebody came

	// exponential sums over 0.2 s
	samples, sumR, done, area float64
	// and over 1 s
	longDone, longArea float64
}

// step asks whether there is any evidence of a queue: latency tells of it one
// latency late, the number inside at once. With too few samples to know a
// baseline, what is not saturated is calm.
func (c calmness) step(w *window, base *baseline, saturated bool) calmness {
	keep := math.Exp(-w.dt / 0.2)
	c.samples = c.samples*keep + w.samples
	c.sumR = c.sumR*keep + w.sumR
	// Of a long window, as after a pause, only as much as is remembered.
	part := min(1, 0.2/w.dt)
	c.done = c.done*keep + w.done*part
	c.area = c.area*keep + w.nMean*w.dt*part
	keep, part = math.Exp(-w.dt), min(1, 1/w.dt)
	c.longDone = c.longDone*keep + w.done*part
	c.longArea = c.longArea*keep + w.nMean*w.dt*part
	if !saturated {
		c.nSlow += (w.nMean - c.nSlow) * (1 - math.Exp(-w.dt/2))
	}
	c.now = !saturated
	if !base.usable() {
		// Nothing to compare with: a full house may be one that queues.
		c.now = c.now && w.blocked == 0
	} else {
		within := func(sum, n float64) bool {
			return n <= 0 || sum <= base.mean*n*(1.3+math.Sqrt(base.cv2/n))
		}
		c.now = c.now && within(c.sumR, c.samples) && within(c.area, c.done)
	}
	fade := math.Exp2(-w.dt / 10)
	if c.now {
		c.known += min(w.dt, 4*tick)
		c.n += (w.nMean - c.n) * (1 - math.Exp(-w.dt/0.5))
		if w.arrivals > 0 {
			c.used += (w.nMean - c.used) * (1 - math.Exp(-w.dt/2))
		}
		// What comes with a step is no calm, but for two ticks looks so.
		c.peak = max(c.peak*fade, c.maybe[1])
		c.maybe[0], c.maybe[1] = w.nMax, c.maybe[0]
	} else {
		c.maybe = [2]float64{}
		c.n *= fade
		c.peak *= fade
	}
	return c
}

// saturation knows since when the house is full and what it then serves.
type saturation struct {
	now   bool
	ticks int     // saturated ones in this episode
	since float64 // seconds since the episode began
	quiet float64 // seconds since the last saturated tick

	x      float64 // completions per second, decayed
	count  float64 // completions behind x
	time   float64 // decayed seconds behind x
	nMean  float64
	xNow   float64 // completions per second, over one second
	recent float64 // over 0.2 s
}

// episodeGap is how long the house must have had room before the next
// saturation counts as a new one.
const episodeGap = 0.5

func (s saturation) step(w *window, limit float64) saturation {
	s.now = w.waiting > 0
	if w.arrivals > 0 {
		s.now = w.blocked >= 0.3*w.arrivals
	}
	n := w.nMean
	if w.dt >= 2*tick { // nobody came for a while: what counts is the house now
		n = w.n
	}
	if w.waiting == 0 && n < limit/2 {
		// Half empty: whoever was blocked was blocked by a floor that is wrong,
		// and that would go on for ever. After a hang X is next to nothing, and
		// so is what the floor lets through.
		s.now = false
	}
	if !s.now {
		s.quiet += w.dt
		s.since += w.dt
		if s.quiet >= episodeGap {
			s.ticks = 0
		}
		return s
	}
	if s.ticks == 0 { // the first tick is partly calm: not counted
		return saturation{now: true, ticks: 1, nMean: w.nMean}
	}
	s.ticks++
	s.quiet = 0
	s.since += w.dt
	s.nMean = w.nMean
	return s
}

// observe adds a saturated tick to X. The memory is as long as it takes to
// know X to 6 %.
func (s saturation) observe(w *window, cv2 float64) saturation {
	tau := 2.0
	if s.x > 0 {
		tau = clamp(cv2/(s.x*0.06*0.06), 0.3, 2)
	}
	if s.recent += (w.done/w.dt - s.recent) * (1 - math.Exp(-w.dt/0.2)); s.x > 0 && s.since > 0.5 {
		// A jump that chance does not explain is followed at once.
		if math.Abs(s.recent-s.x) > 4*math.Sqrt(cv2/(0.4*s.x))*s.x {
			s.x, s.xNow = s.recent, s.recent
			s.count, s.time = 0.2*s.recent, 0.2
		}
	}
	keep := math.Exp(-w.dt / tau)
	s.count = s.count*keep + w.done
	s.time = s.time*keep + w.dt
	s.x = s.count / s.time
	if s.xNow == 0 {
		s.xNow = s.x
	}
	s.xNow += (w.done/w.dt - s.xNow) * (1 - math.Exp(-w.dt))
	return s
}

func clamp(v, lo, hi float64) float64 {
	if !(v > lo) { // also NaN
		return lo
	}
	return min(v, hi)
}
