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

// allocates checks that f allocates nothing. It says first what f should do,
// so that a path that is not taken is not found free of charge.
func allocates(t *testing.T, name string, f func() (ok bool)) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	missed := 0
	per := testing.AllocsPerRun(1000, func() {
		if !f() {
			missed++
		}
	})
	if missed > 0 {
		t.Errorf("%s: %d times it was not what is measured", name, missed)
	}
	if per != 0 {
		t.Errorf("%s: %v allocations, want none", name, per)
	}
}

// bothSides are the classes that decisions are asked for.
var bothSides = map[string]seawall.Class{
	"known":     {User: 17},
	"anonymous": {},
	"full":      {Priority: seawall.Critical, User: 17, Tenant: 3, Route: "GET /feed", Cost: 2},
	"exempt":    {Exempt: true},
}

func TestAllocAdmit(t *testing.T) {
	s := start(t, shed.Config{})
	for name, class := range bothSides {
		allocates(t, name+" Acquire", func() bool {
			p, err := s.Acquire(context.Background(), class)
			p.Release()
			return err == nil
		})
		allocates(t, name+" TryAcquire", func() bool {
			p, err := s.TryAcquire(context.Background(), class)
			p.Drop()
			return err == nil
		})
	}
}

// TestAllocRefuse is of those who find no seat.
func TestAllocRefuse(t *testing.T) {
	s := pinned(t, 1, shed.Config{NormalWait: seawall.Off})
	defer fill(t, s, 1)[0].Release()
	for _, name := range []string{"known", "anonymous"} {
		class := bothSides[name]
		allocates(t, name+" Acquire", func() bool {
			_, err := s.Acquire(context.Background(), class)
			return err != nil
		})
		allocates(t, name+" TryAcquire", func() bool {
			_, err := s.TryAcquire(context.Background(), class)
			return err != nil
		})
	}
}

// TestAllocFloor is of those who are refused at the door, which takes a house
// that has been full for a while, and somebody who is served meanwhile.
func TestAllocFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 3, shed.Config{})
		for _, p := range fill(t, s, 2) {
			defer p.Release()
		}
		floored := func() uint64 { return s.Stats().Priorities[1].Floored }
		for range 50 {
			served := enter(t, s, of(seawall.Critical))
			for i := range 200 {
				if _, err := s.TryAcquire(context.Background(), seawall.Class{User: seawall.ID(i + 1)}); err == nil {
					t.Fatal("there is room")
				}
			}
			time.Sleep(10 * time.Millisecond)
			served.Release()
		}
		defer enter(t, s, of(seawall.Critical)).Release() // full: a free seat is not refused
		before := floored()
		allocates(t, "floor", func() bool {
			_, err := s.Acquire(t.Context(), seawall.Class{User: 17, Priority: seawall.Normal})
			return err != nil
		})
		if got := floored() - before; got != 1001 && !raceEnabled { // one run more to warm up
			t.Errorf("%d of 1001 were refused at the floor: %+v", got, s.Stats())
		}
	})
}

func TestAllocObserved(t *testing.T) {
	seen := 0
	s := pinned(t, 1, shed.Config{NormalWait: seawall.Off, Observer: seawall.ObserverFunc(func(context.Context, seawall.Event) { seen++ })})
	class := seawall.Class{User: 17, Route: "GET /feed"}
	allocates(t, "admit", func() bool {
		before := seen
		p, err := s.TryAcquire(context.Background(), class)
		p.Release()
		return err == nil && seen == before+1
	})
	defer fill(t, s, 1)[0].Release()
	allocates(t, "refuse", func() bool {
		before := seen
		_, err := s.TryAcquire(context.Background(), class)
		return err != nil && seen == before+1
	})
}

// TestAllocMiddleware goes through a whole handler: the client's address, the
// decision, the answer.
func TestAllocMiddleware(t *testing.T) {
	s := pinned(t, 1, shed.Config{NormalWait: seawall.Off})
	w := &counter{header: make(http.Header)}
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	r := httptest.NewRequest(http.MethodGet, "/feed", nil)
	for _, status := range []int{http.StatusNoContent, http.StatusServiceUnavailable} {
		if status == http.StatusServiceUnavailable {
			defer fill(t, s, 1)[0].Release()
		}
		allocates(t, http.StatusText(status), func() bool {
			h.ServeHTTP(w, r)
			return w.status == status
		})
	}
}

// TestAllocTrack: who may speak about its seats pays for a context that is the
// request's own and for the request that carries it, and with Track one for its
// class; the writer of a stream comes with it.
func TestAllocTrack(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	class := seawall.Class{User: 17, Cost: 3, Track: true}
	s := pinned(t, 100, shed.Config{Classify: func(*http.Request) seawall.Class { return class }})
	w := &counter{header: make(http.Header)}
	r := httptest.NewRequest(http.MethodGet, "/feed", nil)
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if class.Track && !shed.AddCost(r.Context(), 2) {
			t.Error("not tracked")
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, c := range []struct {
		name          string
		track, stream bool
		want          float64
	}{{"track", true, false, 3}, {"stream", false, true, 2}, {"both", true, true, 3}, {"neither", false, false, 0}} {
		class.Track = c.track
		r.Header.Del("Accept")
		if c.stream {
			r.Header.Set("Accept", "text/event-stream")
		}
		if got := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); got != c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
	shut(t, s)
}

// TestAllocSeats: seats cost nothing, and nor does what happens to them.
func TestAllocSeats(t *testing.T) {
	s := pinned(t, 100, shed.Config{})
	allocates(t, "a heavy one", func() bool {
		p, err := s.Acquire(context.Background(), seawall.Class{User: 17, Cost: 5})
		ok := p.AddCost(3) && p.AddCost(-4) && p.Detach()
		p.Release()
		return err == nil && ok
	})
}

// counter is a ResponseWriter without a connection that remembers the status.
type counter struct {
	header http.Header
	status int
}

func (w *counter) Header() http.Header         { return w.header }
func (w *counter) Write(p []byte) (int, error) { return len(p), nil }
func (w *counter) WriteHeader(status int)      { w.status = status }
