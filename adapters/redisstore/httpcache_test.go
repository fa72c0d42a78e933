package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest/cachetest"
)

// TestHTTPCache: what HTTP caches that share a Redis and its bus are for.
func TestHTTPCache(t *testing.T) {
	t.Parallel()
	cachetest.HTTPCache(t, func(t *testing.T) cachetest.Engine {
		e := startRedis(t)
		return cachetest.Engine{
			Addr: e.addr,
			Node: func(t *testing.T, addr string) (cache.L2, cache.Bus) {
				c := client(t, &redis.UniversalOptions{Addrs: []string{addr}})
				return seawall.Must(New(Config{Client: c})), seawall.Must(NewBus(BusConfig{Client: c, Channel: "pages"}))
			},
			Stop: e.kill, Start: e.start,
			Listening: func() int { return int(e.do("pubsub", "numsub", "pages").([]any)[1].(int64)) },
		}
	})
}
