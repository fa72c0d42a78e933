package cache

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Entry is a value with its times. An L1 keeps pointers to them; what is inside
// is the Cache's. Beside the value it takes 64 bytes.
type Entry[V any] struct {
	value V
	// Times are nanoseconds of the Cache's own monotonic clock.
	//
	// soon is until when nothing has to be considered: the hot path looks at this
	// and at seen, and at nothing else. They stand beside the value, mostly on one
	// cache line with it.
	soon    atomic.Int64
	seen    atomic.Uint32 // the epoch of the Cache when it was last looked at closely
	took    uint32        // by the load; this, ttl, stale and last in milliseconds
	fresh   atomic.Int64  // until when it is as good as new
	retry   atomic.Int64  // no load before, as one has failed, or is another's
	created int64         // when its load began: what was invalidated later may be in it
	ttl     uint32
	stale   uint32 // for how much longer it may be shown while it is loaded anew
	last    uint32 // for how much longer if that fails
	tags    *tagList
}

// plain says that there is nothing to consider: it is fresh for some time, and
// nothing has been invalidated since it was last looked at closely.
func (e *Entry[V]) plain(now int64, epoch uint32) bool {
	return e.soon.Load() > now && e.seen.Load() == epoch
}

// State is what Peek found.
type State uint8

// The states.
const (
	// Miss: nothing that may be shown.
	Miss State = iota
	// Fresh: as good as new.
	Fresh
	// Stale: older than its TTL.
	Stale
	// Negative: it is known not to exist.
	Negative

	refreshing // fresh or stale, and to be loaded anew in the background
)

var stateNames = [...]string{"miss", "fresh", "stale", "negative"}

// String returns the name used in metric labels and logs.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

const ms = int64(time.Millisecond)

func millis(d time.Duration) uint32 { return uint32(min(max((int64(d)+ms-1)/ms, 0), math.MaxUint32)) }

// live sets the times of an entry whose load has ended.
func (c *Cache[K, V]) live(e *Entry[V], m *Meta, began, ended int64) {
	ttl := c.cfg.TTL
	if m.TTL > 0 {
		ttl = min(m.TTL, longest)
	}
	e.created = began
	e.took = millis(time.Duration(ended - began))
	e.ttl = millis(ttl)
	e.stale = millis(orOff(m.StaleWhileRevalidate, c.cfg.StaleWhileRevalidate))
	e.last = millis(orOff(m.StaleIfError, c.cfg.StaleIfError))
	// Shorter, never longer: what says how long it is good for is believed.
	e.fresh.Store(began + int64(float64(ttl)*(1-c.cfg.Jitter*rand.Float64())))
	c.calm(e, began)
}

func orOff(d, otherwise time.Duration) time.Duration {
	switch {
	case d == 0:
		return otherwise
	case d < 0:
		return 0
	}
	return min(d, longest)
}

// reach is at how many times took before its end a value may be loaded anew: in
// 3000 draws the logarithm goes beyond it once.
const reach = 8

// calm sets until when nothing has to be considered. From is when this entry
// became fresh, or was slid the last time.
func (c *Cache[K, V]) calm(e *Entry[V], from int64) {
	fresh := e.fresh.Load()
	soon := fresh - min(int64(float64(e.took)*float64(ms)*c.cfg.Early*reach), (fresh-from)/2)
	if c.cfg.Sliding {
		soon = min(soon, from+int64(e.ttl)*ms/16)
	}
	e.soon.Store(soon)
}

// early draws whether an entry with so much left is loaded anew now.
func (c *Cache[K, V]) early(e *Entry[V], left int64) bool {
	return c.cfg.Early > 0 && -float64(e.took)*float64(ms)*c.cfg.Early*math.Log(rand.Float64()) >= float64(left)
}

// slide begins the time of an entry anew, and says whether there is any left.
func (c *Cache[K, V]) slide(e *Entry[V], now int64) bool {
	fresh := min(now+int64(e.ttl)*ms, e.created+int64(c.cfg.MaxAge))
	if fresh <= e.fresh.Load() {
		return false
	}
	e.fresh.Store(fresh)
	c.calm(e, now)
	return true
}

// expire makes an entry stale.
func (e *Entry[V]) expire(now int64) {
	e.fresh.Store(min(e.fresh.Load(), now))
	e.soon.Store(0)
}

// pause keeps an entry from being loaded anew for d, within a quarter.
func (e *Entry[V]) pause(now int64, d time.Duration) {
	e.retry.Store(now + int64(float64(d)*(0.75+rand.Float64()/2)))
}

// end is when an entry may not be shown any more.
func (e *Entry[V]) end() int64 { return e.fresh.Load() + int64(max(e.stale, e.last))*ms }

// look judges what L1 had. With Miss, the entry is what may be shown if a load
// fails.
func (c *Cache[K, V]) look(key K, e *Entry[V]) (*Entry[V], State) {
	if e = c.valid(key, e); e == nil {
		if c.negatives.has(c, key) {
			return nil, Negative
		}
		return nil, Miss
	}
	now := c.clock.Exact()
	age := now - e.fresh.Load()
	idle := now < e.retry.Load() || c.hand.calm.Load()
	switch {
	case age < 0:
		if c.cfg.Sliding && c.slide(e, now) || idle || now < e.soon.Load() || !c.early(e, -age) {
			return e, Fresh
		}
		return e, refreshing
	case age < int64(e.stale)*ms:
		if idle {
			return e, Stale
		}
		return e, refreshing
	case age < int64(e.last)*ms:
		if idle {
			return e, Stale
		}
		return e, Miss
	}
	return nil, Miss
}

// peek is look without consequences.
func (c *Cache[K, V]) peek(key K, e *Entry[V]) (*Entry[V], State) {
	if e = c.valid(key, e); e == nil {
		if c.negatives.has(c, key) {
			return nil, Negative
		}
		return nil, Miss
	}
	switch now := c.clock.Exact(); {
	case now < e.fresh.Load():
		return e, Fresh
	case now < e.end(), c.remote != nil && now < e.created+int64(e.ttl)*ms: // LocalTTL is over, not its own
		return e, Stale
	}
	return nil, Miss
}

// valid returns e if nothing has been invalidated that is in it, else nil.
func (c *Cache[K, V]) valid(key K, e *Entry[V]) *Entry[V] {
	if e == nil {
		return nil
	}
	epoch, seen := c.epoch.Load(), e.seen.Load()
	if seen == epoch {
		return e
	}
	if !c.current(e) {
		c.drop(key, e)
		return nil
	}
	if int32(seen-c.gap.Load()) < 0 { // since then something may have been missed
		e.expire(c.clock.Exact())
	}
	e.tags.use()
	e.seen.Store(epoch)
	return e
}

// current says whether nothing has been invalidated that is in e.
func (c *Cache[K, V]) current(e *Entry[V]) bool {
	if c.all.Load() >= e.created {
		return false
	}
	if e.tags != nil {
		for _, t := range *e.tags {
			if t.epoch.Load() >= e.created {
				return false
			}
		}
	}
	return true
}
