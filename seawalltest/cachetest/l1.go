package cachetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall/cache"
)

// L1Cost is what the entries cost with which L1 tests an engine.
const L1Cost = 4096

// L1 tests an engine of package cache. Open returns a new one with room for about
// as many entries, each of which costs [L1Cost]; the suite closes it.
func L1(t *testing.T, open func(t *testing.T, entries int) cache.L1[string, int]) {
	for _, check := range []struct {
		name string
		run  func(t *testing.T, l1 cache.L1[string, int], entries int)
	}{
		{"holds what was set", l1Holds},
		{"as a model", l1Model},
		{"reads its own writes in a flood", l1Flood},
		{"the odd keys", l1OddKeys},
		{"clear", l1Clear},
		{"is empty once closed", l1Closed},
		{"closed in use", l1ClosedInUse},
		{"no version comes back", l1Versions},
	} {
		t.Run(check.name, func(t *testing.T) {
			const entries = 1000
			l1 := open(t, entries)
			t.Cleanup(l1.Close)
			check.run(t, l1, entries)
		})
	}
}

func l1Key(i int) string { return fmt.Sprint("key ", i) }

// l1Holds: nothing has to go before there is no room.
func l1Holds(t *testing.T, l1 cache.L1[string, int], entries int) {
	values := make([]cache.Entry[int], entries/2)
	for i := range values {
		l1.Set(l1Key(i), &values[i], L1Cost)
	}
	for i := range values {
		if e, ok := l1.Get(l1Key(i)); !ok || e != &values[i] {
			t.Fatalf("with half of the room in use, Get(%q) = %p, %v; want %p", l1Key(i), e, ok, &values[i])
		}
	}
	if n := l1.Len(); n < len(values)*9/10 || n > len(values)*11/10 {
		t.Errorf("Len = %d, want about %d", n, len(values))
	}
	for i := range values {
		l1.Delete(l1Key(i))
		if e, ok := l1.Get(l1Key(i)); ok {
			t.Fatalf("after Delete, Get = %p", e)
		}
	}
	if n := l1.Len(); n > len(values)/10 {
		t.Errorf("Len = %d after all was deleted", n)
	}
}

