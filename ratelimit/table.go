package ratelimit

import (
	"math"
	"math/bits"
	"sync/atomic"
)

const (
	ways     = 8 // slots of 8 bytes: one cache line
	timeBits = 40
	timeMask = 1<<timeBits - 1
	// An entry is out of debt, or older than times can be told apart, when its
	// time lies further ahead than this.
	mostTicks = 1 << 38
	// fineTicks is how many ticks a token has at least, where the burst allows it.
	fineTicks = 1 << 12
	sweeps    = 64 // parts in which the table is swept
)

// table is a set-associative table of slots: 24 bits of the key's hash, not
// zero, and 40 bits of the time at which the key is out of debt, in ticks that
// wrap around. What is out of debt need not be remembered, so its slot is free.
type table struct {
	sets  []set
	wide  []wideSet // in place of sets
	tick  float64   // in units
	scale uint64    // ticks in 2^64 units
	zero  int64     // when time began, in units

	swept    atomic.Int64 // when a part was, in ticks
	part     atomic.Int64 // the next one
	sweeping atomic.Bool
}

// set is one cache line.
type set [ways]atomic.Uint64

// newTable is one of that size in which a token of m is fineTicks, or fewer if
// the burst could not be told from the past then: a whole number of them, so that
// the rate is met exactly.
func newTable(bytes int, m *meter, wide bool) *table {
	if wide {
		return &table{wide: make([]wideSet, bytes/(8*ways)), tick: 1, scale: math.MaxUint64}
	}
	t := &table{sets: make([]set, bytes/(8*ways)), tick: 1, scale: math.MaxUint64}
	fine := math.Floor(min(fineTicks, float64(mostTicks/4)/float64(max(m.rate.Burst, 1))))
	if float64(m.inc) > fine && fine >= 1 {
		t.scale = uint64(math.Exp2(64) / (float64(m.inc) / fine))
		t.tick = math.Exp2(64) / float64(t.scale)
	}
	t.zero = clock() - int64(t.tick) - 1 // nobody is before the first tick
	return t
}

// at is a time in ticks.
func (t *table) at(now int64) int64 {
	if t.wide != nil {
		return now
	}
	ticks, _ := bits.Mul64(uint64(max(now-t.zero, 0)), t.scale)
	return int64(ticks)
}

// ticks is a span in them, rounded up: in doubt a little less is admitted.
func (t *table) ticks(units int64) int64 {
	return int64(math.Ceil(float64(units) / t.tick * (1 - 1e-12)))
}

// most is the longest debt it tells from the past.
func (t *table) most() float64 {
	if t.wide != nil {
		return mostDebt
	}
	return mostTicks / 2
}

// capacity is how many keys it holds.
func (t *table) capacity() int { return len(t.sets)*ways + len(t.wide)*ways/2 }

// ahead is how far a slot's time lies ahead of now; 0 if it does not, or if the
// slot has no mark and is nobody's.
func ahead(slot uint64, now int64) int64 {
	if slot>>timeBits == 0 {
		return 0
	}
	d := int64(slot<<(64-timeBits)-uint64(now)<<(64-timeBits)) >> (64 - timeBits)
	if d < 0 || d > mostTicks {
		return 0
	}
	return d
}

// verdict is what the table says about a key.
type verdict uint8

const (
	taken verdict = iota
	refused
	noRoom // and nothing has been charged
)

// take charges need ticks to the key unless that brings its debt above upTo. It
// returns the debt: the new one, or that which stands in the way.
func (t *table) take(hash uint64, now, need, upTo int64) (v verdict, debt int64) {
	if t.wide != nil {
		return t.takeWide(hash, now, need, upTo)
	}
	set, mark := t.place(hash)
	for {
		slot, at := find(set, mark, now)
		switch {
		case at < 0:
			if need > upTo {
				return refused, 0
			}
			return noRoom, 0
		case slot>>timeBits == mark:
			debt = ahead(slot, now)
		default:
			debt = 0 // of a key that is new, in the slot of one out of debt
		}
		if debt+need > upTo {
			return refused, debt
		}
		if need == 0 || set[at].CompareAndSwap(slot, mark<<timeBits|uint64(now+debt+need)&timeMask) {
			return taken, debt + need
		}
	}
}

