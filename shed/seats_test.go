package shed_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func heavy(cost int) seawall.Class { return seawall.Class{Cost: cost} }

func TestCostIsSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 100, shed.Config{})
		for _, c := range []struct{ cost, want int }{
			{0, 1}, {-7, 1}, {1, 1}, {2, 2}, {25, 25}, {26, 25}, {1 << 30, 25}, {math.MaxInt, 25}, {math.MinInt, 1},
		} {
			p := enter(t, s, heavy(c.cost))
			if got := s.Stats().InFlight; got != c.want {
				t.Errorf("a cost of %d takes %d seats, want %d", c.cost, got, c.want)
			}
			p.Release()
			p.Release()
			empty(t, s)
		}
		four := []*shed.Permit{enter(t, s, heavy(25)), enter(t, s, heavy(25)), enter(t, s, heavy(25)), enter(t, s, heavy(25))}
		_, err := s.TryAcquire(t.Context(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		four[0].Drop()
		_, err = s.TryAcquire(t.Context(), heavy(25))
		if err != nil {
			t.Error(err)
		}
	})
}

// However heavy, it is served where only a few seats are.
func TestHeavyIsServedAtTheMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limit := 1; limit < 12; limit++ {
			s := pinned(t, limit, shed.Config{})
			enter(t, s, heavy(1000)).Release()
			shut(t, s)
		}
	})
}

// The best one waits at the head until there are enough seats; what is worse
// does not pass, not even where there is room for it; and when it goes, they do.
func TestHeavyWaiterIsNotOvertaken(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := pinned(t, 40, shed.Config{NormalWait: 300 * time.Millisecond, CriticalWait: 200 * time.Millisecond})
			inside := fill(t, s, 40)
			done, served := make(chan result, 20), 0
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			queueUp(ctx, s, 100, seawall.Class{Priority: seawall.Critical, Cost: 10}, done)
			synctest.Wait()
			for i := range 5 {
				queueUp(t.Context(), s, i, of(seawall.Normal), done)
			}
			synctest.Wait()
			if w := s.Stats().Waiting; w != 15 {
				t.Errorf("%d seats are waited for, want 15", w)
			}
			for _, p := range inside[:9] {
				p.Release()
			}
			synctest.Wait()
			if n := s.Stats().InFlight; n != 31 || len(done) != 0 {
				t.Fatalf("%d inside, %d are done: the heavy one is overtaken", n, len(done))
			}
			if leaves {
				leave() // and the others are let in at the same instant, by it
			} else {
				inside[9].Release()
				if r := <-done; r.who != 100 || r.err != nil {
					t.Errorf("%d goes first: %v", r.who, r.err)
				}
			}
			synctest.Wait()
			for range len(done) {
				if r := <-done; (r.err != nil) != (r.who == 100) || r.took != 0 {
					t.Errorf("%d: %v after %v", r.who, r.err, r.took)
				}
				served++
			}
			want := 5
			if leaves {
				want++
			}
			if served != want {
				t.Errorf("%d are done, want %d", served, want)
			}
			for _, p := range inside {
				p.Release()
			}
			shut(t, s)
		})
	}
}

// A heavy one that waits is not starved by a limit that falls below what it
// asked for.
func TestHeavyWaiterShrinksWithTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 100, shed.Config{NormalWait: time.Second})
		inside := fill(t, s, 100)
		got := make(chan *shed.Permit, 1)
		go func() {
			p, err := s.Acquire(t.Context(), heavy(25))
			if err != nil {
				t.Error(err)
			}
			got <- &p
		}()
		synctest.Wait()
		override(t, s, "limit", "8", 0)
		for _, p := range inside {
			p.Release()
		}
		p := <-got
		if n := s.Stats().InFlight; n != 2 {
			t.Errorf("%d seats, want a quarter of 8", n)
		}
		p.Release()
		shut(t, s)
	})
}

// The room to wait is counted in seats too; one that is better makes its own.
func TestHeavyOnesFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 8, shed.Config{SheddableWait: time.Hour, CriticalWait: time.Hour})
		inside := fill(t, s, 8)
		done := make(chan result, 200)
		ctx, leave := context.WithCancel(t.Context())
		for i := range 60 { // of two seats each, for 80
			queueUp(ctx, s, i, seawall.Class{Priority: seawall.Sheddable, Cost: 2}, done)
		}
		synctest.Wait()
		if st := s.Stats(); st.Waiting != 80 || st.Priorities[2].Full+st.Priorities[2].Expired != 20 {
			t.Errorf("%+v", st)
		}
		queueUp(ctx, s, 99, seawall.Class{Priority: seawall.Critical, Cost: 2}, done)
		synctest.Wait()
		if st := s.Stats(); st.Waiting != 80 || st.Priorities[0].Full != 0 || st.Priorities[2].Full+st.Priorities[2].Expired != 21 {
			t.Errorf("%+v", st)
		}
		leave()
		synctest.Wait()
		for _, p := range inside {
			p.Release()
		}
		shut(t, s)
	})
}

func TestAddCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 40, shed.Config{})
		p := enter(t, s, heavy(3))
		for _, c := range []struct{ more, want int }{
			{4, 7}, {0, 7}, {-2, 5}, {-100, 1}, {9, 10}, {1, 10}, {math.MaxInt, 10}, {math.MinInt, 1}, {2, 3},
		} {
			if !p.AddCost(c.more) {
				t.Errorf("AddCost(%d) is refused", c.more)
			}
			if n := s.Stats().InFlight; n != c.want {
				t.Errorf("after AddCost(%d) there are %d seats, want %d", c.more, n, c.want)
			}
		}
		// It does not wait where there is no room, and gives back to who does.
		rest := fill(t, s, 37)
		if !p.AddCost(5) || s.Stats().InFlight != 45 {
			t.Errorf("%d are inside, want 45 of 40", s.Stats().InFlight)
		}
		done := make(chan result, 1)
		queueUp(t.Context(), s, 1, of(seawall.Normal), done)
		time.Sleep(10 * time.Millisecond)
		p.AddCost(-5)
		synctest.Wait()
		if len(done) != 0 {
			t.Error("40 of 40 are inside, and one comes in")
		}
		p.AddCost(-1)
		if r := <-done; r.err != nil || r.took != 10*time.Millisecond {
			t.Errorf("%v after %v", r.err, r.took)
		}
		p.Release()
		if p.AddCost(1) || p.Detach() {
			t.Error("a Permit that was released takes seats")
		}
		for _, p := range rest {
			p.Release()
		}
		var none shed.Permit
		if none.AddCost(1) || none.Detach() {
			t.Error("no Permit takes seats")
		}
		synctest.Wait() // who queued gives its seat back after it has told
		shut(t, s)
	})
}

func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 40, shed.Config{})
		p := enter(t, s, heavy(10))
		p.AddCost(-3)
		if !p.Detach() || p.Detach() || p.AddCost(5) {
			t.Error("Detach works once, and AddCost not after it")
		}
		if st := s.Stats(); st.InFlight != 0 || st.Detached != 1 {
			t.Errorf("%d inside, %d detached; want 0 and 1", st.InFlight, st.Detached)
		}
		if err := s.Close(t.Context()); err != nil { // does not wait for streams
			t.Error(err)
		}
		p.Drop()
		p.Release()
		if st := s.Stats(); st.InFlight != 0 || st.Detached != 0 {
			t.Errorf("%d inside, %d detached; want nobody", st.InFlight, st.Detached)
		}
	})
}

// A stream says nothing about the baseline, whether it lasts a second or an hour.
func TestDetachedIsNoSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		for range 300 {
			stream, one := enter(t, s, of(seawall.Normal)), enter(t, s, of(seawall.Normal))
			time.Sleep(20 * time.Millisecond)
			one.Release()
			stream.Detach()
			time.Sleep(300 * time.Millisecond)
			stream.Release()
		}
		if st := s.Stats(); st.Baseline != 20*time.Millisecond || st.Samples > 300 || st.Samples < 200 {
			t.Errorf("%d samples of %v, want 300 of 20ms", st.Samples, st.Baseline)
		}
		shut(t, s)
	})
}

// In a dry run those who have no seats have none to add to or give back; what
// can be seen is the same.
func TestSeatsInADryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 8, shed.Config{DryRun: true})
		inside := fill(t, s, 8)
		p := enter(t, s, heavy(2))
		if !p.AddCost(5) || s.Stats().InFlight != 8 || s.Stats().Shadow != 1 {
			t.Errorf("%+v", s.Stats())
		}
		if !p.Detach() || p.AddCost(1) || s.Stats().Shadow != 0 || s.Stats().Detached != 1 {
			t.Errorf("%+v", s.Stats())
		}
		p.Release()
		for _, p := range inside {
			p.Release()
		}
		if s.Stats().Detached != 0 {
			t.Errorf("%+v", s.Stats())
		}
		shut(t, s)
	})
}

// seatModel is the rules by hand, for a house in which nobody waits: what each
// holds, and what they hold together.
type seatModel struct {
	limit    int
	seats    map[*shed.Permit]int
	detached map[*shed.Permit]bool
}

func (m *seatModel) inside() (n int) {
	for _, seats := range m.seats {
		n += seats
	}
	return n
}

func (m *seatModel) most() int { return max(1, m.limit/4) }

