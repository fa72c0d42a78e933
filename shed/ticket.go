package shed

import (
	"sync/atomic"
)

// Permit is the right to be inside: one seat, or as many as Class.Cost says.
// Every Permit must be released, once; a second release does nothing. The zero
// Permit holds no seat. Its methods may be called from any goroutine.
//
// A Permit must not be copied after it has been received (go vet tells).
type Permit struct {
	ticket ticket
	// state is how many seats more, or fewer, there are than the ticket says,
	// or how the Permit has ended.
	state atomic.Int32
}

// What state says of a Permit that has no seats any more. Differences are far
// from these.
const (
	ended    = -1 << 31
	detached = ended + 1
)

// Release gives the seats back. The time since the Permit was received is a
// sample for the law.
func (p *Permit) Release() { p.end(false) }

// Drop gives the seats back without a sample: the work was cut short, or its
// duration says nothing about the backend.
func (p *Permit) Drop() { p.end(true) }

func (p *Permit) end(dropped bool) {
	s := p.ticket.s
	if s == nil {
		return
	}
	switch more := p.state.Swap(ended); more {
	case ended:
	case detached:
		s.detached.Add(-1)
	default:
		s.release(&p.ticket, dropped, int64(more))
	}
}

// AddCost takes seats more at once, without waiting: work that is under way and
// turns out to be heavier is not stopped for it, so that more may be inside
// than the limit until others have left. Fewer than zero gives back. The whole
// stays between one seat and what Class.Cost may be, a quarter of the limit;
// beyond that AddCost does nothing. It reports whether the Permit was still in
// force, neither released nor detached.
func (p *Permit) AddCost(seats int) bool {
	s := p.ticket.s
	if s == nil {
		return false
	}
	more := int64(max(-maxSeats, min(seats, maxSeats)))
	for {
		had := p.state.Load()
		if had <= detached {
			return false
		}
		if p.ticket.flags()&shadow != 0 {
			return true
		}
		has := p.ticket.seats() + int64(had)
		change := max(1, min(has+more, max(has, mostSeats(s.gate.Load().limit)))) - has
		// n may be too high for a moment, but never too low: for Close zero is
		// the end.
		if change > 0 {
			s.n.Add(change)
		}
		if p.state.CompareAndSwap(had, had+int32(change)) {
			if change < 0 {
				s.giveSeats(-change)
			}
			if change != 0 {
				s.shards[p.ticket.shard()].extra.Add(change)
			}
			return true
		}
		if change > 0 {
			s.giveSeats(change)
		}
	}
}

// Detach gives all seats back now, without a sample, although the work goes on:
// a stream has begun, which lasts as long as its client likes. The Permit must
// be released all the same; until then Stats counts it as Detached. Detach
// reports whether the Permit was still in force.
func (p *Permit) Detach() bool {
	s := p.ticket.s
	if s == nil {
		return false
	}
	s.detached.Add(1) // first, as a release may follow at once
	for {
		had := p.state.Load()
		if had <= detached {
			s.detached.Add(-1)
			return false
		}
		if p.state.CompareAndSwap(had, detached) {
			s.release(&p.ticket, true, int64(had))
			return true
		}
	}
}

// ticket is a Permit without its guard: the middleware's form. It has three
// words, because the compiler keeps structs of up to four fields in registers
// and moves larger ones through memory, which cost more than all the rest.
type ticket struct {
	s     *Shedder // nil: nothing to give back
	start int64    // when the seats were taken; 0 if not sampled
	bits  uint64   // tick (32 bits), seats less one (12), route (6), shard (6), flags (8)
}

const (
	shardShift = 8
	routeShift = 14
	seatShift  = 20
	tickShift  = 32

	shardMask = 1<<(routeShift-shardShift) - 1
	routeMask = 1<<(seatShift-routeShift) - 1
	seatMask  = 1<<(tickShift-seatShift) - 1
	flagMask  = 1<<shardShift - 1

	// maxSeats is what one request may take: what fits into a ticket.
	maxSeats = seatMask + 1
)

func (t ticket) tick() uint32  { return uint32(t.bits >> tickShift) }
func (t ticket) seats() int64  { return int64(t.bits>>seatShift&seatMask) + 1 }
func (t ticket) route() uint32 { return uint32(t.bits>>routeShift) & routeMask }
func (t ticket) shard() uint32 { return uint32(t.bits>>shardShift) & shardMask }
func (t ticket) flags() uint32 { return uint32(t.bits) & flagMask }

// withSeats is the ticket for that many seats, 1 to maxSeats.
func (t ticket) withSeats(n int64) ticket {
	t.bits = t.bits&^(seatMask<<seatShift) | uint64(n-1)<<seatShift
	return t
}

// mostSeats is what one request may take at a limit: a quarter, so that a few
// heavy ones cannot fill the house, and one at least.
func mostSeats(limit int64) int64 { return max(1, min(limit/4, maxSeats)) }

// seatsOf is what a Class.Cost is at a limit. Below one, as of a Class that was
// never validated, it is one.
func seatsOf(cost int, limit int64) int64 {
	return max(1, min(int64(cost), mostSeats(limit)))
}
