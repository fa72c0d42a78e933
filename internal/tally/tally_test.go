package tally

import (
	"sync"
	"testing"
)

// TestTally: all that is counted is counted once, and goroutines that run at the
// same time mostly count in different parts.
func TestTally(t *testing.T) {
	const goroutines, each = 64, 1000
	var (
		n       Tally
		all     sync.WaitGroup
		running sync.WaitGroup
	)
	running.Add(goroutines)
	for range goroutines {
		all.Go(func() {
			running.Done()
			running.Wait() // so that no two have the same stack
			for range each {
				n.Add()
			}
		})
	}
	all.Wait()
	if got := n.Total(); got != goroutines*each {
		t.Errorf("counted %d, want %d", got, goroutines*each)
	}
	used, most := 0, uint64(0)
	for i := range n.parts {
		if here := n.parts[i].Load(); here > 0 {
			used, most = used+1, max(most, here)
		}
	}
	if used < tallyParts/2 || most > goroutines*each/4 {
		t.Errorf("%d goroutines counted in %d of %d parts, %d times in one", goroutines, used, tallyParts, most)
	}
}

func BenchmarkTally(b *testing.B) {
	var n Tally
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Add()
		}
	})
	if n.Total() == 0 {
		b.Fatal("nothing was counted")
	}
}
