package shed_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// A dry run decides as if it was for real, and lets everybody in at once.
func TestDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 2, shed.Config{DryRun: true, Observer: rec})
		began := time.Now()
		var permits []*shed.Permit
		for range 10 {
			p, err := s.Acquire(t.Context(), of(seawall.Normal))
			if err != nil {
				t.Fatal(err)
			}
			permits = append(permits, &p)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they were held up for %v", took)
		}
		st := s.Stats()
		if !st.DryRun || !s.Snapshot().DryRun || st.InFlight != 2 || st.Shadow != 8 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		if p := st.Priorities[1]; p.Offered != 10 || p.Admitted != 2 || p.Refused != 8 || p.Full != 8 || p.Waited != 0 {
			t.Errorf("%+v", p)
		}
		refused := 0
		for _, e := range rec.take() {
			if !e.DryRun {
				t.Errorf("event %+v is not marked as of a dry run", e)
			}
			if e.Outcome == seawall.Rejected {
				refused++
				if e.Reason != seawall.Overloaded || e.RetryAfter < time.Second {
					t.Errorf("event %+v", e)
				}
			}
		}
		if refused != 8 {
			t.Errorf("%d of 10 would have been refused, want 8", refused)
		}
		for i, p := range permits {
			if i%2 == 0 {
				p.Release()
			}
			p.Drop() // twice for every other one
			p.Release()
		}
		shut(t, s)
	})
}

// Nobody is refused whatever happens: at ten times the capacity, for a while.
func TestDryRunRefusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{DryRun: true, MaxLimit: 8})
		h := s.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			time.Sleep(50 * time.Millisecond)
		}))
		answers := make(chan int, 10_000)
		sent := 0
		for range 500 {
			for range 10 {
				sent++
				go func() {
					w := httptest.NewRecorder()
					began := time.Now()
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
					if took := time.Since(began); took != 50*time.Millisecond {
						t.Errorf("took %v", took)
					}
					answers <- w.Code
				}()
			}
			time.Sleep(5 * time.Millisecond)
		}
		for range sent {
			if code := <-answers; code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
		}
		st := s.Stats()
		if st.Priorities[1].Refused < 1000 || st.Priorities[1].Admitted < 100 || st.RefusedShare < 0.3 {
			t.Errorf("of %d requests %+v; refused share %.2f", sent, st.Priorities[1], st.RefusedShare)
		}
		shut(t, s)
	})
}

// It can be begun and ended with requests inside: each gives back what it took.
func TestDryRunSwitchedWhileAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		real1 := enter(t, s, of(seawall.Critical))
		override(t, s, "dry_run", "on", 0)
		shadow := enter(t, s, of(seawall.Critical))
		override(t, s, "dry_run", "off", 0)
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Overloaded)
		shadow.Release()
		if st := s.Stats(); st.InFlight != 1 || st.Shadow != 0 {
			t.Errorf("%d inside, %d shadows; want 1 and 0", st.InFlight, st.Shadow)
		}
		real1.Release()
		shut(t, s)
	})
}

// Somebody who waits when a dry run begins is let in when their time is over.
func TestDryRunBegunWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 1, shed.Config{})
		inside := enter(t, s, of(seawall.Critical))
		done := make(chan result, 1)
		queueUp(t.Context(), s, 0, of(seawall.Normal), done)
		synctest.Wait()
		if err := s.Update(shed.Config{MinLimit: 1, DryRun: true}); err != nil {
			t.Fatal(err)
		}
		if r := <-done; r.err != nil || r.took > 100*time.Millisecond {
			t.Errorf("after %v: %v", r.took, r.err)
		}
		inside.Release()
		synctest.Wait()
		shut(t, s)
	})
}

// Draining is for real even in a dry run, and waits for those who were let in
// beside the limit: they are at work like the others.
func TestDryRunDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 1, shed.Config{DryRun: true, Observer: rec})
		seat, shadow := enter(t, s, of(seawall.Normal)), enter(t, s, of(seawall.Normal))
		closed := make(chan error, 1)
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		rec.take()
		_, err := s.TryAcquire(context.Background(), of(seawall.Normal))
		refusal(t, err, seawall.Draining)
		if e := rec.take(); len(e) != 1 || e[0].DryRun {
			t.Errorf("events %+v: the refusal was carried out", e)
		}
		seat.Release()
		synctest.Wait()
		if len(closed) > 0 {
			t.Fatal("Close has returned while a request was at work")
		}
		shadow.Release()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		shut(t, s)
	})
}
