package shed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// learned is a Shedder that has seen how long the work takes.
func learned(t *testing.T, cfg shed.Config, service time.Duration) *shed.Shedder {
	t.Helper()
	s := start(t, cfg)
	for range 500 {
		p := enter(t, s, of(seawall.Critical))
		time.Sleep(service)
		p.Release()
	}
	if b := s.Stats().Baseline; b != service {
		t.Fatalf("the baseline is %v", b)
	}
	return s
}

// Whose context is done is told so, whether there is room or not.
func TestDoneContextIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 4, shed.Config{})
		why := errors.New("the caller is tired")
		canceled, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		late, stop := context.WithTimeout(t.Context(), 0)
		defer stop()
		want := shed.PriorityStats{}
		for _, full := range []bool{false, true} {
			var inside []*shed.Permit
			if full {
				inside = fill(t, s, 4)
			}
			for _, acquire := range []func(context.Context, seawall.Class) (shed.Permit, error){s.Acquire, s.TryAcquire} {
				_, err := acquire(canceled, of(seawall.Critical))
				if refusal(t, err, seawall.Canceled); !errors.Is(err, why) {
					t.Errorf("%v does not say why", err)
				}
				_, err = acquire(late, of(seawall.Critical))
				if refusal(t, err, seawall.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if _, err := acquire(canceled, seawall.Class{Exempt: true}); err != nil {
					t.Errorf("exempt: %v", err)
				}
				want.Left++
				want.Late++
			}
			for _, p := range inside {
				p.Release()
			}
		}
		want.Offered, want.Refused = want.Left+want.Late, want.Left+want.Late
		want.Priority = seawall.Critical
		if got := s.Stats().Priorities[0]; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		shut(t, s)
	})
}

// In a full house nobody waits for longer than leaves time for the work.
func TestWaitLeavesTimeForTheWork(t *testing.T) {
	const work = 20 * time.Millisecond
	for _, c := range []struct {
		name             string
		deadline, budget time.Duration
		wait             time.Duration // until the refusal
		reason           seawall.Reason
	}{
		{"no hurry", 0, 0, 200 * time.Millisecond, seawall.Overloaded},
		{"much time", time.Second, 2 * time.Second, 200 * time.Millisecond, seawall.Overloaded},
		{"deadline", 70 * time.Millisecond, 0, 50 * time.Millisecond, seawall.DeadlineExceeded},
		{"budget", 0, 50 * time.Millisecond, 30 * time.Millisecond, seawall.DeadlineExceeded},
		{"the shorter", 80 * time.Millisecond, 60 * time.Millisecond, 40 * time.Millisecond, seawall.DeadlineExceeded},
		{"the other", 60 * time.Millisecond, 80 * time.Millisecond, 40 * time.Millisecond, seawall.DeadlineExceeded},
		{"none", 20 * time.Millisecond, 0, 0, seawall.DeadlineExceeded},
		{"none of the budget", 0, time.Millisecond, 0, seawall.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := learned(t, shed.Config{MinLimit: 1}, work)
				override(t, s, "limit", "4", 0)
				inside := fill(t, s, 4)
				ctx, cancel := context.WithCancel(t.Context())
				if c.deadline > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.deadline)
				}
				defer cancel()
				class := seawall.Class{Priority: seawall.Critical, Budget: c.budget}
				began := time.Now()
				_, err := s.Acquire(ctx, class)
				rej := refusal(t, err, c.reason)
				if took := time.Since(began); took != c.wait {
					t.Errorf("refused after %v, want %v", took, c.wait)
				}
				if c.reason == seawall.DeadlineExceeded && (rej.StatusCode() != 504 || rej.RetryAfter < time.Second || !errors.Is(err, context.DeadlineExceeded)) {
					t.Errorf("%d, %v", rej.StatusCode(), rej)
				}
				p := s.Stats().Priorities[0]
				if late := p.Late == 1; late != (c.reason == seawall.DeadlineExceeded) || p.Late+p.Expired != 1 || p.Refused != 1 {
					t.Errorf("%+v", p)
				}
				for _, p := range inside {
					p.Release()
				}
				shut(t, s)
			})
		})
	}
}

// Where there is room nobody is refused for being in a hurry, nor by who does
// not wait at all.
func TestHurryIsNoReasonInCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := learned(t, shed.Config{MinLimit: 1}, 20*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		p, err := s.Acquire(ctx, seawall.Class{Budget: time.Nanosecond})
		if err != nil {
			t.Error(err)
		}
		p.Release()
		override(t, s, "limit", "1", 0)
		inside := enter(t, s, of(seawall.Normal))
		_, err = s.TryAcquire(t.Context(), seawall.Class{Budget: time.Nanosecond})
		refusal(t, err, seawall.Overloaded)
		inside.Release()
		shut(t, s)
	})
}

// A seat that comes when the time is over goes on to the next one.
func TestSeatThatComesTooLateIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the timer and the seat come in either order
			s := pinned(t, 1, shed.Config{})
			inside := enter(t, s, of(seawall.Normal))
			done := make(chan result, 2)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			queueUp(ctx, s, 0, seawall.Class{Priority: seawall.Critical, Budget: 30 * time.Millisecond}, done)
			synctest.Wait()
			queueUp(t.Context(), s, 1, of(seawall.Normal), done)
			time.Sleep(30 * time.Millisecond)
			inside.Release()
			for range 2 {
				r := <-done
				if r.took != 30*time.Millisecond || (r.err == nil) != (r.who == 1) {
					t.Fatalf("%d: %v after %v", r.who, r.err, r.took)
				}
				if r.who == 0 {
					refusal(t, r.err, seawall.DeadlineExceeded)
				}
			}
			cancel()
			synctest.Wait()
			shut(t, s)
		}
	})
}

// Middleware does not look at the context in calm: a handler that answers at once
// finds out by itself. In a full house a client that has gone takes no seat.
func TestMiddlewareLooksForTheClientInAFullHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := 0
		s := pinned(t, 2, shed.Config{
			Classify: func(*http.Request) seawall.Class { return of(seawall.Critical) },
		})
		h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		gone := func() int {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			return w.Code
		}
		if gone(); served != 1 {
			t.Error("in calm a request is refused")
		}
		saturate(t, s)
		if code := gone(); served != 1 || code != seawall.Canceled.Status() {
			t.Errorf("in a full house it is served: %d, %d", served, code)
		}
		empty(t, s)
	})
}

// saturate has a Shedder of two seats turn away most of what comes for a while,
// until it knows it is full. Nobody is inside afterwards.
func saturate(t *testing.T, s *shed.Shedder) {
	t.Helper()
	for range 20 {
		two := fill2(t, s)
		for range 50 {
			_, _ = s.TryAcquire(t.Context(), of(seawall.Normal))
		}
		time.Sleep(10 * time.Millisecond)
		for _, p := range two {
			p.Release()
		}
	}
}

func fill2(t *testing.T, s *shed.Shedder) []*shed.Permit {
	t.Helper()
	return []*shed.Permit{enter(t, s, of(seawall.Critical)), enter(t, s, of(seawall.Critical))}
}
