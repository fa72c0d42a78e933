package shed_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
)

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold survives one
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Nothing is left of Shedders that are gone, closed or not, and nothing has to be
// stopped for that.
func TestTenThousandShedders(t *testing.T) {
	seawalltest.CheckLeaks(t)
	const n = 10_000
	use := func(s *shed.Shedder) {
		permits := fill(t, s, 3)
		for _, p := range permits {
			p.Release()
		}
	}
	use(start(t, shed.Config{}))
	before := heap()
	const kept = 500
	alive := make([]*shed.Shedder, kept)
	for i := range alive {
		alive[i] = start(t, shed.Config{})
		use(alive[i])
	}
	each := (heap() - before) / kept
	// Two shards take 12 KiB, what is there once about 12 more.
	shards := int64(1)
	for shards < int64(runtime.GOMAXPROCS(0)) && shards < 16 {
		shards *= 2
	}
	t.Logf("a Shedder takes %d bytes, of which about %d are for %d shards", each, shards*6400, shards)
	if most := 16<<10 + shards*(8<<10); each > most {
		t.Errorf("a Shedder takes %d bytes, want at most %d", each, most)
	}
	for i := range n {
		s := start(t, shed.Config{})
		use(s)
		if i%2 == 0 {
			shut(t, s)
		}
	}
	runtime.KeepAlive(alive)
	if left := heap() - before; left > 2<<20 {
		t.Errorf("%d bytes are left of %d Shedders", left, n)
	}
}

// Nothing grows with the number of users, of those who wait, or of requests.
func TestMemoryIsBounded(t *testing.T) {
	seawalltest.CheckLeaks(t)
	synctest.Test(t, func(t *testing.T) {
		s := pinned(t, 10, shed.Config{SheddableWait: time.Hour, NormalWait: time.Hour})
		inside := fill(t, s, 10)
		round := func(users int) {
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range users {
				all.Go(func() {
					_, _ = s.Acquire(ctx, seawall.Class{Priority: seawall.Sheddable, User: seawall.ID(i + 1)})
				})
				if i%1000 == 0 {
					time.Sleep(60 * time.Millisecond)
					synctest.Wait()
				}
			}
			synctest.Wait()
			if n := s.Stats().Waiting; n > 8*10+16 {
				t.Errorf("%d wait for 10 seats", n)
			}
			cancel()
			all.Wait()
		}
		round(1000)
		before := heap()
		round(50_000)
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("50,000 users cost %d bytes", grown)
		}
		for _, p := range inside {
			p.Release()
		}
		shut(t, s)
	})
}
