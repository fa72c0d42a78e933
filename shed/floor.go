package shed

import "math"

// door is the floor: the level from which on requests are refused on arrival,
// so that those who will not be served hear it at once. It does not find the
// capacity; it only keeps the wait queue short.
type door struct {
	floor  int     // first level refused; allLevels is none
	volume float64 // seats asked for per second
	trim   float64 // 0..1: how much more to let through than is served
	shape  [levels]float32
}

// margin is how much more than the throughput is let through to the queue, so
// that a free seat always finds somebody who wants it.
const margin = 0.15

func (d door) step(w *window, sat saturation, limit, most float64) door {
	seats := w.arrivals + max(w.extra, -w.arrivals)
	rate := seats / w.dt
	// A jump that chance does not explain is followed at once; otherwise the
	// volume would lag behind a step by three ticks.
	if expected := d.volume * w.dt; math.Abs(seats-expected) > 3*math.Sqrt(max(seats, expected)) {
		d.volume = rate
	} else {
		d.volume += 0.3 * (rate - d.volume)
	}
	keep := float32(math.Exp(-w.dt))
	for i := range d.shape {
		d.shape[i] = d.shape[i]*keep + w.offered[i]
	}
	d.floor = allLevels
	if most > 0 && d.volume > most {
		d.floor = d.levelFor(most / d.volume)
	}
	if !sat.now {
		d.trim = 0
		return d
	}
	if sat.ticks < 2 || !(sat.x > 0) {
		return d
	}
	if w.nMean < 0.95*limit-0.5 {
		d.trim = min(1, d.trim+0.05) // seats are idle: too strict
	} else if w.waiting > sat.x*w.dt {
		d.trim = max(0, d.trim-0.02)
	}
	// Without L/n a strict floor would starve the house, X would fall, and
	// the floor would follow X down.
	pass := sat.x * clamp(limit/max(w.nMean, 1), 1, 2) * (1 + margin + d.trim)
	if d.volume > pass {
		d.floor = min(d.floor, d.levelFor(pass/d.volume))
	}
	return d
}

// levelFor walks the levels from the best until their share of the offered
// load is used up. Critical is never below the floor.
func (d *door) levelFor(share float64) int {
	var total float64
	for _, v := range d.shape {
		total += float64(v)
	}
	left := share * total
	for i, v := range d.shape {
		if left -= float64(v); left < 0 {
			return max(i, cohorts)
		}
	}
	return allLevels
}
