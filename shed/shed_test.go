package shed_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func TestAdmitsUpToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 5, shed.Config{})
		permits := fill(t, s, 5)
		if st := s.Stats(); st.InFlight != 5 || st.Limit != 5 {
			t.Fatalf("%d of %d inside, want 5 of 5", st.InFlight, st.Limit)
		}
		for _, p := range seawall.Priorities() {
			_, err := s.TryAcquire(context.Background(), of(p))
			refusal(t, err, seawall.Overloaded)
		}
		permits[2].Release()
		again := enter(t, s, of(seawall.Background))
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		again.Drop()
		for _, p := range permits {
			p.Release()
		}
		shut(t, s)
	})
}

// Without a configuration nobody is refused before anything is known.
func TestStartsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		for _, p := range fill(t, s, shed.FirstLimit) {
			p.Release()
		}
		if st := s.Stats(); st.State != "open" || st.Priorities[1].Admitted != shed.FirstLimit {
			t.Errorf("state %s, %+v", st.State, st.Priorities[1])
		}
		shut(t, s)
	})
}

func TestWaitIsBoundedByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Normal))
		for p, want := range map[seawall.Priority]time.Duration{
			seawall.Critical:   200 * time.Millisecond,
			seawall.Normal:     100 * time.Millisecond,
			seawall.Sheddable:  50 * time.Millisecond,
			seawall.Background: 50 * time.Millisecond,
		} {
			began := time.Now()
			_, err := s.Acquire(t.Context(), of(p))
			if took := time.Since(began); took != want {
				t.Errorf("%v waits %v, want %v", p, took, want)
			}
			refusal(t, err, seawall.Overloaded)
		}
		inside.Release()
		shut(t, s)
	})
}

func TestWaitOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{CriticalWait: seawall.Off, NormalWait: seawall.Off, SheddableWait: seawall.Off})
		inside := enter(t, s, of(seawall.Normal))
		began := time.Now()
		for _, p := range seawall.Priorities() {
			_, err := s.Acquire(t.Context(), of(p))
			refusal(t, err, seawall.Overloaded)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited %v, want not at all", took)
		}
		inside.Release()
		shut(t, s)
	})
}

// Who waits is told in the very moment a seat falls free.
func TestSeatIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Normal))
		done := make(chan result, 1)
		queueUp(t.Context(), s, 0, of(seawall.Normal), done)
		time.Sleep(30 * time.Millisecond)
		synctest.Wait()
		if n := s.Stats().Waiting; n != 1 {
			t.Fatalf("%d wait, want 1", n)
		}
		inside.Release()
		if r := <-done; r.err != nil || r.took != 30*time.Millisecond {
			t.Errorf("after %v: %v, want a seat after 30ms", r.took, r.err)
		}
		synctest.Wait()
		if p := s.Stats().Priorities[1]; p.Waited != 1 || p.WaitTotal != 30*time.Millisecond || p.Admitted != 2 {
			t.Errorf("%+v, want 1 waited for 30ms", p)
		}
		shut(t, s)
	})
}

// order lets waiters queue up, 1 ms apart, and returns who is served when.
func order(t *testing.T, s *shed.Shedder, classes []seawall.Class) []int {
	t.Helper()
	inside := enter(t, s, of(seawall.Normal))
	done := make(chan result, len(classes))
	for i, c := range classes {
		queueUp(t.Context(), s, i, c, done)
		time.Sleep(time.Millisecond)
	}
	inside.Release()
	synctest.Wait()
	var served []int
	for range classes {
		r := <-done
		if r.err != nil {
			t.Fatalf("%d: %v", r.who, r.err)
		}
		served = append(served, r.who)
	}
	return served
}

func TestServesByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		classes := []seawall.Class{
			of(seawall.Background), of(seawall.Sheddable), of(seawall.Normal), of(seawall.Critical),
			of(seawall.Critical), of(seawall.Background), of(seawall.Normal), of(seawall.Sheddable),
		}
		served := order(t, s, classes)
		for i := 1; i < len(served); i++ {
			if classes[served[i]].Priority > classes[served[i-1]].Priority {
				t.Fatalf("served in the order %v", served)
			}
		}
		shut(t, s)
	})
}

// Within a priority the order is of users, whoever comes first; it stays for a
// while, and is then another one.
func TestServesUsersInAStickyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 16
		s := pinned(t, 1, shed.Config{Sticky: 10 * time.Minute})
		var classes, backwards []seawall.Class
		for u := range users {
			classes = append(classes, seawall.Class{User: seawall.ID(u + 1)})
		}
		for u := range users {
			backwards = append(backwards, classes[users-1-u])
		}
		first := order(t, s, classes)
		time.Sleep(time.Second)
		second := order(t, s, backwards)
		for i := range second {
			second[i] = users - 1 - second[i]
		}
		// Two of sixteen users may change their place within a second, by bad luck.
		if same := common(first, second); same < users-2 {
			t.Errorf("served in the order %v, and then %v", first, second)
		}
		if slices.IsSorted(first) {
			t.Error("served in the order of their coming")
		}
		time.Sleep(20 * time.Minute)
		if third := order(t, s, classes); common(first, third) > users-4 {
			t.Errorf("served in the order %v, and twenty minutes later %v", first, third)
		}
		shut(t, s)
	})
}

