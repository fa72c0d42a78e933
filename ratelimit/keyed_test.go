package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

func keyed(t testing.TB, cfg KeyedConfig) *buckets {
	t.Helper()
	k, err := newBuckets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyedAsLimiter: while there is room each key is a Limiter of its own, but
// for ticks of a 4096th of a token.
func TestKeyedAsLimiter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		rt := Rate{Limit: rate.Limit(1 + 1e5*r.Float64()), Burst: int64(1 + r.IntN(30))}
		k := keyed(t, KeyedConfig{Rate: rt})
		var ls [20]*Limiter
		for i := range ls {
			ls[i] = limiter(t, rt)
		}
		now := clock()
		var limiters, table int64
		for range 5000 {
			now += int64(r.ExpFloat64() / float64(rt.Limit) / 15 * float64(second))
			i := r.IntN(len(ls))
			key := []byte{byte(i)}
			cost := int64(r.IntN(4))
			want, _, _ := ls[i].take(now, cost, seawall.Normal)
			got := k.take(k.hash(key), key, now, cost, seawall.Normal)
			if want.OK {
				limiters += cost
			}
			if got.OK {
				table += cost
			}
		}
		if float64(table) < 0.995*float64(limiters) || float64(table) > 1.002*float64(limiters)+1 {
			t.Errorf("%v: the table has admitted %d, limiters %d", rt, table, limiters)
		}
	}
}

func TestFlood(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine")
	}
	k := keyed(t, KeyedConfig{Rate: Per(20, time.Minute).WithBurst(20), Wider: func([]byte) int { return 4 }})
	now := clock()
	key := make([]byte, 8)
	take := func(group uint32, id uint32) bool {
		for i := range 4 {
			key[i], key[4+i] = byte(group>>(8*i)), byte(id>>(8*i))
		}
		return k.take(k.hash(key), key, now, 1, seawall.Normal).OK
	}
	refused := map[uint32]bool{}
	for id := range uint32(1000) {
		for take(7, id) {
		}
		refused[id] = true
	}
	let, asked, again := 0, 0, 0
	const flood = 3_000_000
	for i := range uint32(flood) {
		now += second / 1_000_000
		take(1, 1<<20+i)
		if i%300 == 0 {
			asked++
			if take(1000+i, 1) {
				let++
			}
		}
		if i%3000 == 0 && take(7, i/3000%1000) {
			again++
		}
	}
	t.Log(k.Stats(), let, asked, again)
	if let < asked*99/100 {
		t.Errorf("%d of %d newcomers were admitted", let, asked)
	}
	if again > 1000+10 { // a token each three seconds
		t.Errorf("%d let in again", again)
	}
}

func BenchmarkKeyed(b *testing.B) {
	b.Run("hot", func(b *testing.B) {
		k := keyed(b, KeyedConfig{Rate: Rate{Limit: 1e9, Burst: 1e6}})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				k.Take("192.168.100.100", 1, seawall.Normal)
			}
		})
	})
	b.Run("zipf", func(b *testing.B) {
		k := keyed(b, KeyedConfig{Rate: Rate{Limit: 1e3, Burst: 1e3}})
		keys := make([]string, 1<<20)
		for i := range keys {
			keys[i] = fmt.Sprintf("user-%07d", i)
		}
		z := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, 1<<20-1)
		order := make([]int32, 1<<20)
		for i := range order {
			order[i] = int32(z.Uint64())
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			i := rand.IntN(len(order))
			for pb.Next() {
				k.Take(keys[order[i&(1<<20-1)]], 1, seawall.Normal)
				i++
			}
		})
	})
}

// TestFreeTableIsFree: times in a table wrap around, and a slot nobody has is
// not in debt whatever the time is.
func TestFreeTableIsFree(t *testing.T) {
	k := keyed(t, KeyedConfig{Rate: Per(1000, time.Second), Bytes: 64 << 10})
	tick := k.keys.tick
	for part := range int64(16) {
		now := clock() + int64(tick*float64(1<<timeBits)/16)*part
		for i := range 100 {
			key := []byte{byte(part), byte(i)}
			if d := k.take(k.hash(key), key, now, 1, seawall.Normal); !d.OK {
				t.Fatalf("after %d/16 of the time in which it wraps, newcomer %d is refused", part, i)
			}
		}
		if n := k.displaced.Load(); n > 0 {
			t.Fatalf("after %d/16 of the time in which it wraps, %d found no room", part, n)
		}
	}
}
