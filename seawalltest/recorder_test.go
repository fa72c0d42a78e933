package seawalltest

import (
	"slices"
	"sync"
	"testing"

	"github.com/seawall-go/seawall"
)

func rejected(e seawall.Event) bool { return e.Outcome == seawall.Rejected }

func TestRecorder(t *testing.T) {
	var r Recorder
	ctx := t.Context()
	want := []seawall.Event{
		{Component: "shed", Outcome: seawall.Rejected, Priority: seawall.Background},
		{Component: "shed"},
		{Component: "breaker", Outcome: seawall.Rejected},
	}
	for _, e := range want {
		r.Observe(ctx, e)
	}
	r.ObserveState(ctx, seawall.StateChange{From: "closed", To: "open"})
	r.ObserveLimit(ctx, seawall.LimitChange{From: 10, To: 20})
	if got := r.Events(); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if n, all := r.Count(rejected), r.Count(nil); n != 2 || all != 3 {
		t.Errorf("rejected %d, all %d; want 2 and 3", n, all)
	}
	if s := r.States(); len(s) != 1 || s[0].To != "open" {
		t.Errorf("states %v", s)
	}
	if l := r.Limits(); len(l) != 1 || l[0].To != 20 {
		t.Errorf("limits %v", l)
	}
	r.Events()[0].Component = "changed"
	if got := r.Events()[0].Component; got != "shed" {
		t.Errorf("Events gives out its own memory: %q", got)
	}
	r.Reset()
	if len(r.Events())+len(r.States())+len(r.Limits())+r.Dropped() != 0 {
		t.Error("Reset keeps something")
	}
}

func TestRecorderIsBounded(t *testing.T) {
	r := Recorder{Limit: 2}
	for _, name := range []string{"a", "b", "c", "d"} {
		r.Observe(t.Context(), seawall.Event{Name: name})
		r.ObserveState(t.Context(), seawall.StateChange{Name: name})
		r.ObserveLimit(t.Context(), seawall.LimitChange{Name: name})
	}
	if e := r.Events(); len(e) != 2 || e[0].Name != "a" || e[1].Name != "b" {
		t.Errorf("events %v, want the first two", e)
	}
	if len(r.States()) != 2 || len(r.Limits()) != 2 || r.Dropped() != 6 {
		t.Errorf("%d states, %d limits, %d dropped; want 2, 2, 6", len(r.States()), len(r.Limits()), r.Dropped())
	}
	var zero Recorder
	for range defaultRecorderLimit + 1 {
		zero.Observe(t.Context(), seawall.Event{})
	}
	if zero.Count(nil) != defaultRecorderLimit || zero.Dropped() != 1 {
		t.Errorf("by default %d kept, %d dropped", zero.Count(nil), zero.Dropped())
	}
}

func TestRecorderConcurrently(t *testing.T) {
	var r Recorder
	observer := seawall.Observers(&r, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				observer.Observe(t.Context(), seawall.Event{Outcome: seawall.Rejected})
				// match may look at the recorder: it is not locked.
				r.Count(func(seawall.Event) bool { return r.Dropped() == 0 })
			}
		})
	}
	all.Wait()
	if n := r.Count(rejected); n != 800 {
		t.Errorf("%d events, want 800", n)
	}
}