// common is the length of the longest common subsequence.
func common(a, b []int) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			old := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(old, row[j])
			}
			diagonal = old
		}
	}
	return row[len(b)]
}

func TestServesOneUserInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		served := order(t, s, slices.Repeat([]seawall.Class{{User: 7}}, 20))
		if !slices.IsSorted(served) {
			t.Errorf("served in the order %v", served)
		}
		shut(t, s)
	})
}

// queueRoom is how many may wait for one seat.
const queueRoom = 8*1 + 16

func TestQueueOfLowPriorityNeverRefusesCritical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{SheddableWait: time.Hour, CriticalWait: time.Hour})
		inside := enter(t, s, of(seawall.Normal))
		low := make(chan result, 100)
		for i := range 100 { // far more than there is room for
			queueUp(t.Context(), s, i, seawall.Class{Priority: seawall.Sheddable, User: seawall.ID(i + 1)}, low)
		}
		synctest.Wait()
		if st := s.Stats(); st.Waiting != queueRoom || len(low) != 100-queueRoom {
			t.Fatalf("%d wait and %d are refused, want %d and %d", st.Waiting, len(low), queueRoom, 100-queueRoom)
		}
		for len(low) > 0 {
			if r := <-low; r.took != 0 {
				t.Errorf("a full queue refuses after %v", r.took)
			}
		}
		high := make(chan result, queueRoom)
		for i := range queueRoom {
			queueUp(t.Context(), s, i, of(seawall.Critical), high)
			synctest.Wait()
			if len(high) > 0 {
				t.Fatalf("critical request %d is refused: %v", i, (<-high).err)
			}
			if len(low) != i+1 || s.Stats().Waiting != queueRoom {
				t.Fatalf("after %d critical ones %d low ones have made room", i+1, len(low))
			}
		}
		for range queueRoom {
			refusal(t, (<-low).err, seawall.Overloaded)
		}
		// One more is one too many: nobody inside is worse for certain, so
		// exactly one of them has to go, at once.
		queueUp(t.Context(), s, queueRoom, of(seawall.Critical), high)
		synctest.Wait()
		if len(high) != 1 {
			t.Fatalf("%d of %d critical ones are refused", len(high), queueRoom+1)
		}
		refusal(t, (<-high).err, seawall.Overloaded)
		inside.Release()
		for range queueRoom {
			if r := <-high; r.err != nil {
				t.Errorf("critical request %d: %v", r.who, r.err)
			}
		}
		synctest.Wait()
		p := s.Stats().Priorities
		if p[0].Admitted != queueRoom || p[0].Refused != 1 || p[2].Admitted != 0 || p[2].Refused != 100 || p[2].Full+p[2].Expired != 100 {
			t.Errorf("totals are %+v", p)
		}
		shut(t, s)
	})
}

// The worst of those who wait is the one who makes room.
func TestQueueEvictsTheWorst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{CriticalWait: time.Hour, NormalWait: time.Hour, SheddableWait: time.Hour})
		inside := enter(t, s, of(seawall.Normal))
		done := make(chan result, queueRoom+4)
		for i := range queueRoom {
			c := of(seawall.Normal)
			if i < 3 {
				c = of(seawall.Background)
			}
			queueUp(t.Context(), s, i, c, done)
			synctest.Wait()
		}
		for i := range 3 {
			queueUp(t.Context(), s, queueRoom+i, of(seawall.Sheddable), done)
			synctest.Wait()
			if len(done) != 1 {
				t.Fatalf("%d have to go for one", len(done))
			}
			if r := <-done; r.who > 2 {
				t.Errorf("%d has to go, want one of the first three, who are worse", r.who)
			}
		}
		// All of Normal and Sheddable are inside now: a Background newcomer is
		// the worst itself.
		queueUp(t.Context(), s, 99, of(seawall.Background), done)
		if r := <-done; r.who != 99 || r.took != 0 {
			t.Errorf("%d has to go after %v, want the newcomer", r.who, r.took)
		}
		inside.Release()
		for range queueRoom {
			if r := <-done; r.err != nil {
				t.Error(r.err)
			}
		}
		synctest.Wait()
		shut(t, s)
	})
}

// Of those of the same rank the one who came last has to go: the newcomer.
func TestQueueEvictsTheNewcomerAmongEquals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Critical))
		done := make(chan result, queueRoom+1)
		for i := range queueRoom + 1 {
			queueUp(t.Context(), s, i, seawall.Class{User: 7}, done)
			synctest.Wait()
		}
		if r := <-done; r.who != queueRoom || r.err == nil {
			t.Errorf("%d has to go, want the newcomer", r.who)
		}
		inside.Release()
		synctest.Wait()
		shut(t, s)
	})
}

