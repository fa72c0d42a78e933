package shed_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// site is Shedders in front of backends, outermost first, and who is asked.
type site struct {
	target   spike.Target
	backends []*spike.Backend
	shedders []*shed.Shedder
}

// house builds one.
type house func(*testing.T, spike.BackendConfig) *site

func (s *site) slots(t *testing.T, cfg spike.BackendConfig) http.Handler {
	t.Helper()
	b, err := spike.NewBackend(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.backends = append(s.backends, b)
	return b.Handler()
}

// guard puts a Shedder that knows nothing in front of next.
func (s *site) guard(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	one := start(t, shed.Config{Classify: func(r *http.Request) seawall.Class {
		return seawall.Class{Priority: spike.PriorityFromPath(r), User: seawall.ID(spike.UserFromCookie(r))}
	}})
	s.shedders = append([]*shed.Shedder{one}, s.shedders...)
	return one.Middleware(next)
}

// one is a Shedder in front of a backend.
func one(t *testing.T, cfg spike.BackendConfig) *site {
	var s site
	s.target = spike.HandlerTarget(s.guard(t, s.slots(t, cfg)), nil)
	return &s
}

// away is a network: so long there, and as long back.
func away(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(d)
		next.ServeHTTP(w, r)
		time.Sleep(d)
	})
}

// series is a Shedder in front of a service that has one of its own, such as a
// gateway that passes on what that service answers, 10 ms away.
func series(t *testing.T, cfg spike.BackendConfig) *site {
	var s site
	service := s.guard(t, s.slots(t, cfg))
	s.target = spike.HandlerTarget(s.guard(t, away(10*time.Millisecond, service)), nil)
	return &s
}

// shared is the same, when half of the users ask the service straight: the
// gateway sees refusals that it has not made and cannot foresee.
func shared(t *testing.T, cfg spike.BackendConfig) *site {
	var s site
	service := s.guard(t, s.slots(t, cfg))
	straight := spike.HandlerTarget(service, nil)
	gateway := spike.HandlerTarget(s.guard(t, away(10*time.Millisecond, service)), nil)
	s.target = func(ctx context.Context, r *spike.Request) spike.Outcome {
		if r.User%2 == 0 {
			return straight(ctx, r)
		}
		return gateway(ctx, r)
	}
	return &s
}

// balanced is three instances of a third of the slots each, a Shedder in front
// of each, asked in turn. They know nothing of one another.
func balanced(t *testing.T, cfg spike.BackendConfig) *site {
	const n = 3
	var (
		s       site
		targets [n]spike.Target
		turn    atomic.Uint64
	)
	cfg.Slots /= n
	for i := range targets {
		cfg.Seed += 100
		targets[i] = spike.HandlerTarget(s.guard(t, s.slots(t, cfg)), nil)
	}
	s.target = func(ctx context.Context, r *spike.Request) spike.Outcome {
		return targets[turn.Add(1)%n](ctx, r)
	}
	return &s
}

// told is the oracle, who knows the capacity.
func told(t *testing.T, cfg spike.BackendConfig) *site {
	var s site
	o := seawall.Must(spike.NewOracle(spike.OracleConfig{Slots: cfg.Slots}))
	s.target = spike.HandlerTarget(o.Middleware(nil, nil)(s.slots(t, cfg)), nil)
	return &s
}

// visit plays a scenario against a house. Faults befall all its backends;
// Wasted is that of the first, and those behind a balancer are alike.
func visit(t *testing.T, sc spike.Scenario, h house) (f spike.Figures, refused []uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := h(t, sc.Backend)
		var others sync.WaitGroup
		run := func(ctx context.Context, l spike.Load, progress func(spike.Progress)) (*spike.Record, error) {
			for _, b := range s.backends[1:] {
				others.Go(func() {
					if err := b.RunFaults(ctx, sc.Faults); err != nil {
						t.Error(err)
					}
				})
			}
			return l.Run(ctx, s.target, progress)
		}
		rec, stats, err := sc.Run(t.Context(), s.backends[0], run, nil)
		if err != nil {
			t.Fatal(err)
		}
		others.Wait()
		f = spike.Analyze(rec, sc, stats)
		synctest.Wait()
		for _, one := range s.shedders {
			n := uint64(0)
			for _, p := range one.Stats().Priorities {
				n += p.Refused
			}
			refused = append(refused, n)
		}
	})
	return f, refused
}

// visits is the median of seven crowds.
func visits(t *testing.T, scene, contender string, cfg spike.BackendConfig, h house) spike.Figures {
	t.Helper()
	var all []spike.Figures
	for seed := range uint64(7) {
		f, refused := visit(t, scenario(t, scene, spike.ScenarioConfig{Backend: cfg, Seed: seed + 1}), h)
		all = append(all, f)
		if len(refused) > 1 {
			t.Logf("%s: refused by each Shedder, outermost first: %d", contender, refused)
		}
	}
	f := spike.Median(all)
	f.Contender = contender
	return f
}

