package main

import (
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// shareWidth is the window of a share: long enough for the handful of Critical
// requests in a calm one.
const shareWidth = 500 * time.Millisecond

// share is what was asked and what was answered, by priority (highest first),
// of the requests due in one window.
type share struct {
	At      time.Duration              `json:"at_ns"`
	Offered [seawall.NumPriorities]int `json:"offered"`
	Success [seawall.NumPriorities]int `json:"success"`
}

func sharesOf(rec *spike.Record) []share {
	n := int((rec.Load.Duration + shareWidth - 1) / shareWidth)
	all := make([]share, n)
	for i := range all {
		all[i].At = time.Duration(i) * shareWidth
	}
	for i := range rec.Samples {
		s := &rec.Samples[i]
		at, p := int(s.Intended/shareWidth), int(seawall.Critical-s.Priority)
		if at >= n || p < 0 || p >= seawall.NumPriorities {
			continue
		}
		all[at].Offered[p]++
		if s.Outcome == spike.Success {
			all[at].Success[p]++
		}
	}
	return all
}
