package coarse

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNow: while it is read it is never late by more than a tick, and never early.
func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		last := int64(0)
		for range 10_000 {
			time.Sleep(137 * time.Microsecond)
			now, exact := c.Now(), c.Exact()
			if now > exact || exact-now > int64(Tick) {
				t.Fatalf("%d at %d", now, exact)
			}
			if now < last {
				t.Fatalf("%d after %d", now, last)
			}
			last = now
		}
	})
}

// TestRest: a clock that nobody reads does not tick, and one that is read again is
// right at once.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		for range 3 {
			first := c.Now()
			if late := c.Exact() - first; late < 0 || late > 1 {
				t.Errorf("the first reading is late by %d ns", late)
			}
			if !c.isTicking() {
				t.Error("it does not tick though it was read")
			}
			time.Sleep((idle + 2) * Tick)
			synctest.Wait()
			if c.isTicking() {
				t.Error("it ticks though nobody reads it")
			}
			time.Sleep(time.Hour)
		}
	})
}

func (c *Clock) isTicking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ticking
}

// TestReadKeepsItGoing: one reading in a while is enough.
func TestReadKeepsItGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		c.Now()
		for range 100 {
			time.Sleep((idle - 2) * Tick)
			if !c.isTicking() {
				t.Fatal("it has stopped")
			}
			c.Now()
		}
	})
}

// TestClose: it ends, twice, too, and then reads the real clock.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		c.Now()
		c.Close()
		c.Close()
		for range 3 {
			time.Sleep(time.Second)
			if now, exact := c.Now(), c.Exact(); now != exact {
				t.Errorf("%d at %d", now, exact)
			}
		}
	}) // a goroutine that goes on is a deadlock here
}

// TestMany: readers, rests and Close at once, for the race detector; nobody sees
// the time go back.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				last := int64(0)
				for range 200 {
					time.Sleep(time.Duration(i+1) * 3 * Tick)
					for range 20 {
						now := c.Now()
						if now < last || now > c.Exact() {
							t.Errorf("%d after %d", now, last)
							return
						}
						last = now
					}
				}
			})
		}
		time.Sleep(time.Second)
		c.Close()
		all.Wait()
	})
}
