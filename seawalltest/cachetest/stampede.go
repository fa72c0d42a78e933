package cachetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// callers are how many ask for one key at once.
const callers = 10_000

// stampedes has them ask one process, four, and four without a server.
func stampedes(t *testing.T, e Engine) {
	usual := usual
	usual.LocalTTL = time.Hour
	patient := usual // nothing is to be loaded twice, however busy the machine is
	patient.Budget, patient.LeaseWait, patient.LeaseTTL = 10*time.Second, 20*time.Second, 20*time.Second
	for _, tc := range []struct {
		name   string
		nodes  int
		shared cache.Shared[string, version]
		begin  func()
		end    func()
		most   int64 // loads
	}{
		{"1 node", 1, patient, nil, nil, 1},
		{"4 nodes", 4, patient, nil, nil, 1},
		{"4 nodes, frozen", 4, usual, e.Freeze, e.Thaw, 4},
		{"4 nodes, dead", 4, usual, e.Stop, e.Start, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fl, err := newFleet(t, tc.nodes, tc.shared, func() (cache.L2, cache.Bus) { return e.Node(t, e.Addr) })
			if err != nil {
				t.Fatal(err)
			}
			if err := fl.agree(); err != nil {
				t.Fatal(err)
			}
			if tc.begin != nil {
				tc.begin()
				defer tc.end()
			}
			times := fl.stampede("probe/" + tc.name)
			if n := fl.source.probed.Load(); n < 1 || n > tc.most {
				t.Errorf("%d loads, want at most %d", n, tc.most)
			}
			p50, p99 := times[len(times)/2], times[len(times)*99/100]
			t.Logf("%d loads; half of %d callers had it after %v, 99 %% after %v", fl.source.probed.Load(), callers, p50, p99)
			if long() && tc.nodes == 1 && p99 > probeLoad+15*time.Millisecond {
				t.Errorf("p99 is %v, want at most %v", p99, probeLoad+15*time.Millisecond)
			}
			if err := fl.findings(); err != nil {
				t.Error(err)
			}
		})
	}
}

// stampede returns how long the callers waited, the shortest first.
func (fl *fleet) stampede(key string) []time.Duration {
	times := make([]time.Duration, callers)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(callers)
	for i := range callers {
		done.Go(func() {
			ready.Done()
			<-start
			began := time.Now()
			fl.get(i%len(fl.nodes), key)
			times[i] = time.Since(began)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	slices.Sort(times)
	return times
}

const probes = 25

// probe reads what is not there while the server is given up, and looks whether
// somebody waits for it.
func (fl *fleet) probe(t *testing.T, strict bool) {
	var mu sync.Mutex
	var times []time.Duration
	var wg sync.WaitGroup
	for i, n := range fl.nodes {
		wg.Go(func() {
			asked, began := n.gets.Load(), time.Now()
			for k := range probes {
				before, up := time.Now(), n.Stats().L2.Up
				fl.get(i, fmt.Sprintf("probe/%d/%d", i, k))
				if took := time.Since(before); !up {
					mu.Lock()
					times = append(times, took)
					mu.Unlock()
				}
			}
			asked = n.gets.Load() - asked
			if most := 5 + 3*int64(time.Since(began)/retry); asked > most {
				fl.findf("a server that was given up was asked %d times in the time of %d", asked, most)
			}
		})
	}
	wg.Wait()
	if len(times) < probes {
		fl.findf("the server was not given up")
		return
	}
	slices.Sort(times)
	late := 0
	for _, d := range times {
		if d > probeLoad+budget/2 {
			late++
		}
	}
	t.Logf("loads of %v took %v, 99 %% at most %v; %d of %d were late", probeLoad, times[len(times)/2], times[len(times)*99/100], late, len(times))
	most := len(times) / 5 // on a busy machine; all of them if somebody waits
	if strict {
		most = 0
	}
	if late > most {
		fl.findf("%d of %d loads took more than half of Budget longer", late, len(times))
	}
}

// shut closes a node that can tell nobody.
func (n *node) shut(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	began := time.Now()
	n.Close(ctx) // that it could not tell is an error
	if took := time.Since(began); took > 5*time.Second || long() && took > 2*budget {
		return fmt.Errorf("Close took %v, with %v to wait", took, budget)
	}
	if _, err := n.Get(t.Context(), "probe/closed"); !errors.Is(err, cache.ErrClosed) {
		return fmt.Errorf("after Close, Get says %w", err)
	}
	return nil
}
