// Package coarse is a clock that is read by a load from memory. Reading the
// real one takes 30 to 130 ns, more than all else that a hit in a cache does.
package coarse

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Tick is how late Now may be, beside what its goroutine has to wait for a
	// processor.
	Tick = 5 * time.Millisecond
	idle = 20 // ticks without a reader until it stops
)

// Clock counts nanoseconds since it was made, monotonic, from 1. It ticks only
// while somebody reads it.
type Clock struct {
	base time.Time
	// now is 0 while it does not tick. Its lowest bit says that somebody has read
	// it since the last tick: so a reader looks at one word, and stores only once
	// a tick. A store each time would cost all other readers the cache line.
	now atomic.Int64

	mu      sync.Mutex
	ticking bool
	closed  bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// New returns a Clock. It starts nothing.
func New() *Clock { return &Clock{base: time.Now(), stop: make(chan struct{})} }

// Exact reads the real clock.
func (c *Clock) Exact() int64 { return int64(time.Since(c.base)) + 1 }

// Now is about Exact, never later.
func (c *Clock) Now() int64 {
	if n := c.now.Load(); n&1 != 0 {
		return n
	}
	return c.first()
}

// first is Now for the first reader after a tick.
func (c *Clock) first() int64 {
	for {
		switch n := c.now.Load(); {
		case n == 0:
			return c.start()
		case n&1 != 0 || c.now.CompareAndSwap(n, n|1):
			return n | 1
		}
	}
}

func (c *Clock) start() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Exact()
	if c.closed {
		return now
	}
	c.now.Store((now - 1) | 1)
	if !c.ticking {
		c.ticking = true
		c.stopped.Add(1)
		go c.tick()
	}
	return now
}

func (c *Clock) tick() {
	defer c.stopped.Done()
	t := time.NewTicker(Tick)
	defer t.Stop()
	for unread := 0; ; {
		select {
		case <-t.C:
		case <-c.stop:
			return
		}
		// With its lowest bit it is not later than Exact either.
		if c.now.Swap((c.Exact()-1)&^1)&1 != 0 {
			unread = 0
		} else if unread++; unread == idle {
			c.rest()
			return
		}
	}
}

// rest ends the ticking until somebody reads.
func (c *Clock) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Store(0)
	c.ticking = false
}

// Close ends the ticking for good. Now reads the real clock from then on.
func (c *Clock) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.stop)
	}
	c.mu.Unlock()
	c.stopped.Wait()
	c.now.Store(0)
}
