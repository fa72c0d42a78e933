package cache_test

import (
	"testing"

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
