package peers

import (
	"strings"
	"testing"
	"time"
)

// BenchmarkShed, BenchmarkRateLimit, BenchmarkCache and BenchmarkHTTPCache are
// <case>/<library>/<form>. The figures of one run stand beside each other only on a
// quiet machine; cmd/ratios interleaves.
func BenchmarkShed(b *testing.B)      { benchmark(b, Shed()) }
func BenchmarkRateLimit(b *testing.B) { benchmark(b, RateLimit()) }
func BenchmarkHTTPCache(b *testing.B) { benchmark(b, HTTPCache()) }

func benchmark(b *testing.B, s Suite) {
	b.Helper()
	for _, c := range s.Cases() {
		b.Run(strings.TrimPrefix(string(c), "http-"), func(b *testing.B) {
			for _, l := range s.Libraries {
				if !l.Has(c) {
					continue
				}
				b.Run(l.Name, func(b *testing.B) {
					s, err := l.Scene(c)
					needs(b, err)
					defer s.Close()
					for _, f := range Forms() {
						b.Run(string(f), func(b *testing.B) {
							if err := s.Measure(b, f); err != nil {
								b.Fatal(err)
							}
							if calls, ok := s.Calls(); ok {
								b.ReportMetric(calls, "calls/crowd")
							}
						})
					}
				})
			}
		})
	}
}

// BenchmarkClock is what one reading of the clock costs here. Whoever samples
// latencies needs two.
func BenchmarkClock(b *testing.B) {
	base := time.Now()
	var sum time.Duration
	for b.Loop() {
		sum += time.Since(base)
	}
	if sum <= 0 {
		b.Fatal("the clock stands")
	}
}
