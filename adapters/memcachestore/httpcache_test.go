package memcachestore

import (
	"testing"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// TestHTTPCache: what HTTP caches that share a memcached, and have no bus, are for.
func TestHTTPCache(t *testing.T) {
	t.Parallel()
	cachetest.HTTPCache(t, func(t *testing.T) cachetest.Engine {
		e := startMemcached(t)
		return cachetest.Engine{
			Addr: e.addr,
			Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) { return storeOf(t, &engine{addr: addr}), nil },
			Stop: e.kill, Start: e.start,
		}
	})
}
