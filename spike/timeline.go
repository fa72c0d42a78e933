package spike

import (
	"slices"
	"time"

	"github.com/seawall-go/seawall"
)

// Bucket is a stretch of a run, for a chart. But for Completed all counts are
// of the requests that were due in it.
type Bucket struct {
	At      time.Duration `json:"at_ns"`
	Offered int           `json:"offered"`
	// OfferedBy is Offered by priority, Critical first.
	OfferedBy [seawall.NumPriorities]int `json:"offered_by"`
	// The successes by priority.
	Critical   int `json:"critical"`
	Normal     int `json:"normal"`
	Sheddable  int `json:"sheddable"`
	Background int `json:"background"`

	Rejected int `json:"rejected"`
	TimedOut int `json:"timed_out"`
	Failed   int `json:"failed"`
	Dropped  int `json:"dropped"`
	// Completed is the successes that came back in it, whenever they were due.
	Completed int `json:"completed"`
	// P50 and P99 are the latencies of the successes; 0 when there is none.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// Success is the number of successes of all priorities.
func (b Bucket) Success() int { return b.Critical + b.Normal + b.Sheddable + b.Background }

// Of returns how many requests of a priority were due, and how many of them
// succeeded.
func (b Bucket) Of(p seawall.Priority) (offered, success int) {
	if !p.Valid() {
		return 0, 0
	}
	return b.OfferedBy[seawall.Critical-p], [...]int{b.Critical, b.Normal, b.Sheddable, b.Background}[seawall.Critical-p]
}

// maxBuckets bounds a timeline: a day in tenths of a second.
const maxBuckets = 864_000

// Timeline cuts a record into buckets of the given width, at least 1 ms, from
// the start to the end of the load; 0 is 100 ms. What comes back later than
// that is not in any Completed.
func Timeline(rec *Record, width time.Duration) []Bucket {
	if width == 0 {
		width = 100 * time.Millisecond
	}
	width = max(width, time.Millisecond, rec.Load.Duration/maxBuckets)
	n := int((rec.Load.Duration + width - 1) / width)
	buckets := make([]Bucket, n)
	latencies := make([][]time.Duration, n)
	for i := range buckets {
		buckets[i].At = time.Duration(i) * width
	}
	for i := range rec.Samples {
		s := &rec.Samples[i]
		at := int(s.Intended / width)
		if at >= n {
			continue
		}
		buckets[at].count(s)
		if s.Outcome != Success {
			continue
		}
		latencies[at] = append(latencies[at], s.Latency)
		if back := int((s.Intended + s.Latency) / width); back < n {
			buckets[back].Completed++
		}
	}
	for i, l := range latencies {
		if len(l) > 0 {
			slices.Sort(l)
			buckets[i].P50, buckets[i].P99 = l[rank(len(l), 0.5)], l[rank(len(l), 0.99)]
		}
	}
	return buckets
}

func (b *Bucket) count(s *Sample) {
	b.Offered++
	b.OfferedBy[classOf(s.Priority)]++
	switch s.Outcome {
	case Rejected:
		b.Rejected++
	case TimedOut:
		b.TimedOut++
	case Failed:
		b.Failed++
	case Dropped:
		b.Dropped++
	case Success:
		switch s.Priority {
		case seawall.Critical:
			b.Critical++
		case seawall.Normal:
			b.Normal++
		case seawall.Sheddable:
			b.Sheddable++
		default:
			b.Background++
		}
	}
}