// TestSeatsAgainstModel does ten thousand random things, and looks after each.
func TestSeatsAgainstModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		m := &seatModel{limit: 60, seats: map[*shed.Permit]int{}, detached: map[*shed.Permit]bool{}}
		s := pinned(t, m.limit, shed.Config{})
		var all, old []*shed.Permit
		admitted, refused := 0, 0
		for step := range 10_000 {
			var p *shed.Permit
			if len(all) > 0 { // mostly one of the last: the others are gone
				p = all[max(0, len(all)-1-r.IntN(30))]
			}
			switch dice := r.IntN(20); {
			case dice < 7:
				cost := r.IntN(25) - 2
				seats := max(1, min(cost, m.most()))
				// Critical, as for others there may be a floor.
				got, err := s.TryAcquire(t.Context(), seawall.Class{Priority: seawall.Critical, Cost: cost})
				if fits := m.inside()+seats <= m.limit; (err == nil) != fits {
					t.Fatalf("step %d: %d inside of %d, %d more: %v", step, m.inside(), m.limit, seats, err)
				}
				if err != nil {
					refused++
					break
				}
				admitted++
				p = &got
				all = append(all, p)
				m.seats[p] = seats
			case dice < 9 && p != nil:
				more := r.IntN(40) - 20
				has, held := m.seats[p]
				if p.AddCost(more) != held {
					t.Fatalf("step %d: AddCost of one who holds %d", step, has)
				}
				if held {
					m.seats[p] = max(1, min(has+more, max(has, m.most())))
				}
			case dice < 10 && p != nil:
				if _, held := m.seats[p]; p.Detach() != held {
					t.Fatalf("step %d: Detach", step)
				} else if held {
					delete(m.seats, p)
					m.detached[p] = true
				}
			case dice < 18 && p != nil:
				if r.IntN(2) == 0 {
					p.Release()
				} else {
					p.Drop()
				}
				delete(m.seats, p)
				delete(m.detached, p)
				old = append(old, p)
			case dice < 19 && len(old) > 0: // once too often
				old[r.IntN(len(old))].Release()
			case step%50 == 0:
				m.limit = 1 + r.IntN(100)
				override(t, s, "limit", strconv.Itoa(m.limit), 0)
			}
			if step%100 == 0 {
				time.Sleep(7 * time.Millisecond)
			}
			if st := s.Stats(); st.InFlight != m.inside() || st.Detached != len(m.detached) || st.Limit != m.limit {
				t.Fatalf("step %d: %d inside and %d detached of %d, want %d and %d of %d", step,
					st.InFlight, st.Detached, st.Limit, m.inside(), len(m.detached), m.limit)
			}
		}
		if admitted < 500 || refused < 500 {
			t.Errorf("%d admitted, %d refused: the test is too tame", admitted, refused)
		}
		for _, p := range all {
			p.Release()
		}
		shut(t, s)
	})
}

// Waiters and cancellation as well: whatever they do at once, no seat is lost,
// none is there twice, and at most what AddCost has added is over the limit.
func TestSeatsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 40
		s := pinned(t, limit, shed.Config{})
		var mu sync.Mutex
		added, over := 0, 0
		var all sync.WaitGroup
		for who := range 200 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(9, uint64(who)))
				for range 30 {
					time.Sleep(time.Duration(r.IntN(60_000)) * time.Microsecond)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(200))*time.Millisecond)
					p, err := s.Acquire(ctx, seawall.Class{Cost: r.IntN(13), Priority: seawall.Priorities()[r.IntN(4)]})
					cancel()
					if err != nil {
						continue
					}
					more := 0
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
					switch r.IntN(4) {
					case 0:
						more = 10
						mu.Lock()
						added += more
						mu.Unlock()
						p.AddCost(more)
					case 1:
						p.AddCost(-r.IntN(12))
					case 2:
						p.Detach()
					}
					if n := s.Stats().InFlight; n > limit {
						mu.Lock()
						over = max(over, n-limit-added)
						mu.Unlock()
					}
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
					p.Release()
					mu.Lock()
					added -= more
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if over > 0 {
			t.Errorf("%d more than may be inside", over)
		}
		if p := s.Stats().Priorities; p[0].Waited < 50 || p[0].Admitted == 0 || p[3].Refused == 0 {
			t.Errorf("the test is too tame: %+v", p)
		}
		if st := s.Stats(); st.Detached != 0 {
			t.Errorf("%d are detached", st.Detached)
		}
		shut(t, s)
	})
}

// Ten thousand of each, racing with the end, and nothing is left.
func TestAddCostAndDetachRaceWithTheEnd(t *testing.T) {
	s := pinned(t, 4000, shed.Config{})
	for range 10_000 {
		p := enter(t, s, heavy(5))
		var all sync.WaitGroup
		all.Go(func() { p.AddCost(3) })
		all.Go(func() { p.AddCost(-2) })
		all.Go(func() { p.Detach() })
		p.Release()
		all.Wait()
	}
	if st := s.Stats(); st.Detached != 0 {
		t.Errorf("%d are detached", st.Detached)
	}
	shut(t, s)
}

// A backend of 24 slots, of which each request takes four: the limit comes out
// as slots, not as requests.
func TestKneeIsInSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		b := newBackend(8, 20*time.Millisecond) // eight requests, of four seats each
		class := func(i int) seawall.Class { return seawall.Class{User: seawall.ID(i%500 + 1), Cost: 4} }
		crowd(t, s, b, 200, 5*time.Second, class)
		crowd(t, s, b, 1500, 5*time.Second, class)
		st := s.Stats()
		if st.Knee < 24 || st.Knee > 44 {
			t.Errorf("knee %v, limit %d; want about 32 seats", st.Knee, st.Limit)
		}
		if st.Throughput < 1300 || st.Throughput > 1800 { // seven requests of the eight at least
			t.Errorf("throughput %v seats/s, want about 1600", st.Throughput)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		shut(t, s)
	})
}