// l1Model: random work on more keys than fit. What is there is what was set last,
// what was just set is there, and there is never more than fits.
func l1Model(t *testing.T, l1 cache.L1[string, int], entries int) {
	steps := 50_000
	if testing.Short() {
		steps = 10_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	model := map[string]*cache.Entry[int]{}
	for step := range steps {
		key := l1Key(int(float64(3*entries) * r.Float64() * r.Float64()))
		switch op := r.IntN(10_000); {
		case op < 5500:
			if e, ok := l1.Get(key); ok && e != model[key] {
				t.Fatalf("step %d: Get(%q) = %p, want %p or nothing", step, key, e, model[key])
			}
		case op < 9000:
			e := new(cache.Entry[int])
			cost := L1Cost * (1 + int64(r.IntN(3)))
			l1.Set(key, e, cost)
			model[key] = e
			if got, ok := l1.Get(key); ok && got != e {
				t.Fatalf("step %d: after Set(%q), Get = %p, want %p or nothing", step, key, got, e)
			}
		case op < 9995:
			l1.Delete(key)
			delete(model, key)
			if e, ok := l1.Get(key); ok {
				t.Fatalf("step %d: after Delete(%q), Get = %p", step, key, e)
			}
		default:
			l1.Clear()
			clear(model)
		}
		if n := l1.Len(); step%100 == 0 && n > entries*15/10 {
			t.Fatalf("step %d: Len = %d, with room for %d", step, n, entries)
		}
	}
}

// l1Flood: what drops nothing in a test that waits may do so here. An engine that
// chooses may choose against the newcomer, but not often.
func l1Flood(t *testing.T, l1 cache.L1[string, int], entries int) {
	// One in twenty: an engine that tidies in the background is late on a busy machine.
	lost, sets := 0, 50*entries
	for i := range sets {
		e := new(cache.Entry[int])
		l1.Set(l1Key(i), e, L1Cost)
		switch got, ok := l1.Get(l1Key(i)); {
		case !ok:
			lost++
		case got != e:
			t.Fatalf("entry %d: after Set, Get = %p, want %p", i, got, e)
		}
		// Some are used again, later.
		l1.Get(l1Key(i - i%7*10))
	}
	if lost > sets/20 {
		t.Errorf("%d of %d entries were not there after they had been set", lost, sets)
	}
	if n := l1.Len(); n > entries*15/10 {
		t.Errorf("Len = %d, with room for %d", n, entries)
	}
}

func l1OddKeys(t *testing.T, l1 cache.L1[string, int], _ int) {
	keys := []string{"", " ", "\x00", "a\nb", "ü", "\xff\xfe", string(make([]byte, 10_000))}
	values := make([]cache.Entry[int], len(keys))
	for i, key := range keys {
		l1.Set(key, &values[i], L1Cost)
	}
	for i, key := range keys {
		if e, ok := l1.Get(key); !ok || e != &values[i] {
			t.Errorf("Get(%.20q) = %p, %v; want %p", key, e, ok, &values[i])
		}
	}
	l1.Delete("never set")
	// Larger than all of it: it may stay away, but what it replaces must go.
	big := new(cache.Entry[int])
	l1.Set("", big, 1<<40)
	if e, ok := l1.Get(""); ok && e != big {
		t.Error("an entry came back that was replaced by one too large")
	}
}

func l1Clear(t *testing.T, l1 cache.L1[string, int], entries int) {
	for round := range 3 {
		for i := range 3 * entries {
			l1.Set(l1Key(i), new(cache.Entry[int]), L1Cost)
			l1.Get(l1Key(i))
		}
		l1.Clear()
		if n := l1.Len(); n != 0 {
			t.Errorf("round %d: Len = %d after Clear", round, n)
		}
		for i := range 3 * entries {
			if e, ok := l1.Get(l1Key(i)); ok {
				t.Fatalf("round %d: Get(%q) = %p after Clear", round, l1Key(i), e)
			}
		}
	}
	l1Holds(t, l1, entries)
}

func l1Closed(t *testing.T, l1 cache.L1[string, int], _ int) {
	l1.Set("a", new(cache.Entry[int]), L1Cost)
	l1.Close()
	l1.Close()
	for range 2 {
		if e, ok := l1.Get("a"); ok {
			t.Errorf("Get = %p after Close", e)
		}
		if n := l1.Len(); n != 0 {
			t.Errorf("Len = %d after Close", n)
		}
		l1.Delete("a")
		l1.Clear()
	}
	l1.Set("b", new(cache.Entry[int]), L1Cost) // whatever it does, it does not panic
}

func l1ClosedInUse(t *testing.T, l1 cache.L1[string, int], entries int) {
	var wg sync.WaitGroup
	var stop atomic.Bool
	started := make(chan struct{}, 4)
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(g)))
			for i := 0; !stop.Load(); i++ {
				if i == entries {
					started <- struct{}{}
				}
				key := l1Key(r.IntN(3 * entries))
				switch {
				case r.IntN(10) == 0:
					l1.Delete(key)
				case r.IntN(1000) == 0:
					l1.Clear()
				default:
					if _, ok := l1.Get(key); !ok {
						l1.Set(key, new(cache.Entry[int]), L1Cost)
					}
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	l1.Close()
	stop.Store(true)
	wg.Wait()
	for i := range 3 * entries {
		if _, ok := l1.Get(l1Key(i)); ok {
			t.Fatalf("Get(%q) finds something after Close", l1Key(i))
		}
	}
}

// l1Versions: each key has one writer, which counts up, and readers, which never
// see a version older than one that was replaced or deleted before they asked.
func l1Versions(t *testing.T, l1 cache.L1[string, int], entries int) {
	const writers, readers, versions = 4, 4, 4096
	keys := entries / 2
	// The entries of a key lie one after another, so that the place tells the version.
	values := make([][]cache.Entry[int], keys)
	version := make([]map[*cache.Entry[int]]int, keys)
	floor := make([]atomic.Int64, keys)
	perKey := versions / 16
	for k := range values {
		values[k] = make([]cache.Entry[int], perKey)
		version[k] = make(map[*cache.Entry[int]]int, perKey)
		for v := range values[k] {
			version[k][&values[k][v]] = v
		}
	}
	var writing, reading sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(4, uint64(w)))
			next := make([]int, keys)
			for range keys / writers * perKey {
				k := w + writers*r.IntN(keys/writers)
				v := next[k]
				if v == perKey {
					continue
				}
				next[k]++
				l1.Set(l1Key(k), &values[k][v], L1Cost)
				floor[k].Store(int64(v))
				if r.IntN(4) == 0 {
					l1.Delete(l1Key(k))
					floor[k].Store(int64(v) + 1)
				}
				// Others make them leave.
				l1.Set(l1Key(keys+r.IntN(4*entries)), new(cache.Entry[int]), L1Cost)
			}
		})
	}
	for g := range readers {
		reading.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(g)))
			for i := 0; !done.Load(); i++ {
				if i%64 == 0 {
					runtime.Gosched() // or the others wait for their time slices
				}
				k := r.IntN(keys)
				least := floor[k].Load()
				e, ok := l1.Get(l1Key(k))
				if !ok {
					continue
				}
				if v, known := version[k][e]; !known || int64(v) < least {
					t.Errorf("key %d: a reader saw version %d (of this key: %v) when %d was the oldest left", k, v, known, least)
					return
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	reading.Wait()
}
