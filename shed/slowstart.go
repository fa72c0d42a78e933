package shed

import "time"

// slowStart keeps an instance with cold caches from being met by the share of a
// warm one: for Config.SlowStart after the first request the maximum of the
// limit rises from MinLimit to firstGate, evenly.
type slowStart struct {
	began int64 // about when the first request came; 0: none has
	most  float64
	// over is that it has ended at this tick: the law has learned nothing under
	// a limit of somebody else's making, and starts as at the beginning.
	going, over bool
}

// step is called at each tick, with the arrivals since the last one.
func (r slowStart) step(lasts time.Duration, lowest int, now int64, arrivals float64) slowStart {
	if r.began == 0 && arrivals > 0 {
		r.began = now
	}
	was := r.going
	r.going, r.over = false, false
	if lasts > 0 && lowest < firstGate {
		done := 0.0
		if r.began > 0 {
			done = float64(now-r.began) / float64(lasts)
		}
		r.going = done < 1
		r.most = float64(lowest) + done*float64(firstGate-lowest)
	}
	r.over = was && !r.going
	return r
}

// cap lowers the maximum of b.
func (r slowStart) cap(b bounds) bounds {
	if r.going && b.pinned == 0 { // what an operator says goes
		b.max = max(b.min, min(b.max, r.most))
	}
	b.fresh = r.going || r.over
	return b
}
