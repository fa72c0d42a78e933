package cache

import "time"

// SetWallClock makes a Cache one of a process whose wall clock is wrong by d. All
// it uses of that clock is what it was at the beginning.
func SetWallClock[K comparable, V any](c *Cache[K, V], d time.Duration) {
	c.remote.clock.offset += d.Microseconds()
}
