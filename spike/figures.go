package spike

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
)

// Number is a figure. NaN says that there was nothing to measure (JSON null,
// "-" in a table), +Inf that it never happened ("never" in both).
type Number float64

// None and Never are the two values that are no numbers.
var (
	None  = Number(math.NaN())
	Never = Number(math.Inf(1))
)

// MarshalJSON writes a number, null or "never".
func (n Number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte("null"), nil
	case math.IsInf(f, 0):
		return []byte(`"never"`), nil
	default:
		return strconv.AppendFloat(nil, f, 'g', -1, 64), nil
	}
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (n *Number) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null":
		*n = None
		return nil
	case `"never"`:
		*n = Never
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// Figures is what one contender made of one scenario. Shares are from 0 to 1,
// times in seconds. "In the spike" is said of requests that were due from
// Scenario.Start until End. A request counts once, however often it was
// retried.
type Figures struct {
	Scenario  string `json:"scenario"`
	Contender string `json:"contender,omitempty"`

	// Goodput in the spike as a share of the possible. The spike is cut into
	// windows of 500 ms (a rest of 250 ms or more is one, too). The possible of
	// a window is what was offered in it or what the backend, with the faults of
	// the moment, can serve in it, whichever is less; the window's goodput is the
	// number of successes that came back within it over the possible, at most
	// 1.2: the scatter of service times is no loss, but no window makes up for a
	// collapse in another. Goodput is the mean over the windows in which anything
	// was possible, at most 1.
	Goodput Number `json:"goodput"`
	// Success is the share of the requests in the spike that succeeded, over all
	// and by priority.
	Success    Number `json:"success"`
	Critical   Number `json:"critical"`
	Normal     Number `json:"normal"`
	Sheddable  Number `json:"sheddable"`
	Background Number `json:"background"`
	// Honest and Abusers are the success of those who are not and who are of
	// Load.Abusers, HonestCritical that of the Critical requests of the former.
	// All three are None where no abuser asks in the spike.
	Honest         Number `json:"honest"`
	HonestCritical Number `json:"honest_critical"`
	Abusers        Number `json:"abusers"`
	// CriticalFirst is the success of the Critical requests in the first second.
	CriticalFirst Number `json:"critical_first_second"`
	// Journeys is the share of the journeys begun in the spike that were
	// finished. Those that the end of the run cut short do not count.
	Journeys Number `json:"journeys"`
	// P50 and P99 are quantiles of the latency of the successes in the spike over
	// the same quantiles of the backend's service time, which are the latency
	// when there is no load and no fault; CriticalP99 is that of Critical alone.
	P50         Number `json:"p50_ratio"`
	P99         Number `json:"p99_ratio"`
	CriticalP99 Number `json:"critical_p99_ratio"`
	// Value is what the successes in the spike are worth: 10 points a Critical
	// one, 3 a Normal, 1 a Sheddable, 0.3 a Background one. It has no bound of its
	// own and is there to be compared: see [ValueRatio].
	Value Number `json:"value"`
	// Wasted is the share of the backend's slot time, of work that ended in the
	// spike, spent on clients that had gone.
	Wasted Number `json:"wasted"`
	// Before and After are the success from WarmUp to Start, and from End on.
	Before Number `json:"before"`
	After  Number `json:"after"`
	// Settle is the time from Start until goodput has reached 80 % of the
	// possible: to the first 200 ms, by steps of 20 ms, that have it and begin a
	// second that has it too (a server that collapses looks well for the first
	// tenths). 0 is: from the beginning.
	Settle Number `json:"settle_seconds"`
	// Recover is the time from End until at least 95 % succeed of the newly due
	// requests, for good: to the first 100 ms that have it, with every half second
	// from there on, by steps of 100 ms.
	Recover Number `json:"recover_seconds"`

	// Found is the time from the first loss of slots in the spike (a
	// FaultCapacity that begins between Start and End) until answers are quick
	// again: the mean latency of the successes that came back within 500 ms is at
	// most twice the mean service time, and stays so for a second, by steps of
	// 100 ms. Never is: not before the slots came back or the spike ended. None
	// without such a loss.
	Found Number `json:"found_seconds"`

	// Requests and Attempts of the whole run; Dropped were never sent: the
	// generator was too small for the load.
	Requests Number `json:"requests"`
	Attempts Number `json:"attempts"`
	Dropped  Number `json:"dropped"`
	// LagP99 is the 99th percentile of how late requests were sent. Above 20 ms
	// the figures are the machine's, not the contender's.
	LagP99 Number `json:"send_lag_p99_seconds"`
	// CPU is what the generator's process used, in processors.
	CPU Number `json:"harness_cpu"`
}

// Analyze draws the figures from a record of the scenario and from what the
// backend did between Start and End ([Scenario.Run] returns both).
func Analyze(rec *Record, sc Scenario, spike BackendStats) Figures {
	a := newAnalysis(rec, sc)
	f := Figures{
		Scenario:      sc.Name,
		Goodput:       a.goodput(),
		Success:       a.success(sc.Start, sc.End, anyPriority),
		Critical:      a.success(sc.Start, sc.End, seawall.Critical),
		Normal:        a.success(sc.Start, sc.End, seawall.Normal),
		Sheddable:     a.success(sc.Start, sc.End, seawall.Sheddable),
		Background:    a.success(sc.Start, sc.End, seawall.Background),
		CriticalFirst: a.success(sc.Start, min(sc.Start+time.Second, sc.End), seawall.Critical),
		Journeys:      a.journeys(),
		P50:           a.latency(0.50, anyPriority),
		P99:           a.latency(0.99, anyPriority),
		CriticalP99:   a.latency(0.99, seawall.Critical),
		Value:         a.value(),
		Wasted:        ratio(float64(spike.Wasted), float64(spike.Busy)),
		Before:        a.success(sc.WarmUp, sc.Start, anyPriority),
		After:         a.success(sc.End, math.MaxInt64, anyPriority),
		Settle:        a.settle(),
		Recover:       a.recover(),
		Found:         a.found(),
		Requests:      Number(len(rec.Samples)),
		Attempts:      Number(rec.Attempts),
		Dropped:       Number(rec.Dropped),
		LagP99:        Number(rec.LagQuantile(0.99).Seconds()),
		CPU:           None,
	}
	f.Honest, f.HonestCritical, f.Abusers = a.honesty()
	if rec.CPU > 0 {
		f.CPU = ratio(float64(rec.CPU), float64(rec.Elapsed))
	}
	return f
}

// anyPriority selects all of them.
const anyPriority = seawall.Priority(127)

func ratio(part, whole float64) Number {
	if whole <= 0 {
		return None
	}
	return Number(part / whole)
}

// Median returns, figure by figure, the median of several runs of one scenario
// by one contender; figures that were not measured are left out of it, and of
// an even number the mean of the middle two is taken. It is the way to compare
// contenders: any single run is partly luck.
func Median(runs []Figures) Figures {
	if len(runs) == 0 {
		return Figures{}
	}
	m := runs[0]
	for _, row := range rows {
		values := make([]float64, 0, len(runs))
		for i := range runs {
			if v := float64(*row.of(&runs[i])); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		*row.of(&m) = median(values)
	}
	return m
}

func median(values []float64) Number {
	if len(values) == 0 {
		return None
	}
	slices.Sort(values)
	n := len(values)
	return Number((values[(n-1)/2] + values[n/2]) / 2)
}
