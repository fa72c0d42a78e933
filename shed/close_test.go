package shed_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 2, shed.Config{})
		permits := fill(t, s, 2)
		waiting := make(chan result, 3)
		for i, p := range []seawall.Priority{seawall.Critical, seawall.Normal, seawall.Background} {
			queueUp(t.Context(), s, i, of(p), waiting)
		}
		synctest.Wait()
		began := time.Now()
		closed := make(chan error, 2)
		for range 2 { // twice at once
			go func() { closed <- s.Close(t.Context()) }()
		}
		synctest.Wait()
		for range 3 {
			r := <-waiting
			refusal(t, r.err, seawall.Draining)
			if r.took != 0 {
				t.Errorf("they wait %v more", r.took)
			}
		}
		for _, p := range seawall.Priorities() {
			_, err := s.Acquire(t.Context(), of(p))
			refusal(t, err, seawall.Draining)
			_, err = s.TryAcquire(context.Background(), of(p))
			if rej := refusal(t, err, seawall.Draining); rej.RetryAfter != time.Second {
				t.Errorf("Retry-After is %v", rej.RetryAfter)
			}
		}
		if time.Since(began) != 0 || len(closed) != 0 {
			t.Fatalf("%d Close have returned while requests are inside", len(closed))
		}
		time.Sleep(time.Second)
		permits[0].Release()
		synctest.Wait()
		if len(closed) != 0 {
			t.Fatal("Close has returned while a request is inside")
		}
		time.Sleep(time.Second)
		permits[1].Drop()
		for range 2 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("Close took %v, want 2s", took)
		}
		shut(t, s) // a third time
	})
}

func TestCloseRespectsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 2, shed.Config{})
		inside := enter(t, s, of(seawall.Normal))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Close took %v, want 3s", took)
		}
		// It stays closed, and may be asked again.
		_, err := s.TryAcquire(context.Background(), of(seawall.Critical))
		refusal(t, err, seawall.Draining)
		inside.Release()
		shut(t, s)
	})
}

// An empty Shedder is closed, whatever the context says.
func TestCloseOfAnEmptyOneSucceeds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		s := start(t, shed.Config{})
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A configuration, or an operator, does not open it again.
func TestClosedStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 2, shed.Config{})
		shut(t, s)
		if err := s.Update(shed.Config{MinLimit: 1, DryRun: true}); err != nil {
			t.Fatal(err)
		}
		override(t, s, "limit", "50", 0)
		override(t, s, "dry_run", "on", 0)
		for range 10 {
			time.Sleep(100 * time.Millisecond) // a tick
			_, err := s.Acquire(t.Context(), of(seawall.Critical))
			refusal(t, err, seawall.Draining)
		}
		shut(t, s)
	})
}

// Close counts those it refuses as refused.
func TestCloseIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := pinned(t, 1, shed.Config{Observer: rec})
		inside := enter(t, s, of(seawall.Normal))
		done := make(chan result, 1)
		queueUp(t.Context(), s, 0, of(seawall.Normal), done)
		time.Sleep(10 * time.Millisecond)
		rec.take()
		closed := make(chan error)
		go func() { closed <- s.Close(t.Context()) }()
		refusal(t, (<-done).err, seawall.Draining)
		_, err := s.TryAcquire(context.Background(), of(seawall.Normal))
		refusal(t, err, seawall.Draining)
		inside.Release()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		p := s.Stats().Priorities[1]
		if p.Offered != 3 || p.Admitted != 1 || p.Refused != 2 {
			t.Errorf("%+v", p)
		}
		events := rec.take()
		if len(events) != 2 {
			t.Fatalf("events are %+v", events)
		}
		for _, e := range events {
			if e.Outcome != seawall.Rejected || e.Reason != seawall.Draining {
				t.Errorf("event %+v", e)
			}
		}
		if events[0].Wait != 10*time.Millisecond {
			t.Errorf("waited %v", events[0].Wait)
		}
	})
}
