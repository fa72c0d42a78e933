package main

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/redisstore"
	"github.com/seawall-go/seawall/cache"
)

// fleet is the Redis in which processes share what they have loaded, and tell
// each other what is no longer true.
type fleet struct {
	client redis.UniversalClient
	store  *redisstore.Store
	budget time.Duration // how long a request waits for it; default 50 ms
}

// dial does not connect yet: the caches work without, each process alone, and
// find Redis when it is there.
func dial(url string) (*fleet, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("feed: -redis: %w", err)
	}
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
	}))
	s, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		return nil, err
	}
	return &fleet{client: client, store: s}, nil
}

// version is part of all keys. Change it when Post changes its meaning: then old
// and new processes, side by side in a deployment, do not read each other's.
const version = "feed-1:"

// shared is the second tier of one cache. Each has its own keys and channel.
func shared[K comparable, V any](c config, name string) cache.Shared[K, V] {
	f := c.fleet
	if f == nil {
		return cache.Shared[K, V]{}
	}
	return cache.Shared[K, V]{
		L2:        f.store,
		Bus:       seawall.Must(redisstore.NewBus(redisstore.BusConfig{Client: f.client, Channel: version + name})),
		Prefix:    version + name,
		Budget:    f.budget,
		LeaseWait: c.timeout, // for what another process loads
	}
}
