package spike

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Scenario is a load, a backend, and what goes wrong with it.
type Scenario struct {
	// Name is short (calm, 3x, 10x, flash, retries, cold, slower); Title says in
	// a few words what happens.
	Name  string `json:"name"`
	Title string `json:"title"`

	Load    Load          `json:"load"`
	Backend BackendConfig `json:"backend"`
	// Faults of the backend, from the start of the run.
	Faults []Fault `json:"faults,omitempty"`

	// WarmUp is left out of every figure. The spike, or what the scenario has in
	// its place, is from Start to End.
	WarmUp time.Duration `json:"warm_up_ns"`
	Start  time.Duration `json:"start_ns"`
	End    time.Duration `json:"end_ns"`
}

// Calm is the load around a spike as a share of the capacity.
const Calm = 0.7

// ScenarioConfig sizes the scenarios.
type ScenarioConfig struct {
	// Backend is who is met with them.
	Backend BackendConfig
	// Peak is the height of the spike in multiples of the calm load, above 1.5:
	// ten times a calm day is seven times the capacity. Default 10.
	Peak float64
	// Mix of the whole load. Default 10 % Critical, 50 % Normal, 40 % Sheddable.
	// The journeys, a tenth of it, are Normal, if that is large enough.
	Mix Mix
	// Duration of each scenario: 4/14 before the spike, 6/14 spike, 4/14 after.
	// Default 14 s.
	Duration time.Duration
	// Seed of load and backend.
	Seed uint64
}

