package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// Two processes share a tier: what one has loaded the other need not, and what one
// changes the other forgets. In your service L2 is a redisstore.Store and Bus a
// redisstore.Bus.
func ExampleShared() {
	redis := newFakeRedis()
	var (
		l2  cache.L2  = redis // and a cache.Leaser, so that one of all processes loads
		bus cache.Bus = redis
	)
	process := func(name string) *cache.Cache[int, product] {
		return seawall.Must(cache.New(cache.Config[int, product]{
			Name: "products",
			Load: func(context.Context, int, *cache.Meta) (product, error) {
				fmt.Println(name, "loads")
				return product{7, "lamp"}, nil
			},
			Shared: cache.Shared[int, product]{L2: l2, Bus: bus, Budget: 5 * time.Second},
		}))
	}
	a, b := process("a"), process("b")
	defer b.Close(context.Background())
	defer a.Close(context.Background())
	redis.heardBy(2)

	ctx := context.Background()
	a.Get(ctx, 7)
	fmt.Println(b.Get(ctx, 7)) // from L2
	b.Set(ctx, 7, product{7, "chair"})
	fmt.Println(a.Get(ctx, 7)) // it was told to forget the lamp
	// Output:
	// a loads
	// {7 lamp} <nil>
	// {7 chair} <nil>
}

// The lease: whoever asks first for what nobody has may load it. What it brings
// is not kept if it was deleted meanwhile.
func ExampleLeaser() {
	var l2 interface {
		cache.L2
		cache.Leaser
	} = newFakeRedis()
	ctx, keys, won := context.Background(), []string{"7"}, make([]bool, 1)

	l2.Lease(ctx, keys, "a", time.Second, won)
	fmt.Println("a:", won[0])
	l2.Lease(ctx, keys, "b", time.Second, won)
	fmt.Println("b:", won[0])
	l2.Delete(ctx, keys) // somebody changes the product
	l2.Fill(ctx, []cache.Item{{Key: "7", Value: []byte("lamp"), TTL: time.Minute}}, "a")
	values := make([][]byte, 1)
	l2.Get(ctx, keys, values)
	fmt.Println("kept:", values[0] != nil)
	l2.Release(ctx, keys, "a")
	// Output:
	// a: true
	// b: false
	// kept: false
}

// Values are JSON in L2, and strings and byte slices what they are. Another Codec
// is the form of both processes during a deployment: give it another Name when it
// changes.
func ExampleCodec() {
	config := cache.Shared[int, product]{L2: newFakeRedis(), Codec: cache.JSON[product]()}
	form, err := config.Codec.Append(nil, product{7, "lamp"})
	fmt.Println(config.Codec.Name(), string(form), err)
	p, err := config.Codec.Decode(form)
	fmt.Println(p, err)
	raw := cache.Raw[string]()
	fmt.Println(raw.Name())
	// Output:
	// json {"ID":7,"Name":"lamp"} <nil>
	// {7 lamp} <nil>
	// raw
}

// A key type of one's own, with the form it has in L2.
func ExampleShared_keys() {
	type key struct {
		Shop int
		SKU  string
	}
	redis := newFakeRedis()
	products := seawall.Must(cache.New(cache.Config[key, string]{
		Name: "products", Shared: cache.Shared[key, string]{L2: redis, Prefix: "shop-2"}, // 2: since prices are in cents
	}))
	products.Set(context.Background(), key{12, "lamp, red"}, "14.90")
	products.Close(context.Background())
	fmt.Println(redis.keys())
	// Output: [shop-2:v:12,"lamp, red"]
}

// clocked is an L2 that tells its time, when it is asked.
type clocked struct{ cache.L2 }

func (c clocked) Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	if cache.AsksTime(ctx) {
		now = time.Now() // the server's, in the same round trip
	}
	_, err = c.L2.Get(ctx, keys, values)
	return now, err
}

// An engine of one's own is asked for its time about once a second.
func ExampleAskTime() {
	engine := clocked{newFakeRedis()}
	for _, ctx := range []context.Context{context.Background(), cache.AskTime(context.Background())} {
		now, _ := engine.Get(ctx, []string{"key"}, make([][]byte, 1))
		fmt.Println("asked:", cache.AsksTime(ctx), "told:", !now.IsZero())
	}
	// Output:
	// asked: false told: false
	// asked: true told: true
}
