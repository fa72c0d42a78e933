package shed

import "math"

// queueShare: with less than this share of those inside at work, the others
// queue.
const queueShare = 0.9

// grow looks for the limit behind which requests queue: it doubles the limit
// or, when the baseline rests on few samples, cuts it to what seems to be the
// knee, and believes what throughput says to that. Where the limit is somebody
// else's there is nothing to grow.
func (s state) grow(most bool) state {
	h := &s.hunt
	if h.lastX == 0 {
		return s.firstMove(most)
	}
	if h.count == 0 {
		return s
	}
	x, n := h.count/h.time, h.area/h.time
	size, d := math.Log(n/h.lastL), math.Log(x/h.lastX)
	follows := (d - size/2) * size / (max(s.base.cv2, priorCV2) * (1/h.count + 1/h.lastCount))
	higher, share := n > h.lastL, x*s.base.mean/n
	if higher {
		// The baseline is a witness, too: of those at twice the knee half are at work.
		se := s.uncertainty()
		follows += math.Log(share*math.Sqrt2) * math.Ln2 / (se * se)
	}
	// What comes back at first was let in before: that is no news.
	enough := 2 * n
	if higher && follows > 0 {
		enough = n // too low costs more than too high
	}
	if h.count < n/2 || h.count < enough && math.Abs(follows) < 3 || h.count < n && follows < 0 && !(higher && share < 0.5) {
		return s
	}
	if follows > 0 {
		// Whoever was inside the smaller of the two was at work, and the baseline
		// is what they spent there.
		larger, count, mean := max(s.limit, h.lastL), h.lastCount, s.latencyBefore()
		if !higher {
			count, mean = h.count, n/x
		}
		if h.fresh {
			s.base = s.base.rescale(s.base.mean + (mean-s.base.mean)*count/(count+min(s.base.count, provenSamples)))
			s.base.count += count
			s.rested = s.base.mean
		}
		s.knee = max(x, h.lastX) * s.base.mean
		if most {
			return s.settle(2)
		}
		return s.move(2*larger, x, n, h.count)
	}
	s.knee = max(x, h.lastX) * s.base.mean
	if !h.fresh || higher || follows < -3 { // known well enough
		s.limit = s.knee * s.slack()
		return s.enterHold(firstRest)
	}
	return s.settle(1)
}

// firstMove is the one that the baseline alone decides.
func (s state) firstMove(most bool) state {
	h := &s.hunt
	x, n, count := s.sat.x, s.sat.nMean, s.sat.count
	share := x * s.base.mean / n
	sure := s.sat.time > 1.5*tick && (share > queueShare-0.5*s.uncertainty() || share < s.fewAtWork())
	if h.count == 0 || !sure && h.count < n && h.time < 4*tick {
		return s
	}
	if !sure {
		x, n, count = h.count/h.time, h.area/h.time, h.count
	}
	s.knee = x * s.base.mean
	if s.knee > 0.55*n || s.calm.fits() > 0.8*s.limit { // or can hardly be cut
		if most {
			return s.settle(2)
		}
		return s.move(2*s.limit, x, n, count)
	}
	if h.queued = !h.fresh; h.queued {
		return s
	}
	return s.move(s.knee*s.slack(), x, n, count)
}

// settle holds a knee that rests on few samples, and is soon to be tried.
func (s state) settle(rest float64) state {
	s.limit = s.knee * s.slack()
	s = s.enterHold(rest)
	s.hunt.fresh = true
	return s.newTest(false)
}

// fewAtWork is the share of those inside that are at work from which on the
// others are sure to queue.
func (s *state) fewAtWork() float64 { return max(queueShare-2*s.uncertainty(), 0.3) }

// latencyBefore is what a request spent inside at the limit before.
func (s *state) latencyBefore() float64 { return s.hunt.lastL / max(s.hunt.lastX, 1e-3) }

// move takes the limit elsewhere, to see what throughput says to that.
func (s state) move(limit, x, n, count float64) state {
	h := &s.hunt
	h.lastX, h.lastL, h.lastCount = x, n, count
	h.count, h.time, h.area = 0, 0, 0
	h.until, h.full = s.sat.since+1.5*s.latencyBefore(), false
	s.limit = limit
	s.sat.count, s.sat.time = 0, 0
	return s
}