// compare plays scenarios against houses, and beside them one Shedder in front
// of all the slots. Who reads along sees the oracle, too. SEAWALL_LONG=1 plays all.
func compare(t *testing.T, cfg spike.BackendConfig, houses map[string]house, scenes ...string) {
	if raceEnabled || testing.Short() {
		t.Skip("simulations")
	}
	if os.Getenv("SEAWALL_LONG") == "" {
		scenes = slices.DeleteFunc(scenes, func(s string) bool { return s == "calm" || s == "10x" })
	}
	for _, scene := range scenes {
		t.Run(scene, func(t *testing.T) {
			single := visits(t, scene, "single", cfg, one)
			table := []spike.Figures{single}
			if testing.Verbose() {
				table = append(table, visits(t, scene, "oracle", cfg, told))
			}
			for name, h := range houses {
				f := visits(t, scene, name, cfg, h)
				table = append(table, f)
				asGood(t, &f, &single)
			}
			t.Log("\n" + spike.Table(table))
		})
	}
}

// asGood fails the test where f is worse than one Shedder alone.
func asGood(t *testing.T, f, single *spike.Figures) {
	t.Helper()
	if f.Scenario == "calm" {
		if f.Before < 1 || f.Success < 1 || f.After < 1 {
			t.Errorf("%s: in calm %.4f, %.4f and %.4f succeed, want all", f.Contender, f.Before, f.Success, f.After)
		}
		return
	}
	if f.Goodput < 0.95*single.Goodput {
		t.Errorf("%s: goodput is %.3f, want at least 0.95 of the single one's %.3f", f.Contender, f.Goodput, single.Goodput)
	}
	if f.Critical < single.Critical-0.015 {
		t.Errorf("%s: Critical is %.3f, want that of the single one, %.3f, or 1.5 points less", f.Contender, f.Critical, single.Critical)
	}
	// Before the spike: they start into the load, see TestStartsIntoTheLoad.
	if f.Before < 0.99 || f.After < single.After-0.03 {
		t.Errorf("%s: %.4f succeed before the spike and %.4f after it", f.Contender, f.Before, f.After)
	}
	if !(f.Recover <= max(1, single.Recover+0.5)) {
		t.Errorf("%s: recovered after %.1f s, the single one after %.1f", f.Contender, f.Recover, single.Recover)
	}
}

// TestInSeries: a Shedder before a service that sheds does not take the
// refusals of that one for work done quickly, and is no worse than one alone.
func TestInSeries(t *testing.T) {
	houses := map[string]house{"series": series, "shared": shared}
	t.Run("24 slots", func(t *testing.T) { compare(t, spike.BackendConfig{}, houses, "calm", "3x", "10x", "slower") })
	t.Run("100 slots", func(t *testing.T) { compare(t, spike.BackendConfig{Slots: 100}, houses, "3x", "slower") })
}

// TestBehindABalancer: three instances find their capacities without knowing
// one another, and do together what one would do.
func TestBehindABalancer(t *testing.T) {
	compare(t, spike.BackendConfig{Slots: 72}, map[string]house{"balanced": balanced}, "calm", "3x", "10x", "slower")
}

// TestSeriesRecovers: a long crowd, and the inner house loses half of its slots
// in the middle of it. Two laws that watch one another must not swing: the
// goodput of each second after the loss has been found stays high.
func TestSeriesRecovers(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("simulations")
	}
	cfg := spike.BackendConfig{Seed: 9}
	capacity := cfg.Capacity()
	sc := spike.Scenario{
		Name: "half", Title: "half the slots lost in a long crowd", Backend: cfg,
		Faults: []spike.Fault{{At: 30 * time.Second, For: 30 * time.Second, Kind: spike.FaultCapacity, Value: 12}},
		Load: spike.Load{
			Profile: spike.Step(0.7*capacity, 3*capacity, 10*time.Second, 80*time.Second), Duration: 110 * time.Second, Seed: 3,
		},
		WarmUp: 5 * time.Second, Start: 10 * time.Second, End: 90 * time.Second,
	}
	f, refused := visit(t, sc, series)
	single, _ := visit(t, sc, one)
	f.Contender, single.Contender = "series", "single"
	t.Logf("refused by each: %d\n%s", refused, spike.Table([]spike.Figures{f, single}))
	if f.Goodput < 0.95*single.Goodput {
		t.Errorf("goodput is %.3f, want at least 0.95 of the single one's %.3f", f.Goodput, single.Goodput)
	}
	if !(f.Recover <= 1) || f.After < 0.99 {
		t.Errorf("recovered after %.1f s, and %.3f succeed then", f.Recover, f.After)
	}
}
