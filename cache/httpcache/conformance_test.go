package httpcache_test

import (
	"context"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
	"github.com/seawall-go/seawall/seawalltest"
)

// TestConformance: what is not kept passes as if the Cache was not there.
func TestConformance(t *testing.T) {
	open := func() seawall.Middleware {
		// Who asks while the server has not yet noticed that the first one left waits
		// for that one's answer, here without end.
		c := seawall.Must(httpcache.New(httpcache.Config{CacheStatus: "off", Wait: time.Second}))
		t.Cleanup(func() { c.Close(context.Background()) })
		return c.Middleware
	}
	seawalltest.Conformance{}.Run(t, open())
}
