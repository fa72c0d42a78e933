package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall/adapters/redisstore"
	"github.com/seawall-go/seawall/ratelimit"
)

// dial returns a store in the Redis at url. It does not connect yet: the limits
// work without, each process alone, and find Redis when it is there.
func dial(url string) (store ratelimit.Remote, hangUp func() error, err error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, nil, fmt.Errorf("limits: -redis: %w", err)
	}
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
	}))
	s, err := redisstore.New(redisstore.Config{Client: client})
	if err != nil {
		return nil, nil, err
	}
	return s, client.Close, nil
}