// share is take for a key that takes over, when there is no room, the place and
// the debt of the one that owes least: nothing is forgotten.
func (t *table) share(hash uint64, now, need, upTo int64) (v verdict, debt int64) {
	for {
		if v, debt = t.take(hash, now, need, upTo); v != noRoom {
			return v, debt
		}
		set, mark := t.place(hash)
		least, at := int64(mostTicks), 0
		for i := range set {
			if d := ahead(set[i].Load(), now); d < least {
				least, at = d, i
			}
		}
		slot := set[at].Load()
		set[at].CompareAndSwap(slot, mark<<timeBits|slot&timeMask)
	}
}

// raise brings a key's debt to so many ticks, if it is less. It reports whether
// there was room to remember it.
func (t *table) raise(hash uint64, now, to int64) bool {
	if t.wide != nil {
		return t.raiseWide(hash, now, to)
	}
	set, mark := t.place(hash)
	for {
		slot, at := find(set, mark, now)
		if at < 0 {
			return false
		}
		if slot>>timeBits == mark && ahead(slot, now) >= to || set[at].CompareAndSwap(slot, mark<<timeBits|uint64(now+to)&timeMask) {
			return true
		}
	}
}

// back takes ticks off a key's debt, as far as they are still owed: when they
// were taken, the debt would have been paid off at paid.
func (t *table) back(hash uint64, now, need, paid int64) {
	need = min(need, paid-now)
	switch {
	case need <= 0:
		return
	case t.wide != nil:
		t.backWide(hash, need)
		return
	}
	set, mark := t.place(hash)
	for {
		slot, at := find(set, mark, now)
		if at < 0 || slot>>timeBits != mark {
			return
		}
		debt := ahead(slot, now)
		if set[at].CompareAndSwap(slot, mark<<timeBits|uint64(now+max(0, debt-need))&timeMask) {
			return
		}
	}
}

func (t *table) place(hash uint64) (s *set, mark uint64) {
	return &t.sets[hash&uint64(len(t.sets)-1)], max(hash>>timeBits, 1)
}

// find returns the key's slot, or the first one that is free: all who look for
// it choose the same one, so that of two who insert a key at once one fails.
func find(s *set, mark uint64, now int64) (slot uint64, at int) {
	at = -1
	for i := range s {
		v := s[i].Load()
		if v>>timeBits == mark {
			return v, i
		}
		if at < 0 && ahead(v, now) == 0 {
			slot, at = v, i
		}
	}
	return slot, at
}

// sweep frees the slots of those out of debt, a part of the table at a time and
// all of it within a quarter of the time after which an old entry would pass for
// a debt. If nobody came for longer than any debt lasts, all are free. It returns at
// once unless it is time for that.
func (t *table) sweep(now int64) (swept bool) {
	late := now - t.swept.Load()
	if t.wide != nil || late < mostTicks/sweeps || !t.sweeping.CompareAndSwap(false, true) {
		return false
	}
	defer t.sweeping.Store(false)
	parts := min(late/(mostTicks/sweeps), sweeps) // more than one if nobody came for long
	n := int64(len(t.sets))
	for range parts {
		p := t.part.Load()
		for i := p * n / sweeps; i < (p+1)*n/sweeps; i++ {
			for k := range t.sets[i] {
				slot := &t.sets[i][k]
				if v := slot.Load(); v != 0 && (late >= mostTicks || ahead(v, now) == 0) {
					slot.CompareAndSwap(v, 0)
				}
			}
		}
		t.part.Store((p + 1) % sweeps)
	}
	t.swept.Store(now)
	return true
}

// live counts the keys in debt.
func (t *table) live(now int64) (n int) {
	if t.wide != nil {
		return t.liveWide(now)
	}
	for i := range t.sets {
		for k := range t.sets[i] {
			if ahead(t.sets[i][k].Load(), now) > 0 {
				n++
			}
		}
	}
	return n
}
