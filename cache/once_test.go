package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// lateL1 lets something happen after its first answer.
type lateL1 struct {
	cache.L1[string, string]

	did       bool
	meanwhile func()
}

func (l *lateL1) Get(key string) (*cache.Entry[string], bool) {
	e, ok := l.L1.Get(key)
	if !l.did {
		l.did = true
		l.meanwhile()
	}
	return e, ok
}

// Somebody finds nothing in L1; before there is a flight, another's has ended.
func TestLoadsOnceWhoeverIsLate(t *testing.T) {
	src := &source{}
	engine := &lateL1{L1: seawall.Must(cache.LRU[string, string](10))}
	c := closing(t, cache.Config[string, string]{L1: engine, Load: src.load})
	engine.meanwhile = func() { get(t, c, "a", "a-1") }
	get(t, c, "a", "a-1")
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

type lateLease struct {
	*fakeRedis

	meanwhile func()
}

func (l *lateLease) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	l.meanwhile()
	return l.fakeRedis.Lease(ctx, keys, token, ttl, won)
}

// A process reads that L2 has nothing; before it asks for the lease, another one
// has loaded and filled.
func TestLoadsOnceInAFleetWhoeverIsLate(t *testing.T) {
	redis := newFakeRedis()
	src := &source{}
	process := func(l2 cache.L2) *cache.Cache[string, string] {
		return closing(t, cache.Config[string, string]{Load: src.load, Shared: cache.Shared[string, string]{L2: l2, Budget: 5 * time.Second}})
	}
	one := process(redis)
	two := process(&lateLease{redis, func() {
		get(t, one, "a", "a-1")
		redis.holds(1) // its Fill comes after its Get
	}})
	get(t, two, "a", "a-1")
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads by two processes", n)
	}
}
