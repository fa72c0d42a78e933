package redisstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/redisstore"
	"github.com/seawall-go/seawall/cache"
)

// A cache whose values all processes share: one of them loads, and what one
// changes the others forget.
func Example_cache() {
	type product struct{ Name string }
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{"redis:6379"},
	}))
	defer client.Close()
	products := seawall.Must(cache.New(cache.Config[int, product]{
		Name: "products",
		Load: func(ctx context.Context, id int, _ *cache.Meta) (product, error) {
			return product{Name: "boots"}, nil // from the database
		},
		TTL: time.Minute,
		Shared: cache.Shared[int, product]{
			L2:  seawall.Must(redisstore.New(redisstore.Config{Client: client})),
			Bus: seawall.Must(redisstore.NewBus(redisstore.BusConfig{Client: client, Channel: "shop:products"})),
		},
	}))
	defer products.Close(context.Background())

	p, err := products.Get(context.Background(), 17)
	fmt.Println(p.Name, err)
}

// A bus by itself: what one says, all hear.
func ExampleNewBus() {
	client := redis.NewUniversalClient(redisstore.Tune(&redis.UniversalOptions{
		Addrs: []string{"redis:6379"},
	}))
	defer client.Close()
	bus := seawall.Must(redisstore.NewBus(redisstore.BusConfig{Client: client, Channel: "shop:products"}))

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go bus.Publish(ctx, []byte("17"))
	bus.Listen(ctx, func(message []byte) {
		fmt.Printf("%s has changed\n", message)
	}, func() {
		fmt.Println("there may have been others before")
	})
}
