package shed

import (
	"sync/atomic"

	"github.com/seawall-go/seawall"
)

// A journey dies at its first refusal, and the threshold between those who are
// served and those who are not moves a little all the time. So a user who has
// been let in while others are refused goes first within the priority for the
// next favourCount requests in favourSeconds; not again before these are over,
// so that many requests bring no more of it than a few. In its first favourFirm
// seconds being over the share does not end it: a journey whose answers take a
// second each is one of many seconds, too.

const (
	favourCount   = 8
	favourSeconds = 10
	favourFirm    = 3
	favourUsers   = 1 << 14
	favourShift   = 64 - 14
)

// favours remembers who has one, in 64 KiB, made at the first saturation. An
// entry is a tag of the user (14 bits), the second it began (10 bits) and what
// is left (8 bits); a newer user takes the place of an older one.
type favours struct{ entries [favourUsers]atomic.Uint32 }

func (f *favours) of(user seawall.ID) (entry *atomic.Uint32, tag uint32) {
	h := uint64(user) * 0x9e3779b97f4a7c15 // Fibonacci hashing: the upper bits are good
	return &f.entries[h>>favourShift], uint32(h>>32) << 18
}

func favourAlive(e, tag, second uint32) bool {
	return e>>18 == tag>>18 && (second-e>>8)&1023 < favourSeconds
}

// has reports whether the user goes first.
func (f *favours) has(user seawall.ID, second uint32) bool {
	return f.standing(user, second) == ahead
}

// knows is a quick look: mostly there is nothing about a user, and then there
// is no more to find out.
func (f *favours) knows(user seawall.ID) bool {
	return f.entries[uint64(user)*0x9e3779b97f4a7c15>>favourShift].Load()&0xff > 0
}

// standing is where in its priority a user's next request goes.
type standing uint8

const (
	inOrder standing = iota
	ahead            // has been let in a moment ago
	behind           // asks for more than its share
	lower            // and for far more: its Critical requests, too
)

func (f *favours) standing(user seawall.ID, second uint32) standing {
	entry, tag := f.of(user)
	e := entry.Load()
	switch left := e & 0xff; {
	case left == 0 || !favourAlive(e, tag, second): // mostly there is none
		return inOrder
	case left >= isBehind:
		return behind + standing(left-isBehind)
	default:
		return ahead
	}
}

// What takes the place of a favour's count for who is over the share.
const (
	isBehind = 254
	isLower  = 255
)

// weigh records whether a user is over the share, and reports whether that is
// new.
func (f *favours) weigh(user seawall.ID, second uint32, over, far bool) bool {
	entry, tag := f.of(user)
	e := entry.Load()
	alive := favourAlive(e, tag, second)
	switch {
	case over && !far && alive && e&0xff > 0 && e&0xff < isBehind && (second-e>>8)&1023 < favourFirm:
		// A journey under way.
	case over:
		to := uint32(isBehind)
		if far {
			to = isLower
		}
		entry.Store(tag | second&1023<<8 | to)
		return !alive || e&0xff != to
	case alive && e&0xff >= isBehind:
		entry.CompareAndSwap(e, 0)
		return true
	}
	return false
}

// admitted uses one up, or gives the first ones. Two requests of one user at
// once may use up one between them.
func (f *favours) admitted(user seawall.ID, second uint32) {
	entry, tag := f.of(user)
	e := entry.Load()
	switch alive := favourAlive(e, tag, second); {
	case alive && e&0xff >= isBehind: // none for those
	case !alive:
		entry.CompareAndSwap(e, tag|second&1023<<8|favourCount)
	case e&0xff > 0:
		entry.CompareAndSwap(e, e-1)
	}
}

// ahead moves a rank into the first 4 of the 128 cohorts of its class.
func (r rank) ahead() rank { return r&^0xffffffff | r&0xffffffff>>5 }

// behind moves a rank into the last 4 cohorts of its class.
func (r rank) behind() rank { return r&^0xffffffff | 0xf8000000 | r&0xffffffff>>5 }
