package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestWideAsLimiter: units are not rounded, so each key is exactly a Limiter.
func TestWideAsLimiter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	rt := Per(70, time.Second).WithBurst(9)
	k := keyed(t, KeyedConfig{Rate: rt, Bytes: 64 << 10, WideSlots: true, Reserve: Reserve{0.5, 0.3, 0.1, 0}})
	if n := k.Stats().Capacity; n != 4096 {
		t.Errorf("capacity %d", n)
	}
	ls := make([]*Limiter, 30) // so few that no set of four is full
	for i := range ls {
		l, err := NewLimiter(LimiterConfig{Rate: rt, Reserve: Reserve{0.5, 0.3, 0.1, 0}})
		if err != nil {
			t.Fatal(err)
		}
		ls[i] = l
	}
	now := clock() + second
	for step := range 100_000 {
		now += r.Int64N(int64(100 * time.Microsecond << unitShift))
		i, cost, p := r.IntN(len(ls)), r.Int64N(4), seawall.Priority(r.IntN(4)-2)
		key := fmt.Append(nil, "key", i)
		want, _, _ := ls[i].take(now, cost, p)
		got := k.take(k.hash(key), key, now, cost, p)
		if got.OK != want.OK || got.Remaining() != want.Remaining() {
			t.Fatalf("step %d: %+v, want %+v", step, got, want)
		}
	}
	if n := k.displaced.Load(); n > 0 {
		t.Errorf("%d displaced with room for all", n)
	}
}

// TestWideChangesHands: slots become free and are taken over all the time, by
// keys that come at once. Nobody loses what it was charged, but for the one burst
// of a key that has two slots for a while.
func TestWideChangesHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst, keys = 3, 40
		k := keyed(t, KeyedConfig{Rate: Per(1000, time.Second).WithBurst(burst), Bytes: minBytes, WideSlots: true})
		began := time.Now()
		var admitted [keys]atomic.Int64
		for range 20 {
			time.Sleep(time.Millisecond)
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(g), uint64(time.Since(began))))
					for range 2000 {
						i := r.IntN(keys)
						// All in one set, whose four slots they fight for.
						h := uint64(i+1)<<32 | 7
						if d, _ := k.charge(k.meters.Load(), h, fmt.Append(nil, i), clock(), 1, seawall.Normal); d.OK && d.meter == &k.meters.Load().key {
							admitted[i].Add(1)
						}
					}
				})
			}
			wg.Wait()
		}
		most := float64(2*burst) + 1000*time.Since(began).Seconds() + 1
		for i := range admitted {
			if n := admitted[i].Load(); float64(n) > most {
				t.Errorf("key %d: %d admitted of %v", i, n, most)
			}
		}
	})
}

// TestWideFloodForgetsNobody: who is refused stays so however many come, and a
// refund is found.
func TestWideFloodForgetsNobody(t *testing.T) {
	k := keyed(t, KeyedConfig{Rate: Per(1, time.Hour), Bytes: minBytes, WideSlots: true, Wider: func([]byte) int { return 1 }})
	now := clock() + second
	d, b := k.charge(k.meters.Load(), k.hash([]byte("abuser")), []byte("abuser"), now, 1, seawall.Normal)
	if !d.OK {
		t.Fatal("the first is refused")
	}
	for i := range 10_000 {
		key := fmt.Append(nil, "x", i)
		k.take(k.hash(key), key, now, 1, seawall.Normal)
	}
	if k.take(k.hash([]byte("abuser")), []byte("abuser"), now, 1, seawall.Normal).OK {
		t.Error("the flood has let it in again")
	}
	b.refund(now)
	if !k.take(k.hash([]byte("abuser")), []byte("abuser"), now, 1, seawall.Normal).OK {
		t.Error("after the refund there is nothing")
	}
	if st := k.Stats(); st.Live > st.Capacity || st.Live < st.Capacity*9/10 || st.Displaced == 0 {
		t.Errorf("%+v", st)
	}
}

func TestWideQuotaAndRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyed(t, KeyedConfig{Quota: Quota{N: 4, Each: Day}, Bytes: minBytes, WideSlots: true})
		k.raise(k.meters.Load(), k.hash([]byte("a")), 0, 0.5)
		n := 0
		for range 10 {
			if k.Take("a", 1, seawall.Normal).OK {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d of 4 after half of them were known to be used", n)
		}
		time.Sleep(24 * time.Hour)
		if !k.Take("a", 4, seawall.Normal).OK {
			t.Error("the next day there is nothing")
		}
	})
}
