package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/ratelimit"
)

// quick is a bucket that hardly ever refuses.
var quick = ratelimit.RemoteTake{
	Key: "bench", Rate: ratelimit.Rate{Limit: 1e9, Burst: 1 << 30}, UpTo: 1 << 30, Least: 1, Want: 100,
}

func benchmark(b *testing.B, s *Store, ask ratelimit.RemoteTake) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if _, err := s.TakeUpTo(ctx, ask); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.TakeUpTo(ctx, ask); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTake is one caller: the latency of a call. Bytes are of both ways,
// without those of TCP.
func BenchmarkTake(b *testing.B) {
	e := startRedis(b)
	s := storeOf(b, e.addr)
	b.Run("taken", func(b *testing.B) {
		in, out := e.traffic()
		benchmark(b, s, quick)
		moreIn, moreOut := e.traffic()
		b.ReportMetric(float64(moreIn-in)/float64(b.N), "B-in/op")
		b.ReportMetric(float64(moreOut-out)/float64(b.N), "B-out/op")
	})
	b.Run("refused", func(b *testing.B) {
		ask := one
		ask.Want, ask.Least, ask.Used = 10, 10, 0
		benchmark(b, s, ask)
	})
	b.Run("ping", func(b *testing.B) { // what the trip alone takes
		for b.Loop() {
			if err := s.client.Ping(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTakeParallel is 16 callers for each processor.
func BenchmarkTakeParallel(b *testing.B) {
	for _, keys := range []int64{1, 1000} {
		b.Run(fmt.Sprint("keys-", keys), func(b *testing.B) {
			s := storeOf(b, startRedis(b).addr)
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				defer cancel()
				for pb.Next() {
					ask := quick
					ask.Key = fmt.Sprint("bench", n.Add(1)%keys)
					if _, err := s.TakeUpTo(ctx, ask); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// traffic is what a Redis has read and written.
func (e *engine) traffic() (in, out int64) {
	e.t.Helper()
	return e.stat("total_net_input_bytes"), e.stat("total_net_output_bytes")
}
