package cachetest

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall/cache"
)

var leaseChecks = []check{
	{name: "lease-exclusive", leases: true, run: checkExclusive},
	{name: "lease-keeps-value", leases: true, run: checkKeepsValue},
	{name: "lease-batch", leases: true, run: checkLeaseBatch},
	{name: "fill", leases: true, run: checkFill},
	{name: "fill-after-delete", leases: true, run: checkFillAfterDelete},
	{name: "fill-after-set", leases: true, run: checkFillAfterSet},
	{name: "fill-foreign", leases: true, run: checkFillForeign},
	{name: "release", leases: true, run: checkRelease},
	{name: "lease-ends", leases: true, run: checkLeaseEnds},
	{name: "never-stale", leases: true, run: checkNeverStale},
}

// checkExclusive: of a hundred who ask at once, one gets the lease of each key.
func checkExclusive(ctx context.Context, s *subject) error {
	const keys = 5
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprint("k", i)
	}
	var won [keys]atomic.Int64
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for g := range errs {
		wg.Go(func() {
			by := s
			if g%2 == 1 {
				by = s.other
			}
			mine := make([]bool, keys)
			errs[g] = by.leaser.Lease(ctx, s.keys(names...), fmt.Sprint("token", g), time.Minute, mine)
			for i, ok := range mine {
				if ok {
					won[i].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range won {
		if n := won[i].Load(); n != 1 {
			return fmt.Errorf("%d of 100 got the lease of key %d (%v)", n, i, first(errs...))
		}
	}
	return first(errs...)
}

// checkKeepsValue: what is there may be shown while it is loaded anew.
func checkKeepsValue(ctx context.Context, s *subject) error {
	return first(
		s.put(ctx, "a", "old"), s.gets(ctx, "a", "t1", true), s.other.holds(ctx, "a", "old"),
		s.gets(ctx, "a", "t2", false), s.holds(ctx, "a", "old"),
		s.release(ctx, "a", "t1"), s.holds(ctx, "a", "old"),
		s.gets(ctx, "a", "t3", true), s.fill(ctx, "a", "new", "t3"), s.holds(ctx, "a", "new"),
		s.gets(ctx, "b", "t1", true), s.lacks(ctx, "b"), // a lease is no value
	)
}

// checkLeaseBatch: each key by itself.
func checkLeaseBatch(ctx context.Context, s *subject) error {
	if err := s.gets(ctx, "b", "t1", true); err != nil {
		return err
	}
	won := make([]bool, 3)
	if err := s.other.leaser.Lease(ctx, s.keys("a", "b", "c"), "t2", time.Minute, won); err != nil {
		return err
	}
	if !won[0] || won[1] || !won[2] {
		return fmt.Errorf("got the leases %v, want all but the second", won)
	}
	if err := first(
		s.leaser.Fill(ctx, []cache.Item{s.item("a", "1"), s.item("b", "1"), s.item("c", "1"), s.item("d", "1")}, "t2"),
		s.holds(ctx, "a", "1"), s.holds(ctx, "c", "1"), s.lacks(ctx, "b", "d"),
		s.gets(ctx, "b", "t3", false), // still t1's
		s.leaser.Release(ctx, s.keys("a", "b", "c"), "t1"),
		s.gets(ctx, "b", "t3", true),
	); err != nil {
		return err
	}
	won = make([]bool, 1000)
	many := make([]string, len(won))
	for i := range many {
		many[i] = s.key(strconv.Itoa(i))
	}
	if err := s.leaser.Lease(ctx, many, "t4", time.Minute, won); err != nil {
		return err
	}
	for i := range won {
		if !won[i] {
			return fmt.Errorf("the lease of key %d of 1000 was not given", i)
		}
	}
	return first(s.leaser.Release(ctx, many, "t4"), s.gets(ctx, "999", "t5", true))
}

// checkFill: it writes, as long as its Item says, and ends the lease.
func checkFill(ctx context.Context, s *subject) error {
	if err := first(
		s.gets(ctx, "a", "t1", true), s.fill(ctx, "a", "1", "t1"), s.other.holds(ctx, "a", "1"),
		s.fill(ctx, "a", "2", "t1"), s.holds(ctx, "a", "1"), // the lease was used
		s.other.gets(ctx, "a", "t2", true), s.fill(ctx, "a", "", "t2"), s.holds(ctx, "a", ""),
		s.fill(ctx, "b", "1", "t1"), s.lacks(ctx, "b"), // nobody had a lease
		s.gets(ctx, "c", "t1", true),
		s.leaser.Fill(ctx, []cache.Item{{Key: s.key("c"), Value: []byte("1"), TTL: time.Second}}, "t1"),
	); err != nil {
		return err
	}
	return eventually(ctx, "what was filled to expire", func() (bool, error) {
		v, err := s.get(ctx, "c")
		return v == nil, err
	})
}

// checkFillAfterDelete: what was read before a Delete is not stored after it.
func checkFillAfterDelete(ctx context.Context, s *subject) error {
	return first(
		s.gets(ctx, "a", "t1", true), s.other.del(ctx, "a"),
		s.fill(ctx, "a", "stale", "t1"), s.lacks(ctx, "a"),
		// A Delete ends the lease, so that the next one loads at once.
		s.gets(ctx, "a", "t2", true), s.fill(ctx, "a", "stale", "t1"), s.lacks(ctx, "a"),
		s.fill(ctx, "a", "new", "t2"), s.holds(ctx, "a", "new"),
		// Also where there was a value.
		s.gets(ctx, "a", "t3", true), s.del(ctx, "a"), s.fill(ctx, "a", "stale", "t3"), s.lacks(ctx, "a"),
	)
}

// checkFillAfterSet: nor over what was set since.
func checkFillAfterSet(ctx context.Context, s *subject) error {
	return first(
		s.gets(ctx, "a", "t1", true), s.other.put(ctx, "a", "set"),
		s.fill(ctx, "a", "stale", "t1"), s.holds(ctx, "a", "set"),
		s.gets(ctx, "a", "t2", true), s.fill(ctx, "a", "stale", "t1"), s.holds(ctx, "a", "set"),
		s.other.put(ctx, "a", "set"), s.fill(ctx, "a", "stale", "t2"), s.holds(ctx, "a", "set"), // the same value again
	)
}

func checkFillForeign(ctx context.Context, s *subject) error {
	return first(
		s.gets(ctx, "a", "t1", true),
		s.other.fill(ctx, "a", "foreign", "t2"), s.other.fill(ctx, "a", "foreign", "t"), s.other.fill(ctx, "a", "foreign", "t11"),
		s.lacks(ctx, "a"), s.gets(ctx, "a", "t3", false),
		s.fill(ctx, "a", "mine", "t1"), s.holds(ctx, "a", "mine"),
	)
}

func checkRelease(ctx context.Context, s *subject) error {
	return first(
		s.release(ctx, "a", "t1"), // nothing to release
		s.gets(ctx, "a", "t1", true), s.other.release(ctx, "a", "t2"), s.gets(ctx, "a", "t2", false),
		s.release(ctx, "a", "t1"), s.other.gets(ctx, "a", "t2", true),
		s.release(ctx, "a", "t1"), s.gets(ctx, "a", "t3", false), // a second time: it is another's now
		s.fill(ctx, "a", "stale", "t1"), s.lacks(ctx, "a"),
		s.del(ctx, "a"), s.gets(ctx, "a", "t4", true), s.release(ctx, "a", "t2"), s.gets(ctx, "a", "t5", false),
	)
}

// checkLeaseEnds: a process that died with a lease holds nobody up for longer
// than its time, and if it was only slow, what it has is not stored.
func checkLeaseEnds(ctx context.Context, s *subject) error {
	won := make([]bool, 1)
	if err := s.leaser.Lease(ctx, s.keys("a"), "t1", time.Second, won); err != nil || !won[0] {
		return fmt.Errorf("got the lease: %v, %w", won[0], err)
	}
	if err := eventually(ctx, "the lease to end", func() (bool, error) { return s.other.lease(ctx, "a", "t2") }); err != nil {
		return err
	}
	if err := first(
		s.fill(ctx, "a", "late", "t1"), s.lacks(ctx, "a"), s.release(ctx, "a", "t1"), s.gets(ctx, "a", "t3", false),
		s.other.fill(ctx, "a", "new", "t2"), s.holds(ctx, "a", "new"),
	); err != nil {
		return err
	}
	// Less than an engine can count is not for ever, and much is not nothing.
	if err := s.leaser.Lease(ctx, s.keys("b"), "t1", 1, won); err != nil {
		return err
	}
	if err := s.leaser.Lease(ctx, s.keys("c"), "t1", 1000*time.Hour, won); err != nil || !won[0] {
		return fmt.Errorf("a lease of 1000 h: %v, %w", won[0], err)
	}
	if err := eventually(ctx, "a lease of a nanosecond to end", func() (bool, error) { return s.lease(ctx, "b", "t2") }); err != nil {
		return err
	}
	return s.gets(ctx, "c", "t2", false)
}

// checkNeverStale: writers change a number and then delete it from the store,
// loaders lease, read and fill. Nobody may find a number that is older than one
// whose Delete had ended before he looked.
func checkNeverStale(ctx context.Context, s *subject) error {
	const rounds = 150
	var truth, deleted atomic.Int64
	var writers, loaders sync.WaitGroup
	var over atomic.Bool
	var fills atomic.Int64
	errs := make([]error, 8)
	for g := range 2 {
		writers.Go(func() {
			// At least until somebody has got a lease: the others may be late to begin.
			for i := 0; (i < rounds || i < 20*rounds && fills.Load() == 0) && errs[g] == nil; i++ {
				if i >= rounds {
					runtime.Gosched()
				}
				v := truth.Add(1)
				if errs[g] = s.del(ctx, "a"); errs[g] == nil {
					raise(&deleted, v)
				}
			}
		})
	}
	for g := 2; g < len(errs); g++ {
		loaders.Go(func() {
			by := s
			if g%2 == 1 {
				by = s.other
			}
			for i := 0; !over.Load() && errs[g] == nil; i++ {
				errs[g] = by.readOrLoad(ctx, fmt.Sprint("t", g, "-", i), &truth, &deleted, &fills)
			}
		})
	}
	writers.Wait()
	over.Store(true)
	loaders.Wait()
	if err := first(errs...); err != nil {
		return err
	}
	if fills.Load() == 0 {
		return fmt.Errorf("nobody got a lease")
	}
	return s.readOrLoad(ctx, "last", &truth, &deleted, &fills)
}

// raise makes it at least v.
func raise(n *atomic.Int64, v int64) {
	for old := n.Load(); old < v; old = n.Load() {
		if n.CompareAndSwap(old, v) {
			return
		}
	}
}

func (s *subject) readOrLoad(ctx context.Context, token string, truth, deleted, fills *atomic.Int64) error {
	least := deleted.Load()
	v, err := s.get(ctx, "a")
	if err != nil {
		return err
	}
	if v != nil {
		got, err := strconv.ParseInt(string(v), 10, 64)
		if err == nil && got < least {
			err = fmt.Errorf("read %d after the Delete of %d", got, least)
		}
		return err
	}
	won, err := s.lease(ctx, "a", token)
	if err != nil || !won {
		return err
	}
	fills.Add(1)
	return s.fill(ctx, "a", strconv.FormatInt(truth.Load(), 10), token)
}
