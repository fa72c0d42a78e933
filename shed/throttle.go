package shed

import "time"

// A host that tells no floor is spared by adaptive throttling on this side of
// the network: "Handling Overload" in Google's Site Reliability Engineering. Of
// R requests to it in the window, those refused here included, it accepted A.
// Then the next one is refused with the probability (R - K*A)/(R + 1): nobody as
// long as it accepts one in K, and about K times what it accepts is sent to it
// otherwise. Each priority has a window of its own: a host that refuses
// Background gladly serves Normal.

const (
	throttleBuckets = 30
	// throttleFew is how many requests the window must hold before anybody is
	// refused: one failure of one request says nothing.
	throttleFew = 10
	// throttleMost leaves one request in a hundred to find out that the host
	// serves again.
	throttleMost = 0.99
)

// throttle is the window of one host and priority. A request is counted when
// its fate is known: those under way are no failures yet.
type throttle struct {
	buckets [throttleBuckets]bucket
	number  uint32 // of the bucket that is filling
	older   bucket // sum of the others that are still in the window
}

type bucket struct{ number, requests, accepts uint32 }

// roll begins the bucket of a number and sums up the others. Of two goroutines
// the one with the older clock may come second: it counts for the newer one.
func (t *throttle) roll(number uint32) *bucket {
	now := &t.buckets[t.number%throttleBuckets]
	if int32(number-t.number) <= 0 {
		return now
	}
	t.number = number
	now = &t.buckets[number%throttleBuckets]
	*now = bucket{number: number}
	t.older = bucket{}
	for i := range t.buckets {
		if b := &t.buckets[i]; number-b.number < throttleBuckets {
			t.older.requests += b.requests
			t.older.accepts += b.accepts
		}
	}
	return now
}

// probability that the next request is refused, where k times what is accepted
// may be sent.
func (t *throttle) probability(number uint32, k float64) float64 {
	now := t.roll(number)
	requests := float64(t.older.requests) + float64(now.requests)
	accepts := float64(t.older.accepts) + float64(now.accepts)
	if requests < throttleFew {
		return 0
	}
	return clamp((requests-k*accepts)/(requests+1), 0, throttleMost)
}

// count takes note of a request: accepted, or refused, failed or not sent.
func (t *throttle) count(number uint32, accepted bool) {
	now := t.roll(number)
	now.requests++
	if accepted {
		now.accepts++
	}
}

// bucketAt is the number of the bucket of a time since the Transport was made.
func bucketAt(now, window time.Duration) uint32 { return uint32(now / (window / throttleBuckets)) }
