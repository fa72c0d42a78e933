package shed_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func TestObserverIsToldOfEveryDecisionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 1, shed.Config{Name: "front", Observer: rec})
		class := seawall.Class{Priority: seawall.Critical, User: 7, Route: "login"}
		one := func(what string, want seawall.Event) {
			t.Helper()
			want.Component, want.Name, want.Priority, want.User, want.Route = "shed", "front", class.Priority, class.User, class.Route
			events := rec.take()
			if len(events) != 1 {
				t.Fatalf("%s: %d events: %+v", what, len(events), events)
			}
			got := events[0]
			if (got.Reason == seawall.Overloaded || got.Reason == seawall.Draining) && got.RetryAfter < time.Second {
				t.Errorf("%s: retry after %v", what, got.RetryAfter)
			}
			got.RetryAfter = 0
			if got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		inside := enter(t, s, class)
		one("a free seat", seawall.Event{})
		_, _ = s.TryAcquire(context.Background(), class)
		one("no seat", seawall.Event{Outcome: seawall.Rejected, Reason: seawall.Overloaded})
		_, _ = s.Acquire(t.Context(), class)
		one("waited in vain", seawall.Event{Outcome: seawall.Rejected, Reason: seawall.Overloaded, Wait: 200 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, _ = s.Acquire(ctx, class)
		cancel()
		one("deadline", seawall.Event{Outcome: seawall.Rejected, Reason: seawall.DeadlineExceeded, Wait: 30 * time.Millisecond})
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, _ = s.Acquire(ctx, class)
		one("left", seawall.Event{Outcome: seawall.Rejected, Reason: seawall.Canceled, Wait: 20 * time.Millisecond})
		done := make(chan result, 1)
		queueUp(t.Context(), s, 0, class, done)
		time.Sleep(10 * time.Millisecond)
		inside.Release()
		<-done
		one("waited", seawall.Event{Wait: 10 * time.Millisecond})
		synctest.Wait()
		_, _ = s.TryAcquire(context.Background(), seawall.Class{Priority: class.Priority, User: class.User, Route: class.Route, Exempt: true})
		one("exempt", seawall.Event{})
		if rec.take(); s.Close(t.Context()) != nil {
			t.Error("not closed")
		}
		_, _ = s.Acquire(t.Context(), class)
		one("closed", seawall.Event{Outcome: seawall.Rejected, Reason: seawall.Draining})
	})
}

// The ones who are turned away by a better one hear of it, and so does the
// Observer.
func TestObserverIsToldOfEvictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 1, shed.Config{Observer: rec, SheddableWait: time.Hour})
		inside := enter(t, s, of(seawall.Normal))
		done := make(chan result, 100)
		for i := range queueRoom {
			queueUp(t.Context(), s, i, of(seawall.Sheddable), done)
		}
		time.Sleep(40 * time.Millisecond)
		rec.take()
		queueUp(t.Context(), s, 99, of(seawall.Critical), done)
		<-done
		e := rec.take()
		if len(e) != 1 || e[0].Priority != seawall.Sheddable || e[0].Reason != seawall.Overloaded || e[0].Wait != 40*time.Millisecond {
			t.Errorf("%+v", e)
		}
		inside.Release()
		synctest.Wait()
		shut(t, s)
	})
}

func TestObserverIsToldOfStatesAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := start(t, shed.Config{Name: "front", Observer: rec})
		b := newBackend(8, 20*time.Millisecond)
		crowd(t, s, b, 200, 3*time.Second, anybody)
		crowd(t, s, b, 1500, 3*time.Second, anybody)
		crowd(t, s, b, 100, 3*time.Second, anybody)
		time.Sleep(time.Second)
		synctest.Wait()
		states, limits := rec.changes()
		state, limit := "open", float64(shed.FirstLimit)
		seen := []string{state}
		for _, c := range states {
			if c.From != state || c.To == c.From || c.Component != "shed" || c.Name != "front" || c.Cause == "" {
				t.Errorf("from %s: %+v", state, c)
			}
			state = c.To
			seen = append(seen, state)
		}
		for _, want := range []string{"converge", "hold"} {
			if !slices.Contains(seen, want) {
				t.Errorf("the states were %v", seen)
			}
		}
		if seen[len(seen)-1] != "open" {
			t.Errorf("the states were %v: the house stays closed", seen)
		}
		for _, c := range limits {
			if c.From != limit || c.To == c.From || c.Component != "shed" || c.Name != "front" {
				t.Errorf("from %v: %+v", limit, c)
			}
			limit = c.To
		}
		if st := s.Stats(); len(limits) == 0 || float64(st.Limit) != limit || st.State != state {
			t.Errorf("%s with a limit of %d, last told were %s and %v", st.State, st.Limit, state, limit)
		}
		shut(t, s)
	})
}

