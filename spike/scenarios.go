package spike

import (
	"fmt"
	"time"
)

// Calm is the load around a spike as a share of the capacity.
const Calm = 0.7

// ScenarioConfig sizes the scenarios. In all of them the clients wait for ten
// times the backend's mean service time, but at least a second: who asks a slow
// server expects it to be slow.
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

// stage is what the scenarios of one configuration have in common.
type stage struct {
	cfg               ScenarioConfig
	singles, journeys Mix

	part, start, end, hold time.Duration
	capacity, calm, peak   float64 // requests a second
}

func (cfg ScenarioConfig) stage() (*stage, error) {
	var err error
	if cfg.Backend, err = cfg.Backend.resolve(); err != nil {
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
	cfg.Backend.Seed = cfg.Seed
	st := &stage{cfg: cfg, capacity: cfg.Backend.Capacity()}
	st.singles, st.journeys = cfg.Mix.split()
	st.calm = Calm * st.capacity
	st.peak = cfg.Peak * st.calm
	st.lasts(4, 6, 4)
	return st, nil
}

// lasts sets the times of the spike in fourteenths of the configured duration:
// what is before it, the spike, and what is after it.
func (st *stage) lasts(before, spike, after time.Duration) {
	st.part = st.cfg.Duration / 14
	st.start, st.hold = before*st.part, spike*st.part //nolint:durationcheck // numbers of parts
	st.end = st.start + st.hold
	if before+spike+after != 14 {
		st.cfg.Duration = st.end + after*st.part //nolint:durationcheck // numbers of parts
	}
}

// scene is a scenario without faults.
func (st *stage) scene(name, title string, p Profile) Scenario {
	return Scenario{
		Name: name, Title: title, Backend: st.cfg.Backend,
		Load: Load{
			Profile: p, Duration: st.cfg.Duration, Seed: st.cfg.Seed,
			Mix: st.singles, Journeys: Journeys{Share: journeyShare, Mix: st.journeys},
			Timeout: max(defaultTimeout, 10*st.cfg.Backend.Service.Mean()),
		},
		WarmUp: 2 * st.part, Start: st.start, End: st.end,
	}
}

// step is a step to a rate for the time of the spike.
func (st *stage) step(rate float64) Profile { return Step(st.calm, rate, st.start, st.hold) }

// fault is one for the time of the spike.
func (st *stage) fault(kind FaultKind, value float64) []Fault {
	return []Fault{{At: st.start, For: st.hold, Kind: kind, Value: value}}
}

// high is the peak in words.
func (st *stage) high() string { return fmt.Sprintf("%gx", st.cfg.Peak) }

// Scenarios lists them: calm, 3x (three times the capacity; left out unless the
// peak is higher), the peak as a step, flash, retries, cold, slower and extreme
// (Peak times the capacity: with 10 and the usual mix there is as much Critical
// as can be served at all, and even the oracle loses one in twenty of it).
// [MoreScenarios] has others.
func Scenarios(cfg ScenarioConfig) ([]Scenario, error) {
	st, err := cfg.stage()
	if err != nil {
		return nil, err
	}
	high, step := st.high(), st.step(st.peak)
	retries := st.scene("retries", high+" the calm load, clients retry at once", step)
	retries.Load.Retries = Retries{Max: 2}
	slower := st.scene("slower", "backend 4x slower at 0.7x", Steady(st.calm))
	slower.Faults = st.fault(FaultSlow, 4)

	list := []Scenario{st.scene("calm", "steady 0.7x", Steady(st.calm))}
	if st.peak > 3*st.capacity {
		list = append(list, st.scene("3x", "step to 3x the capacity", st.step(3*st.capacity)))
	}
	list = append(list,
		st.scene(high, "step to "+high+" the calm load", step),
		st.scene("flash", "flash to "+high+" the calm load and back", Flash(st.calm, st.peak, st.start, st.part*3/2, st.part*7/2, st.part)),
		retries,
		st.scene("cold", "idle, then "+high+" the calm load", cold(st.calm, st.peak, st.start, st.hold)),
		slower,
		st.scene("extreme", "step to "+high+" the capacity", st.step(st.cfg.Peak*st.capacity)),
	)
	return valid(list)
}

// valid returns the list if all of it is.
func valid(list []Scenario) ([]Scenario, error) {
	for _, sc := range list {
		if err := sc.Validate(); err != nil {
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
