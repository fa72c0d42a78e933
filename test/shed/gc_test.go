//go:build unix

package shedtest

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/seawalltest"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// TestHarmlessUnderGC: a server at 0.3 of its capacity, whose requests are of
// two kinds, one forty times as long as the other, while its garbage collector
// never rests. A default Shedder refuses nobody. The load comes from a process
// of its own, which does not pause when the server does.
func TestHarmlessUnderGC(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	seawalltest.CheckLeaks(t)
	backend := seawall.Must(spike.NewBackend(spike.BackendConfig{
		Slots: 8, Service: spike.Bimodal(5*time.Millisecond, 0.9, 200*time.Millisecond), Seed: 1,
	}))
	shedder := seawall.Must(shed.New(shed.Config{Classify: bySpike}))
	server := httptest.NewServer(shedder.Middleware(backend.Handler()))
	defer server.Close()

	quit := make(chan struct{})
	cycles, done := pressure(quit)
	before := pausesSoFar(t)
	rec, err := spike.RunChild(t.Context(), spike.Load{
		Profile: spike.Steady(0.3 * backend.Capacity()), Duration: howLong(), Timeout: 5 * time.Second, Seed: 2,
	}, server.URL, nil)
	pauses := pausesSoFar(t)
	close(quit)
	done()
	if err != nil {
		t.Fatal(err)
	}

	st := shedder.Stats()
	refused, offered := uint64(0), uint64(0)
	for _, p := range st.Priorities {
		refused, offered = refused+p.Refused, offered+p.Offered
	}
	rejected, excused := judge(rec)
	t.Logf("%d requests in %v, %d refused; %d collections, longest pause %v; limit %d, %s, baseline %v; requests were sent up to %v late",
		offered, howLong(), refused, cycles(), longest(before, pauses), st.Limit, st.State, st.Baseline, rec.LagQuantile(1))
	if offered < 100 || cycles() < 5 {
		t.Errorf("%d requests and %d collections: nothing was tried", offered, cycles())
	}
	if excused > 0 {
		t.Logf("%d were refused when the whole machine had just stood still", excused)
	}
	if rejected > excused || refused > uint64(excused) {
		t.Errorf("%d of %d requests were refused: %+v", refused, offered, st)
	}
}

// judge counts the requests that were refused, and those of them that were due
// when even the generator could not send on time. It allocates next to nothing:
// if it is late all processes stood still, and what was due meanwhile came at
// once. That is a crowd, and not the collector's.
func judge(rec *spike.Record) (rejected, excused int) {
	const late, near = 50 * time.Millisecond, time.Second
	for _, r := range rec.Samples {
		if r.Outcome != spike.Rejected {
			continue
		}
		rejected++
		if slices.ContainsFunc(rec.Samples, func(s spike.Sample) bool {
			return s.Lag > late && (s.Intended-r.Intended).Abs() < near
		}) {
			excused++
		}
	}
	return rejected, excused
}

func TestJudge(t *testing.T) {
	no, yes := spike.Rejected, spike.Success
	rec := &spike.Record{Samples: []spike.Sample{
		{Intended: 1 * time.Second, Outcome: no},
		{Intended: 5 * time.Second, Outcome: yes, Lag: 300 * time.Millisecond},
		{Intended: 5500 * time.Millisecond, Outcome: no},
		{Intended: 7 * time.Second, Outcome: no},
	}}
	if rejected, excused := judge(rec); rejected != 3 || excused != 1 {
		t.Errorf("%d rejected, %d of them excused; want 3 and 1", rejected, excused)
	}
}

// bySpike reads what an HTTPTarget writes.
func bySpike(r *http.Request) seawall.Class {
	return seawall.Class{Priority: spike.PriorityFromPath(r), User: seawall.ID(spike.UserFromCookie(r))}
}

type node struct {
	next *node
	_    [6]uint64
}

// pressure keeps the collector busy until quit is closed: a heap of a million
// small objects that point at one another, garbage all the time, and a
// collection after the other. done waits for its end and puts all back.
func pressure(quit <-chan struct{}) (cycles func() uint32, done func()) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	percent := debug.SetGCPercent(10)
	live := make([]*node, 1<<20)
	for i := range live {
		live[i] = &node{next: live[rand.IntN(i+1)]}
	}
	var all sync.WaitGroup
	work := func(f func(i int)) {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
					f(i)
				}
			}
		})
	}
	work(func(int) { runtime.GC() })
	work(func(i int) { // half of the heap goes, and comes back
		live[i%len(live)/2] = &node{}
		if i%4096 == 0 {
			runtime.Gosched()
		}
	})
	cycles = func() uint32 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return now.NumGC - before.NumGC
	}
	return cycles, func() {
		all.Wait()
		debug.SetGCPercent(percent)
		runtime.KeepAlive(live)
	}
}

// pausesSoFar are the times for which the whole process was stopped.
func pausesSoFar(t *testing.T) *metrics.Float64Histogram {
	t.Helper()
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		t.Fatalf("the runtime does not report pauses: %v", sample[0].Value.Kind())
	}
	return sample[0].Value.Float64Histogram()
}

// longest is the upper end of the highest bucket that has grown.
func longest(before, after *metrics.Float64Histogram) time.Duration {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > before.Counts[i] {
			top := after.Buckets[i+1]
			if math.IsInf(top, 1) {
				top = after.Buckets[i]
			}
			return time.Duration(top * float64(time.Second))
		}
	}
	return 0
}
