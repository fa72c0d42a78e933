package shed

import "math"

// baseline is the latency of the backend without a queue: a mean over cohorts
// admitted at a harmless concurrency. It must be a mean. The lowest of many
// noisy figures is far below it, would take the limit down with it, and below
// the capacity nothing contradicts.
type baseline struct {
	mean, square float64 // seconds, seconds squared
	cv2          float64 // squared coefficient of variation
	count        float64 // samples ever, or since the last restart
	seen         float64 // seconds of traffic

	// a second mean with a memory of 16 samples: when the two differ by more
	// than chance explains, the short one is right.
	short, shortSquare float64
	shortCount         float64

	// slower: everything takes longer than it did, at a concurrency known to
	// be harmless. relearned counts samples taken since.
	slower    bool
	relearned float64
	late      float64 // of the tick before
	judged    float64
}

const (
	longMemory  = 400
	shortMemory = 16
	// usableSamples are needed to say anything at all.
	usableSamples = 8
	// lateShare is what is commonly older than two baselines: 7 % of a
	// log-normal with sigma 0.6, 10 % of a bimodal backend.
	lateShare = 0.15
)

func (b *baseline) usable() bool {
	return b.count >= usableSamples && b.mean > 0
}

// patience is the age at which a cohort is closed, in seconds: those who are
// still inside are entered with that, and with the rest when they come.
func (b *baseline) patience() float64 {
	wait := max(0.2, 4*b.mean)
	if b.count < 2*shortMemory {
		wait = max(wait, 1) // an unknown baseline must not cut off its own long samples
	}
	return wait
}

// overdue adds what those who came after their cohort was closed took beyond
// that: without it a tail of few but very long requests would be cut off, and
// the knee with it.
func (b baseline) overdue(sum, squares float64) baseline {
	if !(sum > 0) || b.count == 0 {
		return b
	}
	b.mean += sum / b.memory()
	b.square += squares / b.memory()
	if b.shortCount > 0 {
		m := b.memory() // not the short memory: one such sample is no change
		b.short += sum / m
		b.shortSquare += squares / m
	}
	return b.spread()
}

// memory is how many samples the long mean speaks for.
func (b *baseline) memory() float64 { return clamp(b.count/2, 1, longMemory) }

func (b baseline) step(w *window, saturated bool) baseline {
	if w.arrivals > 0 {
		b.seen += min(w.dt, 4*tick)
	}
	b = b.overdue(w.overdue, w.overdueSquares)
	for _, c := range w.cohorts {
		b = b.learn(c)
		if b.slower && !saturated {
			if b.relearned += c.n; b.relearned >= 48 {
				b.slower = false
			}
		}
	}
	b = b.judge(w)
	return b
}

func (b baseline) learn(c sample) baseline {
	if !(c.n > 0) || !(c.sum >= 0) || math.IsInf(c.sum, 0) {
		return b
	}
	mean, square := c.sum/c.n, c.squares/c.n
	b.count += c.n
	k := min(1, c.n/max(c.n, b.memory()))
	b.mean += (mean - b.mean) * k
	b.square += (square - b.square) * k

	b.shortCount += c.n
	k = min(1, c.n/min(b.shortCount, shortMemory))
	b.short += (mean - b.short) * k
	b.shortSquare += (square - b.shortSquare) * k
	b = b.spread()

	if b.shortCount >= shortMemory && b.count > 2*shortMemory {
		se := b.mean * math.Sqrt(b.cv2*(1.0/shortMemory+1/b.memory()))
		if math.Abs(b.short-b.mean) > 3*se {
			b.mean, b.square = b.short, b.shortSquare
			b.count = 2 * shortMemory
			b = b.spread()
		}
	}
	return b
}

// spread derives the coefficient of variation. A floor under it keeps a
// perfectly even backend from being known too exactly.
func (b baseline) spread() baseline {
	if b.mean > 0 {
		b.cv2 = clamp(b.square/(b.mean*b.mean)-1, 0.02, 25)
	}
	return b
}

// judge looks for lateness. Every cohort is judged once, at the age of two
// baselines, by how many had not come back: that has no bias from who comes
// back first, and fires two baselines after the change.
func (b baseline) judge(w *window) baseline {
	test := func(r, late float64) bool {
		return r > 0 && late > lateShare*r+3*math.Sqrt(r*lateShare*(1-lateShare))+1
	}
	if b.seen >= max(0.5, 4*b.mean) && b.usable() && !b.slower && (test(w.judged, w.late) || test(w.judged+b.judged, w.late+b.late)) {
		b.slower = true
		b.relearned = 0
	}
	b.judged, b.late = w.judged, w.late
	return b
}

// rescale moves the baseline to what the knee and X say, keeping its shape:
// the backend has become slower or faster, not larger or smaller.
func (b baseline) rescale(mean float64) baseline {
	if !(mean > 0) || math.IsInf(mean, 0) {
		return b
	}
	if b.mean > 0 {
		f := mean / b.mean
		b.square *= f * f
		b.short *= f
		b.shortSquare *= f * f
	} else {
		b.square = mean * mean * 1.5
		b.short, b.shortSquare = mean, b.square
		b.count = max(b.count, usableSamples)
	}
	b.mean = mean
	return b.spread()
}

// unspread forgets how much latencies vary: from now on they are compared
// within their routes.
func (b baseline) unspread() baseline {
	b.square = b.mean * b.mean * (1 + priorCV2)
	b.shortSquare = b.short * b.short * (1 + priorCV2)
	b.count = min(b.count, 2*shortMemory)
	return b.spread()
}