func TestWhoLeavesLeavesAtOnce(t *testing.T) {
	reason := errors.New("the server is tired")
	for _, c := range []struct {
		name   string
		reason seawall.Reason
		is     error
		ctx    func(context.Context) (context.Context, context.CancelFunc)
	}{
		{"cancel", seawall.Canceled, context.Canceled, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		}},
		{"deadline", seawall.DeadlineExceeded, context.DeadlineExceeded, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}},
		{"cause", seawall.Canceled, reason, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
			return ctx, func() { cancel(nil) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := pinned(t, 1, shed.Config{})
				inside := enter(t, s, of(seawall.Normal))
				ctx, cancel := c.ctx(t.Context())
				defer cancel()
				began := time.Now()
				p, err := s.Acquire(ctx, of(seawall.Critical))
				if took := time.Since(began); took < 20*time.Millisecond || took > 21*time.Millisecond {
					t.Errorf("left after %v, want 20ms", took)
				}
				rej := refusal(t, err, c.reason)
				// Either who waits or the client is the first to see that it is late.
				if !errors.Is(err, c.is) || rej.RetryAfter != 0 && c.reason != seawall.DeadlineExceeded {
					t.Errorf("got %v, retry after %v", rej, rej.RetryAfter)
				}
				p.Release() // the zero Permit
				if st := s.Stats(); st.InFlight != 1 || st.Waiting != 0 || st.Priorities[0].Left+st.Priorities[0].Late != 1 ||
					(st.Priorities[0].Late == 1) != (c.reason == seawall.DeadlineExceeded) || st.Priorities[0].Refused != 1 {
					t.Errorf("%+v", st)
				}
				inside.Release()
				enter(t, s, of(seawall.Normal)).Release()
				shut(t, s)
			})
		})
	}
}

// In one and the same instant a seat falls free, the wait ends and the client
// leaves: whichever is seen first, the seat is neither lost nor given twice.
func TestSeatSurvivesATie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Critical: nobody else may count on a seat that is free, behind a floor.
		s := pinned(t, 1, shed.Config{CriticalWait: 50 * time.Millisecond})
		admitted := 0
		for i := range 500 {
			inside := enter(t, s, of(seawall.Critical))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			done := make(chan result, 3)
			for who := range 3 {
				queueUp(ctx, s, who, of(seawall.Critical), done)
			}
			if i%2 == 0 {
				time.Sleep(50 * time.Millisecond)
			} else { // and once more without the clock
				synctest.Wait()
				cancel()
			}
			inside.Release()
			for range 3 {
				if r := <-done; r.err == nil {
					admitted++
				}
			}
			cancel()
			synctest.Wait()
			empty(t, s)
		}
		if admitted == 0 || admitted == 1500 {
			t.Logf("all ties ended alike: %d of 1500 admitted", admitted)
		}
		shut(t, s)
	})
}

func TestRejectionIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{Name: "front"})
		inside := enter(t, s, of(seawall.Normal))
		_, err := s.TryAcquire(context.Background(), of(seawall.Normal))
		if !errors.Is(err, seawall.ErrRejected) || !errors.Is(err, seawall.Overloaded) {
			t.Errorf("%v is neither ErrRejected nor Overloaded", err)
		}
		if errors.Is(err, seawall.Draining) || errors.Is(err, context.Canceled) {
			t.Errorf("%v is too much", err)
		}
		rej := refusal(t, err, seawall.Overloaded)
		if rej.Component != "shed" || rej.Name != "front" || rej.StatusCode() != 503 || rej.RetryAfter < time.Second {
			t.Errorf("got %+v", rej)
		}
		inside.Release()
		if _, err := s.TryAcquire(context.Background(), of(seawall.Normal)); err != nil {
			t.Errorf("a nil error it must be, not %v", err)
		}
	})
}

func TestExemptIsNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 1, shed.Config{Observer: rec})
		inside := enter(t, s, of(seawall.Normal))
		rec.take()
		began := time.Now()
		for range 1000 {
			p, err := s.Acquire(t.Context(), seawall.Class{Priority: seawall.Background, Exempt: true})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited %v", took)
		}
		st := s.Stats()
		if st.InFlight != 1 || st.Exempt != 1000 || st.Priorities[3].Offered != 0 {
			t.Errorf("%+v", st)
		}
		events := rec.take()
		if len(events) != 1000 || events[0].Outcome != seawall.Admitted {
			t.Errorf("%d events, %+v", len(events), events[0])
		}
		inside.Release()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.TryAcquire(context.Background(), seawall.Class{Exempt: true}); err != nil {
			t.Errorf("a health check of a draining server: %v", err)
		}
	})
}

// Those of whom nothing is known share one priority fairly: each throws dice.
func TestAnonymousUsersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		firsts := map[int]int{}
		for range 200 {
			firsts[order(t, s, make([]seawall.Class, 4))[0]]++
		}
		for i := range 4 {
			if firsts[i] < 20 {
				t.Errorf("number %d to come is served first %d times of 200", i, firsts[i])
			}
		}
		shut(t, s)
	})
}
