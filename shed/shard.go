package shed

import (
	"math"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/seawall-go/seawall"
)

// What a tick needs to know is counted in shards, so that cores do not fight
// over cache lines. A request is counted in the shard its goroutine's stack
// falls into, and sampled: the first of each level in a tick always, then one
// in mask+1. Only samples read the clock.

const (
	ringSlots = 64
	// A permit that is older than ringAge ticks finds its slot taken over.
	ringAge = ringSlots - 4
	// unit is what latencies are counted in: fine enough for a handler of a
	// microsecond, coarse enough that 40 bits hold the sum of a tick.
	unitShift  = 6 // 64 ns
	unit       = float64(1<<unitShift) * 1e-9
	countBits  = 24
	countMask  = 1<<countBits - 1
	maxSquared = 1 << 27 // units: 8.6 s; longer latencies of a cohort count as this
)

type shard struct {
	// offered counts arrivals in the lower 32 bits and those refused by the
	// floor in the upper: one write serves both.
	offered [levels]atomic.Uint64
	// lowered counts, likewise, those of them that are Critical and stand among
	// the Normal: their users ask for far more than their share.
	lowered atomic.Uint64
	ring    [ringSlots]cohort
	// routes: eligible returns (24 bits) and their latencies, as they were.
	routes [maxRoutes]atomic.Uint64

	_ [64]byte
	// sampled arrivals: how many (lower 24 bits) and the sum of the n they met.
	met atomic.Uint64
	// sampled returns: their seats, and the sum of their latencies in units, each
	// as often as it had seats.
	returned atomic.Uint64
	done     atomic.Uint64 // completions whose client was still there, in seats and doneOne
	// arrivals that met a full house or a queue, but for those in full, who were
	// turned away at once
	blocked atomic.Uint64
	full    [seawall.NumPriorities]atomic.Uint64
	extra   atomic.Int64 // seats that arrivals asked for beyond one each
	nMax    atomic.Int64
	// what eligible returns took beyond the age at which their cohort was closed
	overdue, overdueSquares atomic.Uint64
	_                       [64]byte
}

// cohort is the sampled requests admitted within one tick, each counted as often
// as it took seats. A baseline made of them has no bias from who returns first
// or last.
type cohort struct {
	// admitted: those that met n <= eligible (lower half) and n <= proven
	// (upper half).
	admitted atomic.Uint64
	// returned: eligible ones that are back (24 bits) and their latencies.
	returned atomic.Uint64
	squares  atomic.Uint64
	// early: proven ones that were back within two baselines.
	early atomic.Uint64
}

func (c *cohort) reset() {
	c.admitted.Store(0)
	c.returned.Store(0)
	c.squares.Store(0)
	c.early.Store(0)
}

// Flags of a sampled permit.
const (
	eligible = 1 << iota
	proven
	shadow // a dry run let it in: it has no seat
)

func (c *cohort) admit(flags uint32, seats int64) {
	var v uint64
	if flags&eligible != 0 {
		v = uint64(seats)
	}
	if flags&proven != 0 {
		v |= uint64(seats) << 32
	}
	if v != 0 {
		c.admitted.Add(v)
	}
}

// retract takes back an admission whose client has gone: it is no sample.
func (c *cohort) retract(flags uint32, seats int64) {
	var v uint64
	if flags&eligible != 0 {
		v = uint64(seats)
	}
	if flags&proven != 0 {
		v |= uint64(seats) << 32
	}
	if v != 0 {
		c.admitted.Add(-v)
	}
}

func (c *cohort) giveBack(flags uint32, units uint64, early bool, seats int64) {
	if flags&eligible != 0 {
		c.returned.Add(weigh(units, seats))
		q := bounded(units, seats)
		c.squares.Add((q * q >> 8) * uint64(seats))
	}
	if early && flags&proven != 0 {
		c.early.Add(uint64(seats))
	}
}

// weigh is a latency in the form of shard.returned and cohort.returned.
func weigh(units uint64, seats int64) uint64 {
	return bounded(units, seats)*uint64(seats)<<countBits | uint64(seats)
}

// bounded cuts latencies at maxSquared, and those of the very heavy earlier: a
// hundred of either must fit into the sum of a tick.
func bounded(units uint64, seats int64) uint64 {
	if seats > 64 {
		return min(units, 64*maxSquared/uint64(seats))
	}
	return min(units, maxSquared)
}

// squareUnit is what cohort.squares counts, in seconds squared.
const squareUnit = unit * unit * 256

// split takes a count of shard.offered apart. floored may be negative: a refusal
// that is taken back may have been collected by the tick in between.
func split(v uint64) (arrivals uint64, floored int64) {
	return v & math.MaxUint32, int64(int32(v >> 32))
}

func newShards() []shard {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < 16 {
		n *= 2
	}
	return make([]shard, n)
}

// pick spreads goroutines over shards by the address of their stacks: no
// shared state, no randomness, and one goroutine mostly stays where it is.
func pick(n int) uint32 {
	var here byte
	a := uintptr(unsafe.Pointer(&here)) >> 11 //nolint:gosec // an address to hash, never to follow
	return uint32(a^a>>7) & uint32(n-1)
}
