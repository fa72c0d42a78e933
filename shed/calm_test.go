package shed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// quietly plays a load that the backend can serve and returns how a Shedder of
// the default configuration stood at its end, and when the requests were due
// that did not succeed.
func quietly(t *testing.T, sc spike.Scenario) (st shed.Stats, lost []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, s := seawall.Must(spike.NewBackend(sc.Backend)), start(t, shed.Config{})
		rec, _, err := sc.Run(t.Context(), b, spike.Against(b.Target(guard(s))), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range rec.Samples {
			if sample.Outcome != spike.Success {
				lost = append(lost, sample.Intended)
			}
		}
		st = s.Stats()
		synctest.Wait() // handlers whose clients have gone
	})
	return st, lost
}

// steady is so much of the backend's capacity for so long.
func steady(b spike.BackendConfig, load float64, d time.Duration, faults []spike.Fault) spike.Scenario {
	b.Seed = 11
	return spike.Scenario{
		Name: "steady", Backend: b, Faults: faults, End: d,
		Load: spike.Load{
			Profile: spike.Steady(load * b.Capacity()), Duration: d, Seed: 7,
			// The slowest of a hundred thousand log-normal times is more than ten
			// times the mean.
			Timeout: max(2*time.Second, 20*service(b).Mean()),
		},
	}
}

func service(b spike.BackendConfig) spike.Service {
	if len(b.Service.Modes) == 0 {
		return spike.LogNormal(80*time.Millisecond, 0.6)
	}
	return b.Service
}

// pauses lets no work end for a while, every so often.
func pauses(every, each, until time.Duration) (all []spike.Fault) {
	for at := every; at+each < until; at += every {
		all = append(all, spike.Fault{At: at, For: each, Kind: spike.FaultHang})
	}
	return all
}

// harmless fails the test for each request that was not served.
func harmless(t *testing.T, sc spike.Scenario) {
	t.Helper()
	st, lost := quietly(t, sc)
	offered, refused := uint64(0), uint64(0)
	for _, p := range st.Priorities {
		offered += p.Offered
		refused += p.Refused
		if p.Refused > 0 {
			t.Errorf("%v: %d of %d refused: %d at the door, %d full, %d expired, %d left",
				p.Priority, p.Refused, p.Offered, p.Floored, p.Full, p.Expired, p.Left)
		}
	}
	if len(lost) > 0 {
		t.Errorf("%d of %d requests did not succeed, the first after %v, the last after %v", len(lost), offered, lost[0], lost[len(lost)-1])
	}
	if want := 0.9 * sc.Load.Profile.Peak() * sc.Load.Duration.Seconds(); float64(offered) < want {
		t.Errorf("only %d requests came, want about %.0f: nothing was tried", offered, want)
	}
	t.Logf("%d requests, %d refused; limit %d, %s, baseline %v", offered, refused, st.Limit, st.State, st.Baseline)
}

// TestHarmlessThroughPauses: a backend at a third of its load that stands still
// for a tenth of a second every few seconds, as one with a garbage collector,
// a checkpoint or a neighbour does, for ten minutes. The requests that come
// together meanwhile are no crowd.
func TestHarmlessThroughPauses(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("some hundred thousand requests")
	}
	const d = 10 * time.Minute
	bimodal := spike.Bimodal(5*time.Millisecond, 0.9, 200*time.Millisecond)
	for name, tt := range map[string]struct {
		backend spike.BackendConfig
		every   time.Duration
	}{
		"8 slots":              {spike.BackendConfig{Slots: 8, Service: bimodal}, 3 * time.Second},
		"8 slots, every 700ms": {spike.BackendConfig{Slots: 8, Service: bimodal}, 700 * time.Millisecond},
		"24 slots":             {spike.BackendConfig{Slots: 24, Service: bimodal}, 5 * time.Second},
		"24 slots of 80 ms":    {spike.BackendConfig{}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			harmless(t, steady(tt.backend, 0.3, d, pauses(tt.every, 100*time.Millisecond, d)))
		})
	}
}

// sizes are backends of all sizes. Nobody tells the Shedder which it has.
func sizes() map[string]spike.BackendConfig {
	return map[string]spike.BackendConfig{
		"4 slots":             {Slots: 4},
		"24 slots":            {Slots: 24},
		"100 slots":           {Slots: 100},
		"100 slots of 200 ms": {Slots: 100, Service: spike.LogNormal(200*time.Millisecond, 0.6)},
		"400 slots":           {Slots: 400},
	}
}

// TestHarmlessAtEverySize: at 0.7 of the capacity nobody is refused, whether
// that is four at once or four hundred. The load comes up within ten seconds.
func TestHarmlessAtEverySize(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("some hundred thousand requests")
	}
	for name, backend := range sizes() {
		t.Run(name, func(t *testing.T) {
			sc := steady(backend, 0.7, 2*time.Minute, nil)
			sc.Load.Profile = spike.Ramp(0, sc.Load.Profile.Peak(), 0, 10*time.Second)
			harmless(t, sc)
		})
	}
}

// TestStartsIntoTheLoad: a process that is started into more at once than the
// first limit, which knows nothing of the backend yet, refuses some at first.
// Below that limit it refuses nobody here either.
// The limit doubles about once in two service times.
func TestStartsIntoTheLoad(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("some hundred thousand requests")
	}
	for name, backend := range sizes() {
		t.Run(name, func(t *testing.T) {
			sc := steady(backend, 0.7, 20*time.Second, nil)
			_, lost := quietly(t, sc)
			if len(lost) == 0 {
				return
			}
			t.Logf("%d lost, the last after %v", len(lost), lost[len(lost)-1])
			if backend.Slots < shed.FirstLimit {
				t.Errorf("%d requests were lost although the first limit has room for them", len(lost))
			}
			all := 0.7 * backend.Capacity() * 20
			if share := float64(len(lost)) / all; share > 0.05 {
				t.Errorf("%.0f %% of the requests of the first 20 s were lost, the last after %v", 100*share, lost[len(lost)-1])
			}
		})
	}
}
