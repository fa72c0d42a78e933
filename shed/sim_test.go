package shed_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// routeNames are the routes of a bimodal backend.
var routeNames = [...]string{"fast", "slow"}

// guard is the Shedder as a contender without HTTP: what Middleware does.
func guard(s *shed.Shedder) spike.Guard {
	return func(ctx context.Context, r *spike.Request) (func(), error) {
		c := seawall.Class{Priority: r.Priority, User: seawall.ID(r.User)}
		if r.Routes > 0 {
			c.Route = routeNames[r.Route]
		}
		p, err := s.Acquire(ctx, c)
		if err != nil {
			return nil, err
		}
		return func() {
			if ctx.Err() != nil {
				p.Drop()
			} else {
				p.Release()
			}
		}, nil
	}
}

func simulate(t *testing.T, sc spike.Scenario, contender string, watch func(*shed.Shedder)) (f spike.Figures) {
	synctest.Test(t, func(t *testing.T) {
		b, err := spike.NewBackend(sc.Backend)
		if err != nil {
			t.Fatal(err)
		}
		var g spike.Guard
		switch contender {
		case "seawall":
			s := start(t, shed.Config{})
			g = guard(s)
			if watch != nil {
				go watch(s)
			}
		case "oracle":
			o, err := spike.NewOracle(spike.OracleConfig{Slots: sc.Backend.Slots})
			if err != nil {
				t.Fatal(err)
			}
			g = o.Guard
			sc = sc.Follow(o)
		}
		rec, stats, err := sc.Run(t.Context(), b, spike.Against(b.Target(g)), nil)
		if err != nil {
			t.Fatal(err)
		}
		f = spike.Analyze(rec, sc, stats)
		f.Contender = contender
		synctest.Wait()
	})
	return f
}

// bound is what a scenario must come to, as the median of three crowds.
type bound struct {
	what   string
	of     func(f, oracle *spike.Figures) float64
	lo, hi float64
}

