package shed

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// useOnce lets one request in and out.
func useOnce(t testing.TB, s *Shedder) {
	t.Helper()
	p, err := s.Acquire(t.Context(), seawall.Class{User: 7})
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
}

// TestIdleDoesNothing: every tick publishes a new gate, and in an hour without
// requests there is none: no goroutine and no timer runs the law.
func TestIdleDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shedders := make([]*Shedder, 100)
		gates := make([]*gate, len(shedders))
		for i := range shedders {
			s, err := New(Config{})
			if err != nil {
				t.Fatal(err)
			}
			useOnce(t, s)
			shedders[i], gates[i] = s, s.gate.Load()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, s := range shedders {
			if s.gate.Load() != gates[i] {
				t.Fatal("the law was run although there were no requests")
			}
		}
		// A request runs it, or the comparison above would show nothing.
		useOnce(t, shedders[0])
		if shedders[0].gate.Load() == gates[0] {
			t.Error("a request after an hour did not run the law")
		}
	})
}

// TestIdleStartsNothing: ten thousand Shedders, used and closed, start no
// goroutine, not even one that is gone before anybody counts.
func TestIdleStartsNothing(t *testing.T) {
	const n = 10_000
	runtime.GC() // it starts workers of its own, once
	created, alive := goroutinesCreated(t), runtime.NumGoroutine()
	for range n {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		useOnce(t, s)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The runtime may start a few for itself meanwhile.
	if more := goroutinesCreated(t) - created; more > n/100 {
		t.Errorf("%d goroutines were started by %d Shedders", more, n)
	}
	if now := runtime.NumGoroutine(); now > alive+5 {
		t.Errorf("%d goroutines are alive, %d were before", now, alive)
	}
	// The counter counts.
	created = goroutinesCreated(t)
	done := make(chan struct{})
	for range n {
		go func() { done <- struct{}{} }()
	}
	for range n {
		<-done
	}
	if more := goroutinesCreated(t) - created; more < n {
		t.Errorf("of %d goroutines %d were counted", n, more)
	}
}

func goroutinesCreated(t *testing.T) uint64 {
	t.Helper()
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		t.Fatalf("the runtime does not count goroutines: %v", sample[0].Value.Kind())
	}
	return sample[0].Value.Uint64()
}

// TestNewAllocs: a Shedder is what the comment of New says, and takes no more
// for having served a calm crowd. A figure that has to rise here rises there.
func TestNewAllocs(t *testing.T) {
	const n = 200
	shedders := make([]*Shedder, n)
	shards := len(newShards())
	each := allocated(func() {
		for i := range shedders {
			shedders[i], _ = New(Config{})
		}
	}) / n
	t.Logf("New allocates %d bytes, with %d shards", each, shards)
	if most := 5 * (16<<10 + shards*6<<10) / 4; each > most {
		t.Errorf("New allocates %d bytes, want at most %d, a quarter above what its comment says", each, most)
	}
	useOnce(t, shedders[1]) // the first look at the run queue makes the runtime's tables
	// Requests within one tick; a tick publishes, and that is garbage.
	used := allocated(func() {
		for range 1000 {
			useOnce(t, shedders[0])
		}
	})
	if used > 16<<10 {
		t.Errorf("a thousand requests allocated %d bytes", used)
	}
}

// allocated is how many bytes f allocates, kept or not.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
