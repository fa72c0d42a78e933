package spike

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func names(all []Scenario) string {
	var list []string
	for _, sc := range all {
		list = append(list, sc.Name)
	}
	return strings.Join(list, " ")
}

func TestScenarios(t *testing.T) {
	all, err := Scenarios(ScenarioConfig{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(all); got != "calm 3x 10x flash retries cold slower extreme" {
		t.Errorf("got %s", got)
	}
	for _, sc := range all {
		if err := sc.Validate(); err != nil {
			t.Errorf("%s: %v", sc.Name, err)
		}
		if sc.Title == "" || sc.Load.Seed != 9 || sc.Backend.Seed != 9 || sc.Load.Duration != 14*sec {
			t.Errorf("got %+v", sc)
		}
		if sc.WarmUp != 2*sec || sc.Start != 4*sec || sc.End != 10*sec {
			t.Errorf("%s: warm-up %v, spike from %v to %v", sc.Name, sc.WarmUp, sc.Start, sc.End)
		}
		mid, calm := 7*sec, 210.0
		want := map[string]float64{"calm": calm, "3x": 900, "10x": 2100, "flash": 2100, "retries": 2100, "cold": 2100, "slower": calm, "extreme": 3000}[sc.Name]
		if got := sc.Load.Profile.Rate(mid); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %v requests a second in the middle, want %v", sc.Name, got, want)
		}
		if sc.Name == "cold" {
			calm = 0
		}
		if got := sc.Load.Profile.Rate(3 * sec); math.Abs(got-calm) > 1e-6 {
			t.Errorf("%s: %v requests a second before, want %v", sc.Name, got, calm)
		}
		if got := sc.Load.Profile.Rate(12 * sec); math.Abs(got-210) > 1e-6 {
			t.Errorf("%s: %v requests a second afterwards, want 210", sc.Name, got)
		}
		// The example reads and writes them.
		data, err := json.Marshal(sc)
		var back Scenario
		if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(back, sc) {
			t.Errorf("%s does not survive JSON: %v", sc.Name, err)
		}
	}
}

func TestScenariosScale(t *testing.T) {
	all, err := Scenarios(ScenarioConfig{
		Backend: BackendConfig{Slots: 8, Service: Bimodal(5*ms, 0.9, 200*ms)}, Peak: 2.5, Duration: 7 * sec,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(all); got != "calm 2.5x flash retries cold slower extreme" {
		t.Errorf("got %s", got)
	}
	if sc := all[1]; sc.Start != 2*sec || sc.End != 5*sec || math.Abs(sc.Load.Profile.Peak()-2.5*0.7*8/0.0245) > 0.01 {
		t.Errorf("got %+v", sc)
	}
	for want, cfg := range map[string]ScenarioConfig{
		"Peak must be above 1.5 and at most 1000 (got 1)":     {Peak: 1},
		"Peak must be above 1.5 and at most 1000 (got NaN)":   {Peak: math.NaN()},
		"Duration must be between 1s and 24h0m0s (got 999ms)": {Duration: 999 * ms},
		"Slots must be between":                               {Backend: BackendConfig{Slots: -1}},
		"Mix.Normal must be between":                          {Mix: Mix{Normal: -1}},
		"Profile.Points[0].Rate must be between 0 and 1e+06":  {Backend: BackendConfig{Slots: 1_000_000}},
	} {
		if _, err := Scenarios(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
	}
}

// TestScenarioTimeout: patience grows with the work, but is never below 1 s.
func TestScenarioTimeout(t *testing.T) {
	for mean, want := range map[time.Duration]time.Duration{
		5 * ms: sec, 80 * ms: sec, 100 * ms: sec, 250 * ms: 2500 * ms, time.Minute: 10 * time.Minute,
	} {
		cfg := ScenarioConfig{Backend: BackendConfig{Service: LogNormal(mean, 0.6)}}
		all, err := Scenarios(cfg)
		if err != nil {
			t.Fatal(err)
		}
		more, err := MoreScenarios(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range append(all, more...) {
			if sc.Load.Timeout != want {
				t.Errorf("%s: clients wait %v for work of %v, want %v", sc.Name, sc.Load.Timeout, mean, want)
			}
		}
	}
}

func TestScenarioValidate(t *testing.T) {
	for want, change := range map[string]func(*Scenario){
		"Profile.Points":                func(sc *Scenario) { sc.Load = Load{} },
		"Slots must be":                 func(sc *Scenario) { sc.Backend.Slots = -1 },
		"Fault.Kind":                    func(sc *Scenario) { sc.Faults = []Fault{{For: 1}} },
		"WarmUp must be between":        func(sc *Scenario) { sc.WarmUp = time.Hour },
		"End must be after Start (2s)":  func(sc *Scenario) { sc.End = sc.Start },
		"within the load (6s) (got 7s)": func(sc *Scenario) { sc.End = 7 * sec },
	} {
		sc := plain()
		change(&sc)
		if err := sc.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ...%s...", err, want)
		}
		if _, _, err := sc.Run(t.Context(), bench(t, 1, ms), Against(instant), nil); err == nil {
			t.Errorf("Run plays what Validate refuses: %s", want)
		}
	}
	if _, _, err := plain().Run(t.Context(), nil, Against(instant), nil); err == nil {
		t.Error("Run plays without a backend")
	}
	if _, _, err := plain().Run(t.Context(), bench(t, 1, ms), nil, nil); err == nil {
		t.Error("Run plays without a runner")
	}
}

// TestScenarioRun: the faults come on time, the backend's figures are those of
// the spike, and all work has ended.
func TestScenarioRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := plain()
		sc.Load.Profile = Steady(50)
		sc.Load.Users = 10
		sc.Load.Timeout = 150 * ms
		sc.Faults = []Fault{{2 * sec, 2 * sec, FaultSlow, 2, 0}}
		b := bench(t, 10, 100*ms)
		reports := 0
		rec, stats, err := sc.Run(t.Context(), b, Against(b.Target(nil)), func(Progress) { reports++ })
		if err != nil {
			t.Fatal(err)
		}
		// In the spike it is 200 ms of work for clients that wait for 150.
		if f := Analyze(rec, sc, stats); f.Before < 0.95 || f.Success > 0.05 || f.After < 0.8 || f.Wasted < 0.8 {
			t.Errorf("before %v, in the spike %v, after %v, wasted %v", f.Before, f.Success, f.After, f.Wasted)
		}
		if stats.Served < 60 || stats.Served > 140 {
			t.Errorf("in the spike %+v", stats)
		}
		if s := b.Stats(); s.InService+s.Waiting != 0 || s.Served < stats.Served+100 {
			t.Errorf("in the end %+v", s)
		}
		if reports < 30 {
			t.Errorf("%d reports", reports)
		}
	})
}

func TestScenarioRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := plain()
		sc.Faults = []Fault{{0, time.Hour, FaultHang, 0, 0}}
		b := bench(t, 10, 100*ms)
		ctx, cancel := context.WithTimeout(t.Context(), 3*sec)
		defer cancel()
		rec, _, err := sc.Run(ctx, b, Against(b.Target(nil)), nil)
		if !errors.Is(err, context.DeadlineExceeded) || rec == nil {
			t.Errorf("got %v, %v", rec, err)
		}
		// The hang is over, and so is the work that hung.
		if err := b.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestScenarioRunnerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("no")
		for _, reports := range []int{0, 2} {
			start := time.Now()
			_, _, err := plain().Run(t.Context(), bench(t, 1, ms), func(_ context.Context, _ Load, p func(Progress)) (*Record, error) {
				for range reports {
					p(Progress{})
				}
				return nil, why
			}, nil)
			if err != why || time.Since(start) != 0 {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		}
	})
}

func TestInChild(t *testing.T) {
	sc := scenario(t, "slower", ScenarioConfig{Backend: BackendConfig{Slots: 4, Service: Constant(20 * ms)}, Duration: sec})
	b, err := NewBackend(sc.Backend)
	if err != nil {
		t.Fatal(err)
	}
	srv := server(t, b.Handler().ServeHTTP)
	rec, stats, err := sc.Run(t.Context(), b, InChild(srv.URL), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := outcomes(rec); n[Success] == 0 || n[Failed] > 0 || stats.Served == 0 {
		t.Errorf("outcomes %v, backend %+v", n, stats)
	}
}