// TestSimulated plays the crowds of the flashcrowd example in virtual time. The
// bounds are those of its -check, where the crowds are real; a simulator knows
// no scheduler and no network, and is a little kinder.
func TestSimulated(t *testing.T) {
	if raceEnabled {
		t.Skip("the same goroutines are raced elsewhere; here it would only be slow")
	}
	goodput := func(f, _ *spike.Figures) float64 { return float64(f.Goodput) }
	critical := func(f, _ *spike.Figures) float64 { return float64(f.Critical) }
	first := func(f, _ *spike.Figures) float64 { return float64(f.CriticalFirst) }
	p50 := func(f, _ *spike.Figures) float64 { return float64(f.P50) }
	criticalP99 := func(f, _ *spike.Figures) float64 { return float64(f.CriticalP99) }
	wasted := func(f, _ *spike.Figures) float64 { return float64(f.Wasted) }
	before := func(f, _ *spike.Figures) float64 { return float64(f.Before) }
	after := func(f, _ *spike.Figures) float64 { return float64(f.After) }
	settled := func(f, _ *spike.Figures) float64 { return float64(f.Settle) }
	recovered := func(f, _ *spike.Figures) float64 { return float64(f.Recover) }
	normal := func(f, o *spike.Figures) float64 { return float64(f.Normal - o.Normal) }
	journeys := func(f, o *spike.Figures) float64 { return float64(f.Journeys / o.Journeys) }
	behind := func(f, o *spike.Figures) float64 { return float64(o.Critical - f.Critical) }

	peak := []bound{
		{"goodput", goodput, 0.965, 1}, {"Critical", critical, 0.98, 1}, {"Critical, first second", first, 0.95, 1},
		{"p99 of Critical", criticalP99, 0, 1.25}, {"wasted", wasted, 0, 0.01}, {"journeys over the oracle's", journeys, 0.8, 9},
		{"settled after", settled, 0, 0.3}, {"recovered after", recovered, 0, 0.5}, {"before", before, 0.999, 1}, {"after", after, 0.95, 1},
	}
	for name, bounds := range map[string][]bound{
		"calm": {{"before", before, 1, 1}, {"after", after, 1, 1}, {"p50", p50, 0, 1.1}},
		"3x": {
			{"goodput", goodput, 0.975, 1}, {"Critical", critical, 0.995, 1}, {"Normal over the oracle's", normal, -0.03, 1},
			{"p50", p50, 0, 1.7}, {"journeys over the oracle's", journeys, 0.9, 9}, {"recovered after", recovered, 0, 0.5},
		},
		"10x": peak, "retries": peak,
		"flash": append([]bound{{"goodput", goodput, 0.95, 1}}, peak[1:]...),
		"cold": {
			{"goodput", goodput, 0.95, 1}, {"Critical", critical, 0.98, 1}, {"Critical, first second", first, 0.95, 1},
			{"p99 of Critical", criticalP99, 0, 1.4}, {"wasted", wasted, 0, 0.01}, {"recovered after", recovered, 0, 0.5},
		},
		"slower":  {{"goodput", goodput, 0.90, 1}, {"Critical", critical, 0.94, 1}, {"after", after, 0.9, 1}, {"recovered after", recovered, 0, 1}},
		"extreme": {{"goodput", goodput, 0.965, 1}, {"Critical behind the oracle's", behind, -1, 0.03}, {"wasted", wasted, 0, 0.01}},
	} {
		t.Run(name, func(t *testing.T) {
			var ours, oracles []spike.Figures
			for seed := range uint64(3) {
				sc := scenario(t, name, spike.ScenarioConfig{Seed: seed + 1})
				ours = append(ours, simulate(t, sc, "seawall", nil))
				oracles = append(oracles, simulate(t, sc, "oracle", nil))
			}
			f, o := spike.Median(ours), spike.Median(oracles)
			for _, b := range bounds {
				if v := b.of(&f, &o); !(v >= b.lo && v <= b.hi) {
					t.Errorf("%s is %.4f, want %.3f to %.3f", b.what, v, b.lo, b.hi)
				}
			}
			if t.Failed() || testing.Verbose() {
				t.Log("\n" + spike.Table([]spike.Figures{f, o}))
			}
		})
	}
}

// TestHarmlessInCalm: ten minutes of Poisson arrivals at 0.7 of the capacity,
// and not one refusal.
func TestHarmlessInCalm(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a hundred thousand requests")
	}
	sc := scenario(t, "calm", spike.ScenarioConfig{Duration: 10 * time.Minute})
	looks := 0
	simulate(t, sc, "seawall", func(s *shed.Shedder) {
		for range 10*60 - 1 {
			time.Sleep(time.Second)
			looks++
			for _, p := range s.Stats().Priorities {
				if p.Refused > 0 {
					t.Errorf("after %d s: %+v", looks, p)
					return
				}
			}
		}
	})
	if looks != 599 {
		t.Errorf("looked %d times", looks)
	}
}

