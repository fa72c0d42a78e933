package shed_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func update(t *testing.T, s *shed.Shedder, cfg shed.Config) {
	t.Helper()
	if err := s.Update(cfg); err != nil {
		t.Fatal(err)
	}
}

// waits measures how long a full house lets somebody wait.
func waits(t *testing.T, s *shed.Shedder, p seawall.Priority) time.Duration {
	t.Helper()
	began := time.Now()
	_, err := s.Acquire(t.Context(), of(p))
	refusal(t, err, seawall.Overloaded)
	return time.Since(began)
}

func TestUpdateKeepsTheLastGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{Name: "good", CriticalWait: 70 * time.Millisecond})
		inside := enter(t, s, of(seawall.Normal))
		err := s.Update(shed.Config{Name: "bad", CriticalWait: -5})
		if err == nil || !strings.Contains(err.Error(), "CriticalWait") {
			t.Fatalf("got %v", err)
		}
		if got := waits(t, s, seawall.Critical); got != 70*time.Millisecond {
			t.Errorf("Critical waits %v", got)
		}
		if name := s.Snapshot().Name; name != "good" {
			t.Errorf("the name is %q", name)
		}
		inside.Release()
		shut(t, s)
	})
}

func TestUpdateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Normal))
		update(t, s, shed.Config{MinLimit: 1, CriticalWait: time.Second, NormalWait: seawall.Off, SheddableWait: 3 * time.Millisecond})
		for p, want := range map[seawall.Priority]time.Duration{
			seawall.Critical: time.Second, seawall.Normal: 0, seawall.Sheddable: 3 * time.Millisecond, seawall.Background: 3 * time.Millisecond,
		} {
			if got := waits(t, s, p); got != want {
				t.Errorf("%v waits %v, want %v", p, got, want)
			}
		}
		update(t, s, shed.Config{MinLimit: 1}) // the defaults again
		if got := waits(t, s, seawall.Critical); got != 200*time.Millisecond {
			t.Errorf("Critical waits %v", got)
		}
		inside.Release()
		shut(t, s)
	})
}

func TestUpdateDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Normal))
		for range 3 {
			update(t, s, shed.Config{MinLimit: 1, DryRun: true})
			enter(t, s, of(seawall.Normal)).Release()
			update(t, s, shed.Config{MinLimit: 1})
			_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
			refusal(t, err, seawall.Overloaded)
		}
		inside.Release()
		shut(t, s)
	})
}

func TestUpdateBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		for _, c := range []struct{ min, max, want int }{
			{1, 7, 7}, {20, 30, 20}, {3, 30, 20}, {1, 1, 1}, {100, 200, 100},
		} {
			update(t, s, shed.Config{MinLimit: c.min, MaxLimit: c.max})
			if st := s.Stats(); st.Limit != c.want {
				t.Errorf("between %d and %d the limit is %d, want %d", c.min, c.max, st.Limit, c.want)
			}
		}
		// A pin outside of new bounds gives way to them.
		override(t, s, "limit", "150", 0)
		update(t, s, shed.Config{MinLimit: 1, MaxLimit: 10})
		if st := s.Stats(); st.Limit != 10 {
			t.Errorf("the limit is %d, want 10", st.Limit)
		}
		permits := fill(t, s, 10)
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		for _, p := range permits {
			p.Release()
		}
		shut(t, s)
	})
}

// The name, the classifier, the responder and the observer are those of the
// configuration in force, for requests that come after it.
func TestUpdateTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &recorder{}, &recorder{}
		s := pinned(t, 1, shed.Config{Observer: before})
		h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		answer := func() int {
			w := httptest.NewRecorder()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			return w.Code
		}
		if got := answer(); got != http.StatusOK {
			t.Fatalf("answered %d", got)
		}
		if e := before.take(); len(e) != 1 || e[0].Priority != seawall.Normal || e[0].Name != "default" {
			t.Errorf("%+v", e)
		}
		update(t, s, shed.Config{
			Name: "second", MinLimit: 1, Observer: after, NormalWait: seawall.Off, SheddableWait: seawall.Off,
			Classify: func(*http.Request) seawall.Class { return seawall.Class{Priority: seawall.Sheddable, Route: "new"} },
			Respond: func(w http.ResponseWriter, _ *http.Request, rej *seawall.Rejection) {
				if rej.Name != "second" {
					t.Errorf("refused by %q", rej.Name)
				}
				w.WriteHeader(http.StatusTeapot)
			},
		})
		inside := enter(t, s, of(seawall.Normal))
		after.take()
		if got := answer(); got != http.StatusTeapot {
			t.Errorf("answered %d", got)
		}
		e := after.take()
		if len(e) != 1 || e[0].Priority != seawall.Sheddable || e[0].Name != "second" || e[0].Route != "new" || e[0].Outcome != seawall.Rejected {
			t.Errorf("%+v", e)
		}
		if e := before.take(); len(e) != 0 {
			t.Errorf("the old observer is told %+v", e)
		}
		inside.Release()
		shut(t, s)
	})
}

// What has been learned stays.
func TestUpdateForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		b := newBackend(8, 20*time.Millisecond)
		crowd(t, s, b, 200, 3*time.Second, anybody)
		synctest.Wait()
		before := s.Stats()
		if before.Samples < 100 || before.Baseline != 20*time.Millisecond {
			t.Fatalf("%+v", before)
		}
		update(t, s, shed.Config{Budget: 2 * time.Second, Sticky: time.Minute})
		after := s.Stats()
		if after.Samples != before.Samples || after.Baseline != before.Baseline || after.Limit != before.Limit || after.Priorities != before.Priorities {
			t.Errorf("%+v, before %+v", after, before)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		shut(t, s)
	})
}
