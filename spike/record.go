package spike

import (
	"math"
	"slices"
	"time"

	"github.com/seawall-go/seawall"
)

// Sample is what is kept of one request, 48 bytes.
type Sample struct {
	ID      uint64
	User    uint32
	Journey uint32 // from 1; 0 is a single request
	// Intended is when the request was due, from the start of the run.
	Intended time.Duration
	// Latency counts from Intended to the last attempt's end; 0 when Dropped.
	Latency time.Duration
	// Lag is how much later than Intended the first attempt was sent: the
	// generator's own fault.
	Lag      time.Duration
	Outcome  Outcome
	Priority seawall.Priority
	Step     uint8 // of the journey, from 1; 0 is a single request
	Attempts uint8 // 0 when Dropped
	Route    uint8 // of Load.Routes
	Abuser   bool  // one of Load.Abusers
}

// Record is everything a run has seen.
type Record struct {
	// Load is what was run, defaults filled in.
	Load Load
	// Started is the wall clock at the start.
	Started time.Time
	// Elapsed is the time from the start to the end of the last request.
	Elapsed time.Duration
	// CPU is the processor time, user and system, that the whole process used
	// meanwhile; 0 where the system does not tell. It is the generator's own
	// only when the target is in another process.
	CPU time.Duration
	// Attempts is the number of calls of the target.
	Attempts uint64
	// Dropped counts requests never sent because of MaxInFlight (these have a
	// sample) or MaxRequests (these have none).
	Dropped uint64
	// Samples, ordered by Intended and ID.
	Samples []Sample
}

// LagQuantile returns the q-th quantile (0 to 1) of how late requests were
// sent, 0 when none was.
func (r *Record) LagQuantile(q float64) time.Duration {
	lags := make([]time.Duration, 0, len(r.Samples))
	for i := range r.Samples {
		if r.Samples[i].Outcome != Dropped {
			lags = append(lags, r.Samples[i].Lag)
		}
	}
	if len(lags) == 0 {
		return 0
	}
	slices.Sort(lags)
	return lags[rank(len(lags), q)]
}

// Progress is a look at a run under way. Counts are since the start and, but
// for Attempts and InFlight, of requests that have ended.
type Progress struct {
	At       time.Duration `json:"at_ns"`
	Success  uint64        `json:"success"`
	Rejected uint64        `json:"rejected"`
	TimedOut uint64        `json:"timed_out"`
	Failed   uint64        `json:"failed"`
	Dropped  uint64        `json:"dropped"`
	Attempts uint64        `json:"attempts"`
	InFlight int           `json:"in_flight"`
	// ByPriority counts the requests that have ended, those of Dropped that have
	// a sample included, and the successes among them: Critical first.
	ByPriority [seawall.NumPriorities]PriorityCount `json:"by_priority"`
	// Done marks the last report.
	Done bool `json:"done,omitempty"`
}

// classOf is where a priority stands in a list: Critical is 0.
func classOf(p seawall.Priority) int {
	return min(max(int(seawall.Critical)-int(p), 0), seawall.NumPriorities-1)
}

// PriorityCount counts the requests of one priority.
type PriorityCount struct {
	Requests uint64 `json:"requests"`
	Success  uint64 `json:"success"`
}

// Of returns the count of a priority.
func (p Progress) Of(prio seawall.Priority) PriorityCount {
	if !prio.Valid() {
		return PriorityCount{}
	}
	return p.ByPriority[seawall.Critical-prio]
}

// rank is the index of the q-th quantile among n sorted values (nearest rank).
func rank(n int, q float64) int {
	return min(max(int(math.Ceil(q*float64(n)))-1, 0), n-1)
}