// TestServesAgain: whatever happened, the load that was served before is served
// afterwards, and goes on being served. Refusals are counted over the last
// half minute, long after the crowd has gone.
func TestServesAgain(t *testing.T) {
	if raceEnabled {
		t.Skip("a simulation")
	}
	type at = map[time.Duration]func(*shed.Shedder)
	for name, tt := range map[string]struct {
		mean   time.Duration
		faults []spike.Fault
		do     at
	}{
		"250 ms":       {mean: 250 * time.Millisecond},
		"600 ms":       {mean: 600 * time.Millisecond},
		"2 s":          {mean: 2 * time.Second},
		"8x slower":    {mean: 80 * time.Millisecond, faults: []spike.Fault{{At: 25 * time.Second, For: 10 * time.Second, Kind: spike.FaultSlow, Value: 8}}},
		"hang":         {mean: 80 * time.Millisecond, faults: []spike.Fault{{At: 25 * time.Second, For: 10 * time.Second, Kind: spike.FaultHang}}},
		"pinned":       {mean: 250 * time.Millisecond, do: at{5 * time.Second: pin("4"), 35 * time.Second: pin("")}},
		"pinned, fast": {mean: 80 * time.Millisecond, do: at{5 * time.Second: pin("4"), 35 * time.Second: pin("")}},
		"slots return": {mean: 250 * time.Millisecond, faults: []spike.Fault{{At: 0, For: 25 * time.Second, Kind: spike.FaultCapacity, Value: 18}}},
	} {
		t.Run(name, func(t *testing.T) {
			backend := spike.BackendConfig{Service: spike.LogNormal(tt.mean, 0.6), Seed: 3}
			capacity := backend.Capacity()
			sc := spike.Scenario{
				Name: name, Title: name, Backend: backend, Faults: tt.faults,
				Load: spike.Load{
					Profile: spike.Step(0.7*capacity, 3*capacity, 20*time.Second, 20*time.Second), Duration: 3 * time.Minute,
					Seed: 5, Timeout: max(time.Second, 10*tt.mean),
				},
				Start: 20 * time.Second, End: 40 * time.Second,
			}
			var before, after uint64
			simulate(t, sc, "seawall", func(s *shed.Shedder) {
				refused := func() (n uint64) {
					for _, p := range s.Stats().Priorities {
						n += p.Refused
					}
					return n
				}
				for now := time.Second; now < 178*time.Second; now += time.Second {
					time.Sleep(time.Second)
					if do := tt.do[now]; do != nil {
						do(s)
					}
					if now == 148*time.Second {
						before = refused()
					}
				}
				after = refused()
			})
			if share := float64(after-before) / (30 * 0.7 * capacity); share > 0.01 {
				t.Errorf("%.1f %% of a calm load refused, two minutes after the crowd has gone", 100*share)
			}
		})
	}
}

func pin(limit string) func(*shed.Shedder) {
	return func(s *shed.Shedder) {
		if err := s.Override(context.Background(), seawall.Override{Control: "limit", Value: limit}); err != nil {
			panic(err)
		}
	}
}

// TestDryRunTellsTheTruth: at 1.5 times the capacity a third has no room, and a
// dry run says so although everybody was let in.
func TestDryRunTellsTheTruth(t *testing.T) {
	backend := spike.BackendConfig{Contention: -1, Seed: 2}
	capacity := backend.Capacity()
	sc := spike.Scenario{
		Name: "dry", Backend: backend, Start: 20 * time.Second, End: 24 * time.Second,
		Load: spike.Load{Profile: spike.Step(0.7*capacity, 1.5*capacity, 20*time.Second, 10*time.Second), Duration: 40 * time.Second, Seed: 4, Timeout: 5 * time.Second},
	}
	synctest.Test(t, func(t *testing.T) {
		b, s := seawall.Must(spike.NewBackend(backend)), start(t, shed.Config{DryRun: true})
		go func() {
			time.Sleep(19 * time.Second)
			if share := s.Stats().RefusedShare; share > 0.01 {
				t.Errorf("%.0f %% would be refused in calm", 100*share)
			}
			time.Sleep(4 * time.Second)
			if st := s.Stats(); st.RefusedShare < 0.18 || st.RefusedShare > 0.48 {
				t.Errorf("%.0f %% would be refused, want about 33: %+v", 100*st.RefusedShare, st)
			}
		}()
		if _, _, err := sc.Run(t.Context(), b, spike.Against(b.Target(guard(s))), nil); err != nil {
			t.Fatal(err)
		}
	})
}

func scenario(t *testing.T, name string, cfg spike.ScenarioConfig) spike.Scenario {
	t.Helper()
	all, err := spike.Scenarios(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range all {
		if sc.Name == name {
			return sc
		}
	}
	t.Fatalf("no scenario %s", name)
	return spike.Scenario{}
}
