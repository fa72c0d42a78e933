package shed_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// of returns the class of a priority, of nobody in particular.
func of(p seawall.Priority) seawall.Class { return seawall.Class{Priority: p} }

// start makes a Shedder that finds its own limit. The run queue is that of the
// whole process, in real time: where time is virtual, or other tests run beside
// this one, it tells nothing about the backend, and is not looked at unless asked
// for.
func start(t testing.TB, cfg shed.Config) *shed.Shedder {
	t.Helper()
	if cfg.RunQueue == 0 {
		cfg.RunQueue = seawall.Off
	}
	s, err := shed.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pinned makes a Shedder that serves exactly limit requests at once.
func pinned(t testing.TB, limit int, cfg shed.Config) *shed.Shedder {
	t.Helper()
	if cfg.MinLimit == 0 {
		cfg.MinLimit = 1
	}
	s := start(t, cfg)
	override(t, s, "limit", strconv.Itoa(limit), 0)
	return s
}

func override(t testing.TB, s *shed.Shedder, control, value string, d time.Duration) {
	t.Helper()
	if err := s.Override(t.Context(), seawall.Override{Control: control, Value: value, For: d}); err != nil {
		t.Fatal(err)
	}
}

// enter takes a seat that must be free.
func enter(t testing.TB, s *shed.Shedder, c seawall.Class) *shed.Permit {
	t.Helper()
	p, err := s.TryAcquire(context.Background(), c)
	if err != nil {
		t.Fatalf("%v is refused: %v", c.Priority, err)
	}
	return &p
}

// fill takes n seats.
func fill(t testing.TB, s *shed.Shedder, n int) []*shed.Permit {
	t.Helper()
	permits := make([]*shed.Permit, n)
	for i := range permits {
		permits[i] = enter(t, s, of(seawall.Normal))
	}
	return permits
}

// refusal checks that err is a Rejection for that reason.
func refusal(t testing.TB, err error, reason seawall.Reason) *seawall.Rejection {
	t.Helper()
	var rej *seawall.Rejection
	if !errors.As(err, &rej) {
		t.Fatalf("got %v, want a Rejection", err)
	}
	if rej.Reason != reason {
		t.Fatalf("got %v, want %v", rej, reason)
	}
	return rej
}

// empty checks that nobody holds a seat or waits for one.
func empty(t testing.TB, s *shed.Shedder) {
	t.Helper()
	if st := s.Stats(); st.InFlight != 0 || st.Waiting != 0 || st.Shadow != 0 {
		t.Errorf("%d are inside, %d wait, %d are shadows; want nobody", st.InFlight, st.Waiting, st.Shadow)
	}
}

// shut closes a Shedder that must be empty.
func shut(t testing.TB, s *shed.Shedder) {
	t.Helper()
	empty(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// result is what became of an Acquire in a goroutine of its own.
type result struct {
	who  int
	took time.Duration
	err  error
}

// queueUp starts an Acquire that hands its seat back at once.
func queueUp(ctx context.Context, s *shed.Shedder, who int, c seawall.Class, done chan<- result) {
	go func() {
		began := time.Now()
		p, err := s.Acquire(ctx, c)
		took := time.Since(began)
		done <- result{who, took, err} // before the next one has the seat
		p.Release()
	}()
}

// recorder keeps all it is told.
type recorder struct {
	mu     sync.Mutex
	events []seawall.Event
	states []seawall.StateChange
	limits []seawall.LimitChange
}

func (r *recorder) Observe(_ context.Context, e seawall.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) ObserveState(_ context.Context, c seawall.StateChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, c)
}

func (r *recorder) ObserveLimit(_ context.Context, c seawall.LimitChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limits = append(r.limits, c)
}

// take returns the events so far, and forgets them.
func (r *recorder) take() []seawall.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.events
	r.events = nil
	return all
}

func (r *recorder) changes() ([]seawall.StateChange, []seawall.LimitChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states, r.limits
}
