package memcachestore

import (
	"testing"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// TestConformance takes as long as seconds take to pass for memcached.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	engines := []*engine{startMemcached(t), startMemcached(t)}
	cachetest.L2(t, func(t *testing.T) cache.L2 { return storeOf(t, engines...) })
}
