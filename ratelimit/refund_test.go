package ratelimit

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// TestRefundCannotOverfill is TestCancelCannotOverfill for keys.
func TestRefundCannotOverfill(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 200 {
		rt := Rate{Limit: rate.Limit(spread(r, 1e-2, 1e6)), Burst: int64(spread(r, 1, 100))}
		k := keyed(t, KeyedConfig{Rate: rt, Bytes: minBytes})
		checkRefunds(t, r, rt, 1, func(now, cost int64) func(int64) {
			d, b := k.charge(k.meters.Load(), k.hash([]byte("a")), nil, now, cost, seawall.Normal)
			if !d.OK {
				return nil
			}
			return b.refund
		})
	}
}

// TestManyCancels: after one was given back, what another has still to pay for is
// over sooner than when it was taken.
func TestManyCancels(t *testing.T) {
	checkCancels(t, 100)
}

// TestLateRefund: a request that was delayed between two policies gives back no
// more than is still owed for it.
func TestLateRefund(t *testing.T) {
	rt := Rate{Limit: rate.Every(1 << 20), Burst: 10}
	token := int64(1) << (20 + unitShift)
	k, l := keyed(t, KeyedConfig{Rate: rt, Bytes: minBytes}), limiter(t, rt)
	key := []byte("a")
	old := clock() + second
	// It has read the clock, takes all there is, and is then delayed.
	_, b := k.charge(k.meters.Load(), k.hash(key), key, old, 10, seawall.Normal)
	_, c, paid := l.take(old, 10, seawall.Normal)
	now := old + 20*token // that is paid for, and others come
	n := 0
	takeAll := func() {
		for range 20 {
			if k.take(k.hash(key), key, now, 1, seawall.Normal).OK {
				n++
			}
			if d, _, _ := l.take(now, 1, seawall.Normal); d.OK {
				n++
			}
		}
	}
	takeAll()
	b.refund(now)
	Reservation{cell: c, paid: paid, need: c.meter.need(10)}.cancel(now)
	takeAll()
	if n != 20 {
		t.Errorf("%d given at once of two bursts of 10", n)
	}
}
