package peers

import (
	"testing"
	"time"
)

// BenchmarkShed is <case>/<library>/<form>. The figures of one run stand
// beside each other only on a quiet machine; cmd/ratios interleaves.
func BenchmarkShed(b *testing.B) {
	for _, c := range Cases() {
		b.Run(string(c), func(b *testing.B) {
			for _, l := range Libraries() {
				b.Run(l.Name, func(b *testing.B) {
					s, err := l.Scene(c)
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					for _, f := range Forms() {
						b.Run(string(f), func(b *testing.B) {
							if err := s.Measure(b, f); err != nil {
								b.Fatal(err)
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
