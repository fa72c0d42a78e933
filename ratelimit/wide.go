package ratelimit

import "sync/atomic"

// wideSet is a cache line of slots that hold a key's whole hash, and its time in
// units that do not wrap around.
type wideSet [ways / 2]wideSlot

// wideSlot are two words, so that a slot can change hands while its key is being
// charged. Who has charged looks whether the slot is still the key's, and who has
// taken one over whether it was still free. Between the two both may give way:
// then a key has two slots for a while, and at most one burst too many.
type wideSlot struct {
	mark atomic.Uint64 // 0: nobody's
	paid atomic.Int64  // when the key is out of debt
}

func (t *table) placeWide(hash uint64) (s *wideSet, mark uint64) {
	return &t.wide[hash&uint64(len(t.wide)-1)], max(hash, 1)
}

// find returns the key's slot, or else the first that is free.
func (s *wideSet) find(mark uint64, now int64) (slot *wideSlot, own bool) {
	for i := range s {
		one := &s[i]
		held := one.mark.Load()
		if held == mark {
			return one, true
		}
		if slot == nil && (held == 0 || one.paid.Load() <= now) {
			slot = one
		}
	}
	return slot, false
}

// claim makes a free slot the key's, if nobody is faster.
func (s *wideSlot) claim(mark uint64, now int64) {
	old, paid := s.mark.Load(), s.paid.Load()
	if old != 0 && paid > now || old == mark || !s.mark.CompareAndSwap(old, mark) {
		return
	}
	if old != 0 && s.paid.Load() != paid {
		s.mark.CompareAndSwap(mark, old) // its key has come back meanwhile
	}
}

func (t *table) takeWide(hash uint64, now, need, upTo int64) (v verdict, debt int64) {
	set, mark := t.placeWide(hash)
	for {
		s, own := set.find(mark, now)
		switch {
		case need > upTo:
			debt = 0
			if own {
				debt = max(0, s.paid.Load()-now)
			}
			return refused, debt
		case s == nil:
			return noRoom, 0
		case !own && need == 0:
			return taken, 0
		case !own:
			s.claim(mark, now) // and look again
			continue
		}
		paid := s.paid.Load()
		debt = max(0, paid-now)
		switch {
		case debt+need > upTo:
			return refused, debt
		case need == 0:
			return taken, debt
		case !s.paid.CompareAndSwap(paid, now+debt+need):
			continue
		case s.mark.Load() == mark:
			return taken, debt + need
		}
		s.paid.Add(-need) // that was charged to whoever has the slot now
	}
}

func (t *table) raiseWide(hash uint64, now, to int64) bool {
	set, mark := t.placeWide(hash)
	for {
		s, own := set.find(mark, now)
		if s == nil {
			return false
		}
		if !own {
			s.claim(mark, now)
			continue
		}
		if paid := s.paid.Load(); paid-now >= to || s.paid.CompareAndSwap(paid, now+to) {
			return true
		}
	}
}

func (t *table) backWide(hash uint64, need int64) {
	set, mark := t.placeWide(hash)
	for i := range set {
		if set[i].mark.Load() == mark {
			set[i].paid.Add(-need)
			return
		}
	}
}

func (t *table) liveWide(now int64) (n int) {
	for i := range t.wide {
		for k := range t.wide[i] {
			if s := &t.wide[i][k]; s.mark.Load() != 0 && s.paid.Load() > now {
				n++
			}
		}
	}
	return n
}
