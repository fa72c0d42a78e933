package shed

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/seawall-go/seawall"
)

// A rank is the total order in which requests are served: the priority first,
// then a throw of the dice for the user that holds for Config.Sticky. Lower is
// better. A level is its coarse form: four classes of 128 cohorts.
//
//	rank   class (2 bits) | hash (32 bits)
//	level  class (2 bits) | upper 7 bits of the hash
type rank uint64

const (
	cohortBits = 7
	cohorts    = 1 << cohortBits
	levels     = seawall.NumPriorities * cohorts
	// allLevels is the floor that refuses nobody.
	allLevels = levels
)

func (r rank) level() uint32 { return uint32(r >> (32 - cohortBits)) }

// cohort is the upper 7 bits of the hash.
func (r rank) cohort() uint32 { return uint32(r) >> (32 - cohortBits) }

// class is 0 for Critical to 3 for Background.
func (r rank) class() uint32 { return uint32(r >> 32) }

func priorityOf(class uint32) seawall.Priority { return seawall.Critical - seawall.Priority(class) }

// epochs knows which throw of the dice is valid for whom. Every user changes at
// an instant of their own, so that the house is never reshuffled at once. It
// follows the wall clock, so that the instances of a fleet agree.
type epochs struct {
	number, rest, period uint64    // seconds; number*period+rest is now
	turn                 uint64    // whose hash is not below it has the next throw already
	salt                 [2]uint64 // of this throw and of the next
}

func epochsAt(t time.Time, period time.Duration) epochs {
	p := uint64(period / time.Second)
	now := uint64(max(t.Unix(), 0))
	n := now / p
	turn := uint64(math.MaxUint64)
	if rest := now % p; rest > 0 {
		turn, _ = bits.Div64(p-rest, 0, p) // (p-rest)/p of all hashes
	}
	return epochs{turn: turn, number: n, rest: now % p, period: p, salt: [2]uint64{mix(n), mix(n + 1)}}
}

func (e *epochs) rank(p seawall.Priority, user seawall.ID) rank {
	if user == 0 {
		return rankOfNobody(p)
	}
	return e.rankOf(p, user)
}

// rankOfNobody is a new throw for every request.
func rankOfNobody(p seawall.Priority) rank {
	return classOf(p) | rank(rand.Uint32())
}

// classOf places a priority that is none of the four last.
func classOf(p seawall.Priority) rank {
	return rank(min(uint8(seawall.Critical-p), seawall.NumPriorities-1)) << 32
}

// rankOf is small enough to be inlined. A user's own instant comes from a
// multiplication (Fibonacci hashing), which spreads IDs of any make.
func (e *epochs) rankOf(p seawall.Priority, user seawall.ID) rank {
	salt, next := e.salt[0], e.salt[1]
	if uint64(user)*0x9e3779b97f4a7c15 >= e.turn {
		salt = next
	}
	return classOf(p) | rank(mix(uint64(user)^salt)>>32)
}

// mix is the finalizer of MurmurHash3 (Appleby): every bit of the input moves
// every bit of the output.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x
}
