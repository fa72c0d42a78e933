package cache_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

func long() bool { return os.Getenv("SEAWALL_LONG") != "" }

// bubble is a subtest in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// tick is how late the clock of the hot path may be.
const tick = 5 * time.Millisecond

// sight is a value: what was read of a key, and in which version.
type sight struct{ Key, N int }

// absent says in which versions a key does not exist.
func absent(n int) bool { return n%5 == 4 }

// truth is the source of the model tests. The version of a key only grows, and
// truth knows when each one ended, and which ones the caches were told of.
type truth struct {
	mu   sync.Mutex
	keys []known
}

type known struct {
	writer sync.Mutex  // held by who changes the key and then calls Set, so that Sets come in order
	ended  []time.Time // of each version but the present one
	floor  floor       // older ones were overwritten, deleted or invalidated, and that has returned
}

// floor is the oldest version that may be seen, and the oldest that may be seen
// not to exist: what does not exist may have no tags.
type floor struct{ value, none int }

func newTruth(keys int) *truth { return &truth{keys: make([]known, keys)} }

// read is what a load does.
func (w *truth) read(key int) (sight, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.keys[key].ended)
	if absent(n) {
		return sight{}, fmt.Errorf("no rows: %w", cache.ErrNotFound)
	}
	return sight{key, n}, nil
}

// change begins the next version, one that exists if it must.
func (w *truth) change(key int, exists bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := &w.keys[key]
	k.ended = append(k.ended, time.Now())
	if exists && absent(len(k.ended)) {
		k.ended = append(k.ended, time.Now())
	}
	return len(k.ended)
}

// present returns the versions of all keys.
func (w *truth) present() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]int, len(w.keys))
	for i := range w.keys {
		out[i] = len(w.keys[i].ended)
	}
	return out
}

// gone notes that a call has returned after which nothing older may be seen.
func (w *truth) gone(key, n int) { w.raise(key, floor{n, n}) }

func (w *truth) raise(key int, to floor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &w.keys[key].floor
	f.value, f.none = max(f.value, to.value), max(f.none, to.none)
}

func (w *truth) floor(key int) floor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[key].floor
}

// bounds are how long after the end of a version it may be seen, if nobody was
// told of it.
type bounds struct{ value, negative time.Duration }

// judge says what is wrong with an answer to somebody who asked when the floor
// was that.
func (w *truth) judge(key int, from floor, v sight, err error, b bounds) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, now := &w.keys[key], time.Now()
	n := len(k.ended)
	age := func(m int) time.Duration {
		if m >= n {
			return 0
		}
		return now.Sub(k.ended[m])
	}
	switch {
	case errors.Is(err, cache.ErrNotFound):
		for m := n; m >= from.none; m-- {
			if absent(m) && age(m) <= b.negative+tick {
				return nil
			}
		}
		return fmt.Errorf("key %d was not found in a version above %d of %d", key, from.none, n)
	case err != nil:
		return nil
	case v.Key != key || v.N > n || absent(v.N):
		return fmt.Errorf("key %d has version %d of %d: there is none", key, v.N, v.Key)
	case v.N < from.value:
		return fmt.Errorf("key %d has version %d, invalid since %v, before that was asked; valid is %d, there is %d", key, v.N, age(v.N), from.value, n)
	case age(v.N) > b.value+tick:
		return fmt.Errorf("key %d has version %d of %d, past since %v, more than %v", key, v.N, n, age(v.N), b.value)
	}
	return nil
}
