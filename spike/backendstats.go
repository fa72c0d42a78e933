package spike

import "time"

// BackendStats counts since the backend was made.
type BackendStats struct {
	// InService and Waiting are requests at this moment.
	InService int `json:"in_service"`
	Waiting   int `json:"waiting"`
	// Served is work that has ended, wasted or not; WastedRequests is the part
	// of it whose client had gone.
	Served         uint64 `json:"served"`
	WastedRequests uint64 `json:"wasted_requests"`
	// Failed is injected errors; Left is clients that left while they waited.
	Failed uint64 `json:"failed"`
	Left   uint64 `json:"left"`
	// Busy is the slot time of the work that has ended (two slots for a second
	// are 2 s), Wasted the part of it whose client had gone by its end.
	Busy   time.Duration `json:"busy_ns"`
	Wasted time.Duration `json:"wasted_ns"`
}

// Sub returns what has happened since earlier; InService and Waiting stay those
// of s.
func (s BackendStats) Sub(earlier BackendStats) BackendStats {
	s.Served -= earlier.Served
	s.WastedRequests -= earlier.WastedRequests
	s.Failed -= earlier.Failed
	s.Left -= earlier.Left
	s.Busy -= earlier.Busy
	s.Wasted -= earlier.Wasted
	return s
}

// Stats returns the counters.
func (b *Backend) Stats() BackendStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.InService, s.Waiting = b.busy, b.queue.n
	return s
}
