package redisstore_test

import (
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/redisstore"
	"github.com/seawall-go/seawall/ratelimit"
)

// A thousand requests a minute for each client address, by a fleet of about
// eight processes together.
func Example() {
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{"redis:6379"},
	}))
	defer client.Close()
	store := seawall.Must(redisstore.New(redisstore.Config{Client: client}))

	perClient := ratelimit.PerIP(1000, time.Minute)
	perClient.Sharing = &ratelimit.Sharing{Store: store, Nodes: 8}
	limits := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{perClient}}))
	http.ListenAndServe(":8080", limits.Middleware(http.DefaultServeMux))
}

// Behind Sentinels the addresses are theirs.
func ExampleNew_sentinel() {
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs:      []string{"sentinel-1:26379", "sentinel-2:26379", "sentinel-3:26379"},
		MasterName: "shop",
	}))
	defer client.Close()
	store := seawall.Must(redisstore.New(redisstore.Config{Client: client}))
	_ = store
}

// Several addresses and no MasterName are those of a Cluster.
func ExampleNew_cluster() {
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{"node-1:6379", "node-2:6379", "node-3:6379"},
	}))
	defer client.Close()
	store := seawall.Must(redisstore.New(redisstore.Config{Client: client}))
	_ = store
}

// A Ring has options of its own.
func ExampleNew_ring() {
	client := redis.NewRing(&redis.RingOptions{
		Addrs:                 map[string]string{"a": "redis-a:6379", "b": "redis-b:6379"},
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
		DialTimeout:           time.Second,
		DialerRetries:         1,
		ReadTimeout:           time.Second,
		PoolSize:              500,
	})
	defer client.Close()
	store := seawall.Must(redisstore.New(redisstore.Config{Client: client}))
	_ = store
}
