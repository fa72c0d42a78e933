package spike

import (
	"testing"
	"testing/synctest"
)

// play runs one scenario in virtual time against a contender, bare or oracle.
func play(t *testing.T, sc Scenario, contender string) (f Figures) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBackend(sc.Backend)
		if err != nil {
			t.Fatal(err)
		}
		var (
			guard Guard
			know  *Oracle
		)
		if contender == "oracle" {
			know = oracle(t, OracleConfig{Slots: b.Config().Slots})
			guard = know.Guard
		}
		rec, stats, err := sc.Follow(know).Run(t.Context(), b, Against(b.Target(guard)), nil)
		if err != nil {
			t.Fatal(err)
		}
		f = Analyze(rec, sc, stats)
		f.Contender = contender
	})
	return f
}

// scenario picks one by its name.
func scenario(t *testing.T, name string, cfg ScenarioConfig) Scenario {
	t.Helper()
	all, err := Scenarios(cfg)
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

// bounds of a figure.
type bounds struct {
	what   string
	of     func(*Figures) *Number
	lo, hi Number
}

// TestTheWorld: an unprotected server collapses, one that knows its size does
// not. The bounds are what twelve crowds came to, with some room. If
// this fails, no comparison made with this package means anything.
func TestTheWorld(t *testing.T) {
	goodput := func(f *Figures) *Number { return &f.Goodput }
	critical := func(f *Figures) *Number { return &f.Critical }
	normal := func(f *Figures) *Number { return &f.Normal }
	journeys := func(f *Figures) *Number { return &f.Journeys }
	wasted := func(f *Figures) *Number { return &f.Wasted }
	after := func(f *Figures) *Number { return &f.After }
	before := func(f *Figures) *Number { return &f.Before }
	settle := func(f *Figures) *Number { return &f.Settle }
	recovered := func(f *Figures) *Number { return &f.Recover }
	p50 := func(f *Figures) *Number { return &f.P50 }
	p99 := func(f *Figures) *Number { return &f.P99 }
	criticalP99 := func(f *Figures) *Number { return &f.CriticalP99 }
	for _, tt := range []struct {
		scenario, contender string
		bounds              []bounds
	}{
		{"calm", "bare", []bounds{
			{"goodput", goodput, 0.985, 1}, {"before", before, 1, 1}, {"p50", p50, 0.95, 1.1}, {"p99", p99, 0.85, 1.15}, {"wasted", wasted, 0, 0},
		}},
		{"calm", "oracle", []bounds{
			{"goodput", goodput, 0.985, 1}, {"before", before, 0.998, 1}, {"p50", p50, 0.95, 1.1}, {"p99", p99, 0.85, 1.15},
		}},
		{"3x", "bare", []bounds{
			{"goodput", goodput, 0.03, 0.20}, {"critical", critical, 0.01, 0.08}, {"journeys", journeys, 0, 0.01}, {"wasted", wasted, 0.7, 0.95},
			{"settle", settle, Never, Never}, {"after", after, 0.6, 0.9}, {"recover", recovered, 1, 3},
		}},
		{"3x", "oracle", []bounds{
			{"goodput", goodput, 0.98, 1}, {"critical", critical, 0.999, 1}, {"normal", normal, 0.48, 0.58}, {"journeys", journeys, 0.36, 0.48},
			{"settle", settle, 0, 0.1}, {"recover", recovered, 0, 0.4},
		}},
		{"10x", "bare", []bounds{
			{"goodput", goodput, 0.03, 0.20}, {"critical", critical, 0, 0.02}, {"journeys", journeys, 0, 0.01}, {"wasted", wasted, 0.75, 0.95},
			{"settle", settle, Never, Never}, {"p50", p50, 4, 7}, {"p99", p99, 3, 4},
		}},
		{"10x", "oracle", []bounds{
			{"goodput", goodput, 0.98, 1}, {"critical", critical, 0.995, 1}, {"normal", normal, 0.085, 0.125}, {"journeys", journeys, 0.015, 0.08},
			{"wasted", wasted, 0, 0.005}, {"p50", p50, 1, 1.5}, {"critical p99", criticalP99, 0.8, 1.3},
		}},
		{"flash", "oracle", []bounds{{"goodput", goodput, 0.975, 1}, {"critical", critical, 0.999, 1}, {"recover", recovered, 0, 0.2}}},
		{"retries", "bare", []bounds{{"goodput", goodput, 0.03, 0.20}, {"after", after, 0, 0.15}, {"recover", recovered, Never, Never}}},
		{"retries", "oracle", []bounds{{"goodput", goodput, 0.975, 1}, {"after", after, 0.95, 1}, {"recover", recovered, 0, 0.5}}},
		{"cold", "oracle", []bounds{{"goodput", goodput, 0.98, 1}, {"critical", critical, 0.999, 1}}},
		{"slower", "bare", []bounds{{"goodput", goodput, 0.1, 0.4}, {"critical", critical, 0, 0.3}}},
		{"slower", "oracle", []bounds{{"goodput", goodput, 0.93, 1}, {"critical", critical, 0.97, 1}, {"wasted", wasted, 0, 0.06}, {"p50", p50, 3.5, 6}}},
	} {
		t.Run(tt.scenario+" "+tt.contender, func(t *testing.T) {
			if raceEnabled {
				if tt.scenario == "10x" || tt.scenario == "slower" {
					play(t, scenario(t, tt.scenario, ScenarioConfig{}), tt.contender)
				}
				return
			}
			var runs []Figures
			for seed := range uint64(3) {
				runs = append(runs, play(t, scenario(t, tt.scenario, ScenarioConfig{Seed: seed}), tt.contender))
			}
			m := Median(runs)
			for _, b := range tt.bounds {
				if got := *b.of(&m); !(got >= b.lo && got <= b.hi) {
					t.Errorf("%s is %.4f, want %v to %v", b.what, float64(got), float64(b.lo), float64(b.hi))
				}
			}
			if m.LagP99 != 0 || m.Dropped != 0 {
				t.Errorf("in virtual time nothing is late (%v) or dropped (%v)", m.LagP99, m.Dropped)
			}
			if t.Failed() || testing.Verbose() {
				t.Log("\n" + Table([]Figures{m}))
			}
		})
	}
}

// TestAllCriticalIsTheCapacity: where Critical is as much as all that can be
// served, even the oracle loses some of it, and all else.
func TestAllCriticalIsTheCapacity(t *testing.T) {
	sc := scenario(t, "extreme", ScenarioConfig{})
	if f := play(t, sc, "oracle"); f.Critical < 0.9 || f.Critical > 0.99 || f.Normal > 0.05 {
		t.Errorf("critical %v, normal %v", f.Critical, f.Normal)
	}
}
