package spike

import (
	"math"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// hand makes records by hand.
type hand struct{ rec Record }

// add records n requests, evenly from one time until before another.
func (h *hand) add(n int, from, to time.Duration, s Sample) {
	for i := range n {
		s.ID = uint64(len(h.rec.Samples))
		s.Intended = from + time.Duration(i)*(to-from)/time.Duration(n)
		if s.Attempts == 0 && s.Outcome != Dropped {
			s.Attempts = 1
		}
		h.rec.Samples = append(h.rec.Samples, s)
		h.rec.Attempts += uint64(s.Attempts)
	}
}

// plain is a scenario of 100 requests a second that can be served at most, with
// a spike from 2 s to 4 s of a run of 6 s.
func plain() Scenario {
	return Scenario{
		Name:    "plain",
		Load:    Load{Profile: Steady(1), Duration: 6 * sec, Journeys: Journeys{Length: 3}},
		Backend: BackendConfig{Slots: 10, Service: Constant(100 * ms)},
		WarmUp:  sec, Start: 2 * sec, End: 4 * sec,
	}
}

func is(t *testing.T, what string, got Number, want float64) {
	t.Helper()
	same := math.Abs(float64(got)-want) < 1e-9 || float64(got) == want || (math.IsNaN(float64(got)) && math.IsNaN(want))
	if !same {
		t.Errorf("%s is %v, want %v", what, float64(got), want)
	}
}

var (
	nan   = math.NaN()
	never = math.Inf(1)
)

func TestAnalyzeSuccess(t *testing.T) {
	var h hand
	h.add(50, 0, sec, Sample{Outcome: Failed})                                     // warm-up
	h.add(80, sec, 2*sec, Sample{Latency: 100 * ms})                               // before
	h.add(20, sec, 2*sec, Sample{Outcome: Rejected})                               //
	h.add(10, 2*sec, 3*sec, Sample{Priority: seawall.Critical, Latency: 200 * ms}) // in the spike
	h.add(10, 3*sec, 4*sec, Sample{Priority: seawall.Critical, Outcome: TimedOut})
	h.add(30, 2*sec, 4*sec, Sample{Latency: 100 * ms})
	h.add(30, 2*sec, 4*sec, Sample{Outcome: Failed})
	h.add(20, 2*sec, 4*sec, Sample{Priority: seawall.Sheddable, Outcome: Dropped})
	h.add(99, 4*sec, 6*sec, Sample{Latency: 100 * ms}) // after
	h.add(1, 4*sec, 6*sec, Sample{Outcome: Failed})
	h.rec.Dropped, h.rec.CPU, h.rec.Elapsed = 25, 3*sec, 6*sec
	h.rec.Load = plain().Load
	f := Analyze(&h.rec, plain(), BackendStats{Busy: 10 * sec, Wasted: 4 * sec})
	for _, tt := range []struct {
		what string
		got  Number
		want float64
	}{
		{"before", f.Before, 0.8}, {"after", f.After, 0.99}, {"success", f.Success, 0.4},
		{"critical", f.Critical, 0.5}, {"critical first", f.CriticalFirst, 1}, {"normal", f.Normal, 0.5},
		{"sheddable", f.Sheddable, 0}, {"background", f.Background, nan},
		{"p50", f.P50, 1}, {"p99", f.P99, 2}, {"critical p99", f.CriticalP99, 2},
		{"wasted", f.Wasted, 0.4}, {"dropped", f.Dropped, 25}, {"cpu", f.CPU, 0.5}, {"journeys", f.Journeys, nan},
		{"requests", f.Requests, 350}, {"attempts", f.Attempts, 330}, {"lag", f.LagP99, 0},
	} {
		is(t, tt.what, tt.got, tt.want)
	}
	if f.Scenario != "plain" {
		t.Errorf("scenario %q", f.Scenario)
	}
}

func TestAnalyzeNothing(t *testing.T) {
	f := Analyze(&Record{}, plain(), BackendStats{})
	for _, r := range rows {
		v := float64(*r.of(&f))
		switch r.label {
		case "requests", "attempts", "dropped by the generator", "send lag p99":
			is(t, r.label, Number(v), 0)
		case "80 % of the possible after":
			is(t, r.label, Number(v), never)
		default:
			is(t, r.label, Number(v), nan)
		}
	}
}

func TestAnalyzeGoodput(t *testing.T) {
	for _, tt := range []struct {
		name string
		fill func(*hand)
		want float64
	}{
		{"all of what is offered", func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{}) }, 1},
		{"half of what is offered", func(h *hand) {
			h.add(50, 2*sec, 4*sec, Sample{})
			h.add(50, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, 0.5},
		{"all of what is possible", func(h *hand) {
			h.add(200, 2*sec, 4*sec, Sample{})
			h.add(2000, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, 1},
		{"half of what is possible", func(h *hand) {
			h.add(100, 2*sec, 4*sec, Sample{})
			h.add(2000, 2*sec, 4*sec, Sample{Outcome: TimedOut})
		}, 0.5},
		// Two windows of four stand still; the others cannot make up for it.
		{"all and nothing", func(h *hand) {
			h.add(50, 2*sec, 2500*ms, Sample{})
			h.add(50, 3*sec, 3500*ms, Sample{})
			h.add(500, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, 0.5},
		{"luck evens out", func(h *hand) {
			h.add(45, 2*sec, 2500*ms, Sample{})
			h.add(58, 2500*ms, 3*sec, Sample{})
			h.add(42, 3*sec, 3500*ms, Sample{})
			h.add(45, 3500*ms, 4*sec, Sample{})
			h.add(500, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, (0.9 + 1.16 + 0.84 + 0.9) / 4},
		{"a surplus does not count for much", func(h *hand) {
			h.add(100, 2*sec, 2500*ms, Sample{})
			h.add(50, 2500*ms, 3*sec, Sample{})
			h.add(500, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, (1.2 + 1) / 4},
		// They count when they come back, not when they were due.
		{"late answers", func(h *hand) {
			h.add(50, 2*sec, 2500*ms, Sample{Latency: sec})
			h.add(500, 2*sec, 4*sec, Sample{Outcome: Rejected})
		}, 0.25},
		{"answers after the spike", func(h *hand) { h.add(100, 2*sec, 4*sec, Sample{Latency: 3 * sec}) }, 0},
		{"nothing offered in half of it", func(h *hand) { h.add(50, 3*sec, 4*sec, Sample{}) }, 1},
	} {
		var h hand
		tt.fill(&h)
		is(t, tt.name, Analyze(&h.rec, plain(), BackendStats{}).Goodput, tt.want)
	}
}

// TestAnalyzeFaults: the possible shrinks with the backend.
func TestAnalyzeFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []Fault
		want   float64
	}{
		{"none", nil, 0.25},
		{"4x slower", []Fault{{2 * sec, 2 * sec, FaultSlow, 4, 0}}, 1},
		{"2x slower", []Fault{{sec, 9 * sec, FaultSlow, 2, 0}}, 0.5},
		{"2x slower in the second half", []Fault{{3 * sec, sec, FaultSlow, 2, 0}}, (0.25 + 0.5) / 2},
		{"5 of 10 slots", []Fault{{2 * sec, 2 * sec, FaultCapacity, 5, 0}}, 0.5},
		{"both", []Fault{{2 * sec, 2 * sec, FaultCapacity, 5, 0}, {2 * sec, 2 * sec, FaultSlow, 2, 0}}, 1},
		{"hangs in the second half", []Fault{{3 * sec, sec, FaultHang, 0, 0}}, 0.25},
		{"latency", []Fault{{2 * sec, 2 * sec, FaultLatency, 5, 0}}, 0.25},
		{"half of it 3x heavier", []Fault{{2 * sec, 2 * sec, FaultHeavy, 3, 0.5}}, 0.5},
		{"all of it 2x heavier", []Fault{{2 * sec, 2 * sec, FaultHeavy, 2, 0}}, 0.5},
		{"over before", []Fault{{0, 2 * sec, FaultSlow, 4, 0}}, 0.25},
		// 900 requests in 2 s: half of them fail, and what is left is still more
		// than can be served.
		{"half are errors", []Fault{{2 * sec, 2 * sec, FaultErrors, 0.5, 0}}, 0.25},
		{"most are errors", []Fault{{2 * sec, 2 * sec, FaultErrors, 1 - 50./450, 0}}, 0.5},
	} {
		var h hand
		h.add(50, 2*sec, 4*sec, Sample{})
		h.add(850, 2*sec, 4*sec, Sample{Outcome: Rejected})
		sc := plain()
		sc.Faults = tt.faults
		f := Analyze(&h.rec, sc, BackendStats{})
		if math.Abs(float64(f.Goodput)-tt.want) > 0.015 {
			t.Errorf("%s: goodput %v, want %v", tt.name, f.Goodput, tt.want)
		}
	}
}

func TestAnalyzeJourneys(t *testing.T) {
	var h hand
	steps := func(journey uint32, begin time.Duration, outcomes ...Outcome) {
		for i, o := range outcomes {
			h.add(1, begin+time.Duration(i)*100*ms, begin, Sample{Journey: journey, Step: uint8(i + 1), Outcome: o})
		}
	}
	h.rec.Load = plain().Load                          // of three steps
	steps(1, 2*sec, Success, Success, Success)         // finished
	steps(2, 3*sec, Success, Success, Rejected)        // not
	steps(3, 3*sec, TimedOut)                          // not
	steps(4, 3900*ms, Success, Success, Success)       // finished, after the spike
	steps(5, 3950*ms, Success, Success)                // cut short by the end of the run
	steps(6, 1900*ms, Success, Failed)                 // begun before
	steps(7, 4*sec, Success, Success, Success)         // begun afterwards
	steps(8, 3*sec, Success, Dropped)                  // not
	h.add(10, 2*sec, 4*sec, Sample{Outcome: Rejected}) // no journey
	is(t, "journeys", Analyze(&h.rec, plain(), BackendStats{}).Journeys, 2./5)
}

func TestAnalyzeSettle(t *testing.T) {
	for _, tt := range []struct {
		name string
		fill func(*hand)
		want float64
	}{
		{"at once", func(h *hand) { h.add(200, 2*sec, 4*sec, Sample{}) }, 0},
		{"after half a second", func(h *hand) { h.add(150, 2500*ms, 4*sec, Sample{}) }, 0.46}, // 80 % of 200 ms
		{"never", func(h *hand) { h.add(150, 2*sec, 4*sec, Sample{}) }, never},
		{"only for 300 ms", func(h *hand) { h.add(30, 2*sec, 2300*ms, Sample{}) }, never},
		{"too late", func(h *hand) { h.add(60, 3400*ms, 4*sec, Sample{}) }, never},
	} {
		var h hand
		tt.fill(&h)
		h.add(2000, 2*sec, 4*sec, Sample{Outcome: Rejected})
		is(t, tt.name, Analyze(&h.rec, plain(), BackendStats{}).Settle, tt.want)
	}
}

func TestAnalyzeRecover(t *testing.T) {
	for _, tt := range []struct {
		name string
		fill func(*hand)
		want float64
	}{
		{"at once", func(h *hand) { h.add(200, 4*sec, 6*sec, Sample{}) }, 0},
		{"nothing afterwards", func(h *hand) {}, nan},
		{"after 700 ms", func(h *hand) {
			h.add(70, 4*sec, 4700*ms, Sample{Outcome: TimedOut})
			h.add(130, 4700*ms, 6*sec, Sample{})
		}, 0.7},
		{"never", func(h *hand) {
			h.add(100, 4*sec, 5500*ms, Sample{})
			h.add(100, 5500*ms, 6*sec, Sample{Outcome: TimedOut})
		}, never},
		{"not for good", func(h *hand) {
			h.add(100, 4*sec, 5*sec, Sample{})
			h.add(20, 5*sec, 5200*ms, Sample{Outcome: Rejected})
			h.add(80, 5200*ms, 6*sec, Sample{})
		}, 1.2},
		{"one stray refusal", func(h *hand) {
			h.add(100, 4*sec, 5*sec, Sample{})
			h.add(1, 5*sec, 5100*ms, Sample{Outcome: Rejected})
			h.add(99, 5010*ms, 6*sec, Sample{})
		}, 0},
		{"a pause is no failure", func(h *hand) {
			h.add(10, 4*sec, 4100*ms, Sample{Outcome: Failed})
			h.add(50, 5500*ms, 6*sec, Sample{})
		}, 0.1},
	} {
		var h hand
		tt.fill(&h)
		is(t, tt.name, Analyze(&h.rec, plain(), BackendStats{}).Recover, tt.want)
	}
}
