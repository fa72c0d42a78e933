package spike

import (
	"context"
	"errors"
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

	oracle *Oracle // see Follow
}

// Follow returns the scenario with an oracle that Run tells how many slots the
// backend has, whenever a FaultCapacity comes or goes: it is to know the truth.
// A nil oracle is none.
//
//	rec, stats, err := sc.Follow(oracle).Run(ctx, backend, runner, nil)
func (sc Scenario) Follow(o *Oracle) Scenario {
	sc.oracle = o
	return sc
}

// CapacityAt returns the requests a second that the backend can serve at a time
// from the start of the run, with the faults of the moment; 0 when the backend's
// configuration is wrong.
func (sc Scenario) CapacityAt(at time.Duration) float64 {
	share := 1.0
	for _, ill := range illnesses(sc) {
		if ill.from <= at {
			share = ill.share
		}
	}
	return share * sc.Backend.Capacity()
}

// Validate says what is wrong with the scenario.
func (sc Scenario) Validate() error {
	if err := sc.Load.Validate(); err != nil {
		return err
	}
	if err := sc.Backend.Validate(); err != nil {
		return err
	}
	// One route on three modes would mean that the capacity is anybody's guess.
	if routes, modes := len(sc.Load.Routes), len(sc.Backend.Service.Modes); routes > 0 && modes > 1 && routes != modes {
		return badf("Load.Routes", "as many as Backend.Service.Modes (%d)", routes, modes)
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
	var before, after BackendStats
	rec, err := sc.play(ctx, run, progress, b.Drain,
		func(ctx context.Context) error { before, after = b.between(ctx, sc.Start, sc.End); return nil },
		func(ctx context.Context) error { return b.runFaults(ctx, sc.Faults, func() { sc.tell(b) }) },
	)
	return rec, after.Sub(before), err
}

// RunServer is Run against a server in a process of its own, usually with
// InChild(s.URL()); sc.Backend is then what the server is known to be, see
// [OneQueue]. A scenario with faults is refused: the server has none.
func (sc Scenario) RunServer(ctx context.Context, s *Server, run Runner, progress func(Progress)) (*Record, ServerStats, error) {
	if err := sc.Validate(); err != nil {
		return nil, ServerStats{}, err
	}
	if len(sc.Faults) > 0 {
		return nil, ServerStats{}, badf("Faults", "none against a server process", len(sc.Faults))
	}
	if s == nil || run == nil {
		return nil, ServerStats{}, errors.New("seawall/spike: server and runner must not be nil")
	}
	var before, after ServerStats
	nothing := func(context.Context) error { return nil }
	rec, err := sc.play(ctx, run, progress, nothing, func(ctx context.Context) (err error) {
		start := time.Now()
		if sleep(ctx, sc.Start) != nil { // the run has failed, and says why
			return nil //nolint:nilerr // see above
		}
		if before, err = s.Stats(ctx); err != nil {
			return err
		}
		if sleep(ctx, time.Until(start.Add(sc.End))) != nil {
			return nil //nolint:nilerr // see above
		}
		after, err = s.Stats(ctx)
		return err
	})
	return rec, after.Sub(before), err
}

// play runs the load and what goes on beside it from its start on, which the end
// of ctx, or of a run that fails, cancels; after a run that does not, then comes
// last.
func (sc Scenario) play(
	ctx context.Context, run Runner, progress func(Progress),
	then func(context.Context) error, beside ...func(context.Context) error,
) (*Record, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		once sync.Once
		errs = make([]error, len(beside))
	)
	rec, err := run(ctx, sc.Load, func(p Progress) {
		once.Do(func() {
			for i, f := range beside {
				wg.Go(func() { errs[i] = f(ctx) })
			}
		})
		if progress != nil {
			progress(p)
		}
	})
	if err != nil {
		cancel()
	}
	wg.Wait()
	if err != nil {
		return rec, err
	}
	return rec, errors.Join(errors.Join(errs...), then(ctx))
}

// tell tells the oracle, if there is one, how many slots are left.
func (sc Scenario) tell(b *Backend) {
	if sc.oracle == nil {
		return
	}
	b.mu.Lock()
	slots := b.slots()
	b.mu.Unlock()
	sc.oracle.SetSlots(slots)
}

// between returns the counters at two times from now, or as far as ctx lets it.
func (b *Backend) between(ctx context.Context, start, end time.Duration) (before, after BackendStats) {
	now := time.Now()
	_ = sleep(ctx, start)
	before = b.Stats()
	_ = sleep(ctx, time.Until(now.Add(end)))
	return before, b.Stats()
}
