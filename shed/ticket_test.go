package shed

import (
	"math"
	"testing"
)

// FuzzTicket: what goes into a ticket comes out, and nothing touches what lies
// beside it.
func FuzzTicket(f *testing.F) {
	f.Add(uint32(0), int64(1), uint32(0), uint32(0), uint32(0))
	f.Add(uint32(math.MaxUint32), int64(maxSeats), uint32(routeMask), uint32(shardMask), uint32(flagMask))
	f.Add(uint32(7), int64(25), uint32(3), uint32(15), uint32(eligible|proven))
	f.Add(uint32(1<<31), int64(2), uint32(1), uint32(1), uint32(shadow))
	f.Fuzz(func(t *testing.T, tick uint32, seats int64, route, shard, flags uint32) {
		seats = seatsOf(int(seats), math.MaxInt64)
		route, shard, flags = route&routeMask, shard&shardMask, flags&flagMask
		if seats < 1 || seats > maxSeats {
			t.Fatalf("%d seats", seats)
		}
		// As acquire does: each part is put in beside the others.
		tk := ticket{bits: uint64(shard) << shardShift}
		tk.bits |= uint64(seats-1) << seatShift
		tk.bits |= uint64(route)<<routeShift | uint64(tick)<<tickShift | uint64(flags)
		check := func(tk ticket, seats int64) {
			t.Helper()
			if tk.tick() != tick || tk.seats() != seats || tk.route() != route || tk.shard() != shard || tk.flags() != flags {
				t.Errorf("%#x is tick %d, %d seats, route %d, shard %d, flags %#x; want %d, %d, %d, %d, %#x", tk.bits,
					tk.tick(), tk.seats(), tk.route(), tk.shard(), tk.flags(), tick, seats, route, shard, flags)
			}
		}
		check(tk, seats)
		for _, other := range []int64{1, 2, seats, maxSeats} {
			check(tk.withSeats(other), other)
		}
	})
}

func TestTicketHasRoom(t *testing.T) {
	if shardMask < 15 { // newShards makes 16 at most
		t.Errorf("a ticket holds shards up to %d", shardMask)
	}
	if eligible|proven|shadow > flagMask {
		t.Error("a ticket cannot hold all flags")
	}
	if got := (ticket{}).seats(); got != 1 {
		t.Errorf("an empty ticket has %d seats, want 1", got)
	}
}

func TestSeatsOf(t *testing.T) {
	for _, c := range []struct {
		cost  int
		limit int64
		want  int64
	}{
		{1, 100, 1}, {0, 100, 1}, {-5, 100, 1}, {math.MinInt, 100, 1}, {25, 100, 25}, {26, 100, 25}, {math.MaxInt, 100, 25},
		{5, 4, 1}, {5, 7, 1}, {5, 8, 2}, {5, 1, 1}, {5, 0, 1}, {maxSeats + 1, math.MaxInt32, maxSeats},
	} {
		if got := seatsOf(c.cost, c.limit); got != c.want {
			t.Errorf("a cost of %d at a limit of %d is %d seats, want %d", c.cost, c.limit, got, c.want)
		}
	}
}

// A tick's sums must not overflow, whoever is in it, and the latency of what is
// not absurd must stay what it is.
func TestWeigh(t *testing.T) {
	const second = 1e9 / (1 << unitShift)
	for _, seats := range []int64{1, 2, 5, 64, 65, 100, 1000, maxSeats} {
		for _, units := range []uint64{0, 1, 1000, second / 10, second, 100 * second, math.MaxUint64 >> unitShift} {
			v := weigh(units, seats)
			n, sum := int64(v&countMask), v>>countBits
			if n != seats {
				t.Fatalf("%d seats are counted as %d", seats, n)
			}
			if sum > 1<<(64-countBits)/120 {
				t.Errorf("%d units and %d seats fill the sum of a tick: %d", units, seats, sum)
			}
			if units <= second/10 && sum != units*uint64(seats) {
				t.Errorf("%d units and %d seats are %d", units, seats, sum)
			}
			if q := bounded(units, seats); math.Pow(float64(q), 2)/256*float64(seats) > math.MaxUint64/1000 {
				t.Errorf("%d units and %d seats fill the squares of a tick", units, seats)
			}
		}
	}
}

// A request of five seats is five samples of its latency, taken back as five if
// it is cut short.
func TestCohortCountsSeats(t *testing.T) {
	var c cohort
	c.admit(eligible|proven, 5)
	c.admit(eligible, 1)
	if got := c.admitted.Load(); got != 5<<32|6 {
		t.Errorf("admitted %#x", got)
	}
	c.giveBack(eligible|proven, 1000, true, 5)
	if got := c.returned.Load(); got != 5000<<countBits|5 || c.early.Load() != 5 {
		t.Errorf("returned %#x, early %d", got, c.early.Load())
	}
	if got, want := c.squares.Load(), uint64(5*(1000*1000>>8)); got != want {
		t.Errorf("squares %d, want %d", got, want)
	}
	c.retract(eligible|proven, 5)
	if got := c.admitted.Load(); got != 1 {
		t.Errorf("admitted %#x after it was taken back", got)
	}
}
