package promobserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
)

var events = map[string]seawall.Event{
	"admitted":   {Component: "shed", Name: "api", Route: "GET /feed"},
	"rejected":   {Component: "shed", Name: "api", Route: "GET /feed", Outcome: seawall.Rejected, Reason: seawall.Overloaded, DryRun: true},
	"own reason": {Component: "shed", Name: "api", Outcome: seawall.Rejected, Reason: "moon_phase"},
}

func TestAllocsObserve(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for form, cfg := range map[string]promobserver.Config{"plain": {}, "routes": {Routes: []string{"GET /feed"}}} {
		o := newObserver(t, cfg)
		for name, e := range events {
			if n := testing.AllocsPerRun(200, func() { o.Observe(t.Context(), e) }); n != 0 {
				t.Errorf("%s, %s: %v allocations", form, name, n)
			}
		}
		waited := seawall.Event{Component: "shed", Name: "api", Wait: 30 * time.Millisecond}
		if n := testing.AllocsPerRun(200, func() { o.Observe(t.Context(), waited) }); n != 0 {
			t.Errorf("%s, waited: %v allocations", form, n)
		}
		change := seawall.StateChange{Component: "shed", Name: "api", To: "open"}
		if n := testing.AllocsPerRun(200, func() { o.ObserveState(t.Context(), change) }); n != 0 {
			t.Errorf("%s, state: %v allocations", form, n)
		}
	}
	// Too many of everything is a flood as well.
	o := newObserver(t, promobserver.Config{MaxInstances: 1})
	o.Observe(t.Context(), seawall.Event{Component: "first"})
	if n := testing.AllocsPerRun(200, func() { o.Observe(t.Context(), events["rejected"]) }); n != 0 {
		t.Errorf("beyond the bound: %v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	waited := events["admitted"]
	waited.Wait = 30 * time.Millisecond
	for name, e := range map[string]seawall.Event{"admitted": events["admitted"], "rejected": events["rejected"], "waited": waited} {
		for form, cfg := range map[string]promobserver.Config{"plain": {}, "routes": {Routes: []string{"GET /feed", "POST /login"}}} {
			b.Run(name+"/"+form, func(b *testing.B) {
				o := newObserver(b, cfg)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						o.Observe(context.Background(), e)
					}
				})
			})
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	c := newCollector(b)
	for i := range 10 {
		s := sound()
		s.Name = string(rune('a' + i))
		if err := c.Add(fixed(s)); err != nil {
			b.Fatal(err)
		}
	}
	reg := registry(b, c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
