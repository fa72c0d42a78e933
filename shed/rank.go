package shed

import (
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

// class is 0 for Critical to 3 for Background.
func (r rank) class() uint32 { return uint32(r >> 32) }

func priorityOf(class uint32) seawall.Priority { return seawall.Critical - seawall.Priority(class) }

// epochs knows which throw of the dice is valid for whom. Every user changes at
// an instant of their own, so that the house is never reshuffled at once. It
// follows the wall clock, so that the instances of a fleet agree.
type epochs struct {
	number, rest, period uint64    // seconds; number*period+rest is now
	salt                 [2]uint64 // of this throw and of the next
}

func epochsAt(t time.Time, period time.Duration) epochs {
	p := uint64(period / time.Second)
	now := uint64(max(t.Unix(), 0))
	n := now / p
	return epochs{number: n, rest: now % p, period: p, salt: [2]uint64{mix(n), mix(n + 1)}}
}

func (e *epochs) rank(p seawall.Priority, user seawall.ID) rank {
	class := uint64(seawall.Critical-p) & 3
	if user == 0 {
		// Nobody known: a new throw for every request.
		return rank(class<<32 | uint64(rand.Uint32()))
	}
	h := fold(uint64(user)^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	offset, _ := bits.Mul64(h, e.period) // uniform in [0, period)
	salt := e.salt[0]
	if e.rest+offset >= e.period {
		salt = e.salt[1]
	}
	return rank(class<<32 | fold(h^salt, 0x8ebc6af09c88c6e3)>>32)
}

// fold multiplies to 128 bits and joins the halves: the mixing step of wyhash
// (Wang Yi). Two of them are three nanoseconds, and enough for numbers that
// count upwards; IDs made by seawall.Identity are random anyway.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
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