// Scenarios lists them: calm, 3x (three times the capacity; left out unless the
// peak is higher), the peak as a step, flash, retries, cold, slower and extreme
// (Peak times the capacity: with 10 and the usual mix there is as much Critical
// as can be served at all, and even the oracle loses one in twenty of it).
func Scenarios(cfg ScenarioConfig) ([]Scenario, error) {
	backend, err := cfg.Backend.resolve()
	if err != nil {
		return nil, err
	}
	if cfg.Peak == 0 {
		cfg.Peak = 10
	}
	if !finite(cfg.Peak) || cfg.Peak <= 1.5 || cfg.Peak > 1000 {
		return nil, badf("Peak", "above 1.5 and at most 1000", cfg.Peak)
	}
	if cfg.Duration == 0 {
		cfg.Duration = 14 * time.Second
	}
	if cfg.Duration < time.Second || cfg.Duration > maxDuration {
		return nil, badf("Duration", "between 1s and %v", cfg.Duration, maxDuration)
	}
	backend.Seed = cfg.Seed
	part := cfg.Duration / 14
	start, end, hold := 4*part, 10*part, 6*part
	capacity := backend.Capacity()
	calm := Calm * capacity
	peak := cfg.Peak * calm
	singles, journeys := cfg.Mix.split()
	scene := func(name, title string, p Profile) Scenario {
		return Scenario{
			Name: name, Title: title, Backend: backend,
			Load: Load{
				Profile: p, Duration: cfg.Duration, Seed: cfg.Seed,
				Mix: singles, Journeys: Journeys{Share: journeyShare, Mix: journeys},
			},
			WarmUp: 2 * part, Start: start, End: end,
		}
	}
	high := fmt.Sprintf("%gx", cfg.Peak)
	step := Step(calm, peak, start, hold)
	retries := scene("retries", high+" the calm load, clients retry at once", step)
	retries.Load.Retries = Retries{Max: 2}
	slower := scene("slower", "backend 4x slower at 0.7x", Steady(calm))
	slower.Faults = []Fault{{At: start, For: hold, Kind: FaultSlow, Value: 4}}

	list := []Scenario{scene("calm", "steady 0.7x", Steady(calm))}
	if peak > 3*capacity {
		list = append(list, scene("3x", "step to 3x the capacity", Step(calm, 3*capacity, start, hold)))
	}
	list = append(list,
		scene(high, "step to "+high+" the calm load", step),
		scene("flash", "flash to "+high+" the calm load and back", Flash(calm, peak, start, part*3/2, part*7/2, part)),
		retries,
		scene("cold", "idle, then "+high+" the calm load", cold(calm, peak, start, hold)),
		slower,
		scene("extreme", "step to "+high+" the capacity", Step(calm, cfg.Peak*capacity, start, hold)),
	)
	for _, sc := range list {
		if err := sc.Load.Validate(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// journeyShare is the share of the load that comes in journeys.
const journeyShare = 0.1

// split divides a mix into that of single requests and that of journeys, so
// that together they are the mix. People on a journey browse and buy: Normal.
func (m Mix) split() (singles, journeys Mix) {
	if m == (Mix{}) {
		m = Mix{Critical: 0.1, Normal: 0.5, Sheddable: 0.4}
	}
	inJourneys := journeyShare * (m.Critical + m.Normal + m.Sheddable + m.Background)
	if !(m.Normal > inJourneys) {
		return m, m
	}
	singles = m
	singles.Normal -= inJourneys
	return singles, Mix{Normal: 1}
}

func cold(calm, peak float64, at, hold time.Duration) Profile {
	p := Step(0, peak, at, hold)
	p.Points[len(p.Points)-1].Rate = calm
	return p
}

// Validate says what is wrong with the scenario.
func (sc Scenario) Validate() error {
	if err := sc.Load.Validate(); err != nil {
		return err
	}
	if err := sc.Backend.Validate(); err != nil {
		return err
	}
	for _, f := range sc.Faults {
		if err := f.Validate(); err != nil {
			return err
		}
	}
	if sc.WarmUp < 0 || sc.WarmUp > sc.Start {
		return badf("WarmUp", "between 0 and Start (%v)", sc.WarmUp, sc.Start)
	}
	if sc.Start < 0 || sc.End <= sc.Start || sc.End > sc.Load.Duration {
		return badf("End", "after Start (%v) and within the load (%v)", sc.End, sc.Start, sc.Load.Duration)
	}
	return nil
}

// Runner runs a load: in this process ([Against]) or in a child ([InChild]).
type Runner func(ctx context.Context, l Load, progress func(Progress)) (*Record, error)

// Against runs loads in this process.
func Against(t Target) Runner {
	return func(ctx context.Context, l Load, progress func(Progress)) (*Record, error) {
		return l.Run(ctx, t, progress)
	}
}

// InChild runs loads against a URL from a child process; see [RunChild].
func InChild(url string) Runner {
	return func(ctx context.Context, l Load, progress func(Progress)) (*Record, error) {
		return RunChild(ctx, l, url, progress)
	}
}

// Run plays the scenario: it runs the load, makes the backend ill on time, and
// waits until the backend has ended all work, and returns the record and what
// the backend did between Start and End. b should have been made from
// sc.Backend and be idle. progress may be nil.
func (sc Scenario) Run(ctx context.Context, b *Backend, run Runner, progress func(Progress)) (*Record, BackendStats, error) {
	if err := sc.Validate(); err != nil {
		return nil, BackendStats{}, err
	}
	if b == nil || run == nil {
		return nil, BackendStats{}, errors.New("seawall/spike: backend and runner must not be nil")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg             sync.WaitGroup
		once           sync.Once
		before, after  BackendStats
		faultErr       error
		watch          = func() { before, after = b.between(ctx, sc.Start, sc.End) }
		makeIll        = func() { faultErr = b.RunFaults(ctx, sc.Faults) }
		startedReports = func(p Progress) {
			once.Do(func() { wg.Go(watch); wg.Go(makeIll) })
			if progress != nil {
				progress(p)
			}
		}
	)
	rec, err := run(ctx, sc.Load, startedReports)
	if err != nil {
		cancel()
	}
	wg.Wait()
	if err == nil {
		err = errors.Join(faultErr, b.Drain(ctx))
	}
	return rec, after.Sub(before), err
}

// between returns the counters at two times from now, or as far as ctx lets it.
func (b *Backend) between(ctx context.Context, start, end time.Duration) (before, after BackendStats) {
	now := time.Now()
	_ = sleep(ctx, start)
	before = b.Stats()
	_ = sleep(ctx, time.Until(now.Add(end)))
	return before, b.Stats()
}
