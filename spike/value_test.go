package spike

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall"
)

func TestAnalyzeValue(t *testing.T) {
	var h hand
	h.add(5, sec, 2*sec, Sample{}) // before
	h.add(5, 4*sec, 5*sec, Sample{})
	is(t, "nothing asked", Analyze(&h.rec, plain(), BackendStats{}).Value, nan)
	for i, p := range seawall.Priorities() {
		h.add(i+1, 2*sec, 4*sec, Sample{Priority: p})
		h.add(10, 2*sec, 4*sec, Sample{Priority: p, Outcome: Rejected})
	}
	f := Analyze(&h.rec, plain(), BackendStats{})
	is(t, "value", f.Value, 1*10+2*3+3*1+4*0.3)
	other := f
	other.Value = 40.4
	is(t, "ratio", ValueRatio(f, other), 0.5)
	other.Value = 0
	is(t, "ratio to nothing", ValueRatio(f, other), nan)
	is(t, "ratio of nothing", ValueRatio(other, f), 0)
	other.Value = None
	is(t, "ratio to none", ValueRatio(f, other), nan)
	is(t, "ratio of none", ValueRatio(other, f), nan)
}

// TestAnalyzeFound: the service time is 100 ms, the loss at 2.2 s, for 2 s; the
// spike ends at 4 s.
func TestAnalyzeFound(t *testing.T) {
	loss := Fault{At: 2200 * ms, For: 2 * sec, Kind: FaultCapacity, Value: 5}
	for _, tt := range []struct {
		name   string
		faults []Fault
		fill   func(*hand)
		want   float64
	}{
		{"no loss", nil, func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{Latency: sec}) }, nan},
		{"another fault", []Fault{{At: 3 * sec, For: sec, Kind: FaultSlow, Value: 4}}, func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{}) }, nan},
		{"before the spike", []Fault{{At: sec, For: sec, Kind: FaultCapacity, Value: 5}}, func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{}) }, nan},
		{"less than a slot", []Fault{{At: 2 * sec, For: sec, Kind: FaultCapacity, Value: 0.5}}, func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{}) }, nan},
		{"over at once", []Fault{{At: 2 * sec, For: 99 * ms, Kind: FaultCapacity, Value: 5}}, func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{}) }, nan},
		{"never slow", []Fault{loss}, func(h *hand) { h.add(200, 2*sec, 4*sec, Sample{Latency: 190 * ms}) }, 0},
		{"always slow", []Fault{loss}, func(h *hand) { h.add(200, 2*sec, 4*sec, Sample{Latency: 210 * ms}) }, never},
		{"nothing comes back", []Fault{loss}, func(h *hand) { h.add(200, 2*sec, 4*sec, Sample{Outcome: TimedOut, Latency: 100 * ms}) }, never},
		// Slow answers come back until 2.7 s, quick ones from 2.7 s on.
		{"after half a second", []Fault{loss}, func(h *hand) {
			h.add(40, 2*sec, 2400*ms, Sample{Latency: 300 * ms})
			h.add(160, 2600*ms, 4*sec, Sample{Latency: 100 * ms})
		}, 0.3}, // from 2.5 to 3 s: twenty of 300 ms, thirty of 100 ms
		{"not for a second", []Fault{loss}, func(h *hand) {
			h.add(50, 2*sec, 2500*ms, Sample{Latency: 100 * ms})
			h.add(150, 2500*ms, 4*sec, Sample{Latency: 400 * ms})
		}, never},
		{"the first of two", []Fault{{At: 2900 * ms, For: sec, Kind: FaultCapacity, Value: 2}, loss}, func(h *hand) {
			h.add(40, 2*sec, 2400*ms, Sample{Latency: 300 * ms})
			h.add(160, 2600*ms, 4*sec, Sample{Latency: 100 * ms})
		}, 0.3},
		{"a short one", []Fault{{At: 2 * sec, For: 650 * ms, Kind: FaultCapacity, Value: 5}}, func(h *hand) { h.add(200, 2*sec, 4*sec, Sample{}) }, 0},
		{"slow until it is over", []Fault{{At: 2 * sec, For: sec, Kind: FaultCapacity, Value: 5}}, func(h *hand) {
			h.add(50, 2*sec, 2500*ms, Sample{Latency: 300 * ms})
			h.add(150, 2500*ms, 4*sec, Sample{Latency: 100 * ms})
		}, never},
	} {
		var h hand
		tt.fill(&h)
		sc := plain()
		sc.Faults = tt.faults
		is(t, tt.name, Analyze(&h.rec, sc, BackendStats{}).Found, tt.want)
	}
}

// TestFoundInTheWorld: who is told is quick again at once, who is not told and
// cannot refuse never is.
func TestFoundInTheWorld(t *testing.T) {
	if raceEnabled {
		t.Skip("no race is to be found in a figure")
	}
	sc := more(t, "lost", ScenarioConfig{Seed: 1})
	if f := play(t, sc, "oracle"); f.Found > 0.5 {
		t.Errorf("the oracle needs %v s", f.Found)
	}
	if f := play(t, sc, "bare"); f.Found != Never {
		t.Errorf("the bare server needs %v s", f.Found)
	}
}

// TestProgressByPriority: the reports count what the record has.
func TestProgressByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Load{Profile: Steady(400), Duration: 3 * sec, Mix: Mix{Critical: 1, Normal: 1, Sheddable: 1, Background: 1}}
		var mu sync.Mutex
		var reports []Progress
		rec, err := l.Run(t.Context(), after(50*ms, Success), func(p Progress) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, p)
		})
		if err != nil {
			t.Fatal(err)
		}
		var want [seawall.NumPriorities]PriorityCount
		for _, s := range rec.Samples {
			c := &want[seawall.Critical-s.Priority]
			c.Requests++
			if s.Outcome == Success {
				c.Success++
			}
		}
		before := Progress{}
		for _, p := range reports {
			sum := uint64(0)
			for i, c := range p.ByPriority {
				sum += c.Success
				if c.Success > c.Requests || c.Requests < before.ByPriority[i].Requests {
					t.Fatalf("got %+v after %+v", p, before)
				}
			}
			if sum != p.Success {
				t.Errorf("%d successes by priority, %d in all", sum, p.Success)
			}
			before = p
		}
		if before.ByPriority != want || before.Of(seawall.Background) != want[3] || want[3].Requests == 0 {
			t.Errorf("in the end %+v, want %+v", before.ByPriority, want)
		}
	})
}
