package spike

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// more picks one of MoreScenarios by its name.
func more(t *testing.T, name string, cfg ScenarioConfig) Scenario {
	t.Helper()
	all, err := MoreScenarios(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range all {
		if sc.Name == name {
			return sc
		}
	}
	t.Fatalf("no scenario %q", name)
	return Scenario{}
}

// at is what a scenario offers and what its backend can serve at a time.
type at struct {
	sec               float64
	offered, capacity float64
}

func TestMoreScenarios(t *testing.T) {
	// 24 slots of 80 ms: 300 a second.
	want := map[string][]at{
		"abusers":      {{3.9, 210, 300}, {4.1, 900, 300}, {9.9, 900, 300}, {10.1, 210, 300}},
		"abusers-long": {{7.9, 210, 300}, {8.1, 900, 300}, {19.9, 900, 300}, {20.1, 210, 300}},
		"smaller":      {{3.9, 210, 300}, {4.1, 900, 300}, {5.9, 900, 300}, {6.1, 900, 100}, {9.9, 900, 100}, {10.1, 210, 300}},
		"return":       {{3.9, 210, 300}, {4.1, 900, 100}, {5.9, 900, 100}, {6.1, 900, 300}, {10.1, 210, 300}},
		"slower-low":   {{3.9, 105, 300}, {4.1, 105, 75}, {9.9, 105, 75}, {10.1, 105, 300}},
		"slower-spike": {{4.1, 900, 300}, {6.9, 900, 300}, {7.1, 900, 75}, {9.9, 900, 75}, {10.1, 210, 300}},
		"long":         {{3.9, 210, 300}, {4.1, 2100, 300}, {33.9, 2100, 300}, {34.1, 210, 300}},
		"mild":         {{3.9, 210, 300}, {4.1, 360, 300}, {10.1, 210, 300}},
		"lost":         {{3.9, 210, 300}, {4.1, 210, 75}, {9.9, 210, 75}, {10.1, 210, 300}},
		"heavier":      {{3.9, 210, 300}, {4.1, 210, 300 / 2.2}, {13.9, 210, 300 / 2.2}},
		"ramp":         {{3.9, 210, 300}, {5.5, 1155, 300}, {7, 2100, 300}, {8.5, 1155, 300}, {10.1, 210, 300}},
	}
	lasts := map[string]time.Duration{"abusers-long": 28 * sec, "long": 40 * sec}
	all, err := MoreScenarios(ScenarioConfig{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(want) {
		t.Errorf("got %s", names(all))
	}
	titles := map[string]bool{}
	for _, sc := range all {
		if sc.Title == "" || titles[sc.Title] || sc.Load.Seed != 9 || sc.Backend.Seed != 9 || sc.WarmUp != 2*sec {
			t.Errorf("got %+v", sc)
		}
		titles[sc.Title] = true
		duration := 14 * sec
		if d := lasts[sc.Name]; d != 0 {
			duration = d
		}
		if sc.Load.Duration != duration {
			t.Errorf("%s lasts %v, want %v", sc.Name, sc.Load.Duration, duration)
		}
		for _, w := range want[sc.Name] {
			d := time.Duration(w.sec * float64(sec))
			if got := sc.Load.Profile.Rate(d); math.Abs(got-w.offered) > 1e-6 {
				t.Errorf("%s: %v offered at %v, want %v", sc.Name, got, d, w.offered)
			}
			if got := sc.CapacityAt(d); math.Abs(got-w.capacity) > 1e-6 {
				t.Errorf("%s: %v possible at %v, want %v", sc.Name, got, d, w.capacity)
			}
		}
		abused := sc.Name == "abusers" || sc.Name == "abusers-long"
		if got := sc.Load.Abusers; abused != (got == Abusers{Users: 0.01, Load: 0.2}) || !abused && got != (Abusers{}) {
			t.Errorf("%s: %+v", sc.Name, got)
		}
		data, err := json.Marshal(sc)
		var back Scenario
		if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(back, sc) {
			t.Errorf("%s does not survive JSON: %v", sc.Name, err)
		}
	}
	if _, err := MoreScenarios(ScenarioConfig{Peak: 1}); err == nil {
		t.Error("a peak of 1 is taken")
	}
	if _, err := MoreScenarios(ScenarioConfig{Backend: BackendConfig{Slots: 1}}); err != nil { // nothing to lose
		t.Error(err)
	}
	if got := (Scenario{Backend: BackendConfig{Slots: -1}}).CapacityAt(0); got != 0 {
		t.Errorf("a backend that is wrong serves %v", got)
	}
}

// TestMoreOfTheWorld: in each of them the bare server does worse than the one
// that knows its size, which keeps the Critical requests.
func TestMoreOfTheWorld(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		bare, good, critical Number // at most, at least, at least
	}{
		{"abusers", 0.2, 0.97, 0.99},
		{"smaller", 0.2, 0.97, 0.95},
		{"return", 0.2, 0.96, 0.97},
		{"slower-low", 0.7, 0.9, 0.97},
		{"slower-spike", 0.2, 0.93, 0.9},
		{"mild", 0.6, 0.95, 0.99},
		{"lost", 0.4, 0.95, 0.97},
		{"heavier", 0.5, 0.93, 0.97},
		{"ramp", 0.3, 0.95, 0.99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if raceEnabled && tt.name != "smaller" {
				t.Skip("one is enough with the race detector")
			}
			sc := more(t, tt.name, ScenarioConfig{Seed: 2})
			bare, good := play(t, sc, "bare"), play(t, sc, "oracle")
			if bare.Goodput > tt.bare || good.Goodput < tt.good || good.Critical < tt.critical {
				t.Errorf("want at most %v, at least %v and %v\n%s", tt.bare, tt.good, tt.critical, Table([]Figures{bare, good}))
			}
			if abusers := !math.IsNaN(float64(good.Abusers)); abusers != (tt.name == "abusers") {
				t.Errorf("abusers: %v", good.Abusers)
			}
		})
	}
}

// TestFollow: the oracle hears of lost slots when they are lost, of their
// return, and of the end of a run that is cut short.
func TestFollow(t *testing.T) {
	slots := func(o *Oracle) int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.slots
	}
	synctest.Test(t, func(t *testing.T) {
		sc := plain()
		sc.Faults = []Fault{
			{At: sec, For: 2 * sec, Kind: FaultCapacity, Value: 4},
			{At: 2 * sec, For: 2 * sec, Kind: FaultCapacity, Value: 3},
			{At: 0, For: 5 * sec, Kind: FaultSlow, Value: 2},
		}
		for _, told := range []bool{true, false} {
			o := oracle(t, OracleConfig{Slots: 10})
			follow := o
			if !told {
				follow = nil
			}
			b := bench(t, 10, 100*ms)
			var seen []int
			_, _, err := sc.Follow(follow).Run(t.Context(), b, Against(b.Target(o.Guard)), func(p Progress) {
				if p.At%sec == 600*ms {
					seen = append(seen, slots(o))
				}
			})
			want := []int{10, 6, 3, 7, 10, 10}
			if !told {
				want = []int{10, 10, 10, 10, 10, 10}
			}
			if err != nil || !reflect.DeepEqual(seen, want) {
				t.Errorf("told %v: the oracle knew %v, want %v; %v", told, seen, want, err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sc := plain()
		sc.Faults = []Fault{{At: 0, For: time.Hour, Kind: FaultCapacity, Value: 10}}
		o, b := oracle(t, OracleConfig{Slots: 10, Waits: [...]time.Duration{seawall.Off, seawall.Off, seawall.Off, seawall.Off}}), bench(t, 10, 100*ms)
		if _, _, err := sc.Follow(o).Run(t.Context(), b, Against(b.Target(o.Guard)), nil); err != nil || slots(o) != 10 {
			t.Errorf("in the end the oracle knows of %d slots; %v", slots(o), err)
		}
	})
}
