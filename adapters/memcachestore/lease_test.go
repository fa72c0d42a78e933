package memcachestore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// TestLease goes through what a lease is, on a key that has no value and on one
// that has a stale one.
func TestLease(t *testing.T) {
	e := startMemcached(t)
	s, other := storeOf(t, e), storeOf(t, e)
	for _, before := range []string{"-", "stale"} {
		start := func(t *testing.T, key string) {
			t.Helper()
			if before != "-" {
				set(t, s, key, before)
			}
			wins(t, s, "a", key)
			loses(t, other, "b", key)
			loses(t, s, "a", key) // asked again
			holdsThat(t, other, key, before)
		}
		for what, end := range map[string]func(t *testing.T, key string){
			"fill": func(t *testing.T, key string) {
				fill(t, s, "a", key, "new")
				holdsThat(t, other, key, "new")
				fill(t, s, "a", key, "newer") // it has ended
				holdsThat(t, other, key, "new")
			},
			"fill of another": func(t *testing.T, key string) {
				fill(t, other, "b", key, "foreign")
				holdsThat(t, other, key, before)
				release(t, other, "b", key)
				loses(t, other, "b", key)
				fill(t, s, "a", key, "new")
			},
			"release": func(t *testing.T, key string) {
				release(t, other, "b", key)
				loses(t, other, "b", key)
				release(t, s, "a", key)
				holdsThat(t, other, key, before)
				fill(t, s, "a", key, "too late")
				holdsThat(t, other, key, before)
			},
			"set": func(t *testing.T, key string) {
				set(t, other, key, "written")
				fill(t, s, "a", key, "read before")
				release(t, s, "a", key)
				holdsThat(t, other, key, "written")
			},
			"set again": func(t *testing.T, key string) { // to the same value
				set(t, other, key, before)
				fill(t, s, "a", key, "read before")
				holdsThat(t, other, key, before)
			},
			"delete": func(t *testing.T, key string) {
				remove(t, other, key)
				fill(t, s, "a", key, "read before")
				holdsThat(t, other, key, "-")
			},
			"delete, won by another": func(t *testing.T, key string) {
				remove(t, other, key)
				wins(t, other, "b", key)
				fill(t, s, "a", key, "read before")
				release(t, s, "a", key)
				holdsThat(t, other, key, "-")
				loses(t, s, "a", key)
				fill(t, other, "b", key, "new")
				holdsThat(t, other, key, "new")
			},
			"delete and set": func(t *testing.T, key string) {
				remove(t, other, key)
				set(t, other, key, "written")
				fill(t, s, "a", key, "read before")
				holdsThat(t, other, key, "written")
			},
		} {
			t.Run(before+" "+what, func(t *testing.T) {
				key := before + what
				start(t, key)
				end(t, key)
				wins(t, other, "c", key) // whatever it was, the lease has ended
				fill(t, other, "c", key, "last")
				holdsThat(t, s, key, "last")
			})
		}
	}
}

// TestLeaseExclusive: one of a hundred wins each key, whatever there is before.
func TestLeaseExclusive(t *testing.T) {
	e := startMemcached(t)
	stores := []*Store{storeOf(t, e), storeOf(t, e)}
	for round := range 10 {
		keys := []string{fmt.Sprint("missing", round), fmt.Sprint("stale", round), fmt.Sprint("leased before", round)}
		set(t, stores[0], keys[1], "1")
		set(t, stores[0], keys[2], "1")
		wins(t, stores[0], "before", keys[2])
		set(t, stores[0], keys[2], "2") // leaves a void lease
		var won [3]atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				for n, ok := range lease(t, stores[i%2], fmt.Sprint(i), keys...) {
					if ok {
						won[n].Add(1)
					}
				}
			})
		}
		wg.Wait()
		for i := range won {
			if n := won[i].Load(); n != 1 {
				t.Errorf("%q was won %d times", keys[i], n)
			}
		}
	}
}

// TestNeverStale has many processes load, write and look at few keys of a real
// memcached: what was read before a Delete or a Set is never seen after it.
func TestNeverStale(t *testing.T) {
	servers := []*engine{startMemcached(t), startMemcached(t)}
	const keys, processes = 4, 8
	rounds := 600
	if os.Getenv("SEAWALL_LONG") == "1" {
		rounds = 30_000
	}
	type row struct {
		mu    sync.Mutex   // one writer at a time, as in a database
		truth atomic.Int64 // what the database holds
		least atomic.Int64 // no value below it may be seen any more
	}
	var rows [keys]row
	var filled, seen atomic.Int64
	var wg sync.WaitGroup
	for p := range processes {
		s := storeOf(t, servers...)
		wg.Go(func() {
			for n := range rounds {
				i := rand.IntN(keys)
				r, key := &rows[i], []string{fmt.Sprint("k", i)}
				switch rand.IntN(10) {
				case 0, 1: // writes
					r.mu.Lock()
					truth := r.truth.Add(1)
					var err error
					if rand.IntN(2) == 0 {
						err = s.Set(t.Context(), []cache.Item{{Key: key[0], Value: fmt.Append(nil, truth), TTL: time.Hour}})
					} else {
						err = s.Delete(t.Context(), key)
					}
					r.least.Store(truth)
					r.mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				case 2, 3, 4, 5, 6: // loads
					token, won := fmt.Sprint(p, "/", n), make([]bool, 1)
					if err := s.Lease(t.Context(), key, token, time.Minute, won); err != nil {
						t.Error(err)
					}
					if !won[0] {
						continue
					}
					truth := r.truth.Load()
					for range rand.IntN(3) { // it takes a while
						s.Get(t.Context(), key, make([][]byte, 1))
					}
					if rand.IntN(10) == 0 {
						s.Release(t.Context(), key, token)
						continue
					}
					if err := s.Fill(t.Context(), []cache.Item{{Key: key[0], Value: fmt.Append(nil, truth), TTL: time.Hour}}, token); err != nil {
						t.Error(err)
					}
					filled.Add(1)
				default: // looks
					least, values := r.least.Load(), make([][]byte, 1)
					if _, err := s.Get(t.Context(), key, values); err != nil {
						t.Error(err)
					}
					if values[0] == nil {
						continue
					}
					seen.Add(1)
					if got, _ := strconv.ParseInt(string(values[0]), 10, 64); got < least {
						t.Errorf("%s is %d, and %d was gone before", key[0], got, least)
					}
				}
			}
		})
	}
	wg.Wait()
	if filled.Load() < int64(rounds/4) || seen.Load() < int64(rounds/4) {
		t.Errorf("%d fills and %d looks at a value show nothing", filled.Load(), seen.Load())
	}
	t.Logf("%d fills, %d looks at a value", filled.Load(), seen.Load())
}