// A limit that an operator or a configuration sets is a change like another.
func TestObserverIsToldOfLimitsThatAreSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		cfg := shed.Config{MinLimit: 1, Observer: rec}
		s := start(t, cfg)
		override(t, s, "limit", "5", time.Minute)
		override(t, s, "limit", "5", time.Minute) // changes nothing
		override(t, s, "dry_run", "on", 0)
		cfg.MaxLimit = 3
		update(t, s, cfg)
		time.Sleep(time.Hour)
		s.Stats() // the override is over
		cfg.MinLimit, cfg.MaxLimit = 100, 100
		update(t, s, cfg)
		_, limits := rec.changes()
		var moves [][2]float64
		for _, l := range limits {
			moves = append(moves, [2]float64{l.From, l.To})
		}
		if want := [][2]float64{{shed.FirstLimit, 5}, {5, 3}, {3, 100}}; !slices.Equal(moves, want) {
			t.Errorf("limits moved %v, want %v", moves, want)
		}
		shut(t, s)
	})
}

// busybody is an Observer that does all it can do from within.
type busybody struct {
	s      *shed.Shedder
	cfg    shed.Config
	inside atomic.Bool
	calls  atomic.Int64
}

func (b *busybody) meddle(ctx context.Context) {
	if b.s == nil || b.inside.Swap(true) {
		return
	}
	defer b.inside.Store(false)
	b.calls.Add(1)
	p, _ := b.s.TryAcquire(context.Background(), of(seawall.Normal))
	p.Release()
	b.s.Snapshot()
	b.s.Controls()
	n := 1 + b.calls.Load()%2
	_ = b.s.Override(ctx, seawall.Override{Control: "limit", Value: string(rune('0' + n))})
	_ = b.s.Override(ctx, seawall.Override{Control: "nonsense"})
	_ = b.s.Update(b.cfg)
	p, _ = b.s.Acquire(ctx, of(seawall.Sheddable))
	p.Drop()
}

func (b *busybody) Observe(ctx context.Context, _ seawall.Event)            { b.meddle(ctx) }
func (b *busybody) ObserveState(ctx context.Context, _ seawall.StateChange) { b.meddle(ctx) }
func (b *busybody) ObserveLimit(ctx context.Context, _ seawall.LimitChange) { b.meddle(ctx) }

// No lock is held while an Observer is told: it may ask, acquire and configure.
// If one was, this would hang.
func TestObserverMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busybody{}
		b.cfg = shed.Config{MinLimit: 1, Observer: b}
		s := pinned(t, 1, b.cfg)
		b.s = s
		done := make(chan result, 10_000)
		for i := range 1000 {
			queueUp(t.Context(), s, i, of(seawall.Priorities()[i%4]), done)
			time.Sleep(7 * time.Millisecond)
			if i%10 == 0 {
				p, _ := s.Acquire(t.Context(), of(seawall.Normal))
				time.Sleep(300 * time.Millisecond)
				p.Release()
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for range 1000 {
			<-done
		}
		if b.calls.Load() < 500 {
			t.Errorf("the observer was called %d times", b.calls.Load())
		}
		synctest.Wait()
		empty(t, s)
	})
}

// rude is an Observer with a bug.
type rude struct{ end func() }

func (r *rude) Observe(context.Context, seawall.Event)            { r.end() }
func (r *rude) ObserveState(context.Context, seawall.StateChange) { r.end() }
func (r *rude) ObserveLimit(context.Context, seawall.LimitChange) { r.end() }

// An Observer that panics, or ends the goroutine, costs the request and no seat.
func TestObserverThatPanicsCostsNoSeat(t *testing.T) {
	for name, end := range map[string]func(){
		"panic": func() { panic("planted") }, "abort": func() { panic(http.ErrAbortHandler) }, "goexit": runtime.Goexit,
	} {
		for _, dry := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					quiet, rude := func() {}, &rude{}
					rude.end = quiet
					s := pinned(t, 2, shed.Config{Observer: rude, DryRun: dry})
					h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
					each := func(f func()) {
						done := make(chan struct{})
						go func() {
							defer close(done)
							defer func() { _ = recover() }()
							f()
						}()
						<-done
					}
					for i := range 100 {
						rude.end = end
						each(func() {
							p, _ := s.TryAcquire(context.Background(), of(seawall.Critical))
							defer p.Release()
						})
						each(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)) })
						rude.end = quiet
						permits := []*shed.Permit{enter(t, s, of(seawall.Critical)), enter(t, s, of(seawall.Critical))}
						if i%2 == 0 { // then a tick is due when they return
							time.Sleep(60 * time.Millisecond)
						}
						done := make(chan struct{}, 4)
						for range 4 { // two get a seat, two wait in vain
							go func() {
								defer func() { done <- struct{}{} }()
								defer func() { _ = recover() }()
								p, _ := s.Acquire(t.Context(), of(seawall.Critical))
								defer p.Release()
							}()
						}
						synctest.Wait()
						time.Sleep(50 * time.Millisecond)
						rude.end = end
						for _, p := range permits {
							each(p.Release)
						}
						for range 4 {
							<-done
						}
						synctest.Wait()
						rude.end = quiet
						empty(t, s)
					}
					shut(t, s)
				})
			})
		}
	}
}
