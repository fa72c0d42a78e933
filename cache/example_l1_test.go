package cache_test

import (
	"context"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// Bounded by count. This is what MaxEntries: 1000 does.
func ExampleLRU() {
	engine := seawall.Must(cache.LRU[string, string](1000))
	greetings := seawall.Must(cache.New(cache.Config[string, string]{L1: engine}))
	defer greetings.Close(context.Background())

	greetings.Set(context.Background(), "de", "Hallo")
	fmt.Println(greetings.Get(context.Background(), "de"))
	// Output: Hallo <nil>
}

// Bounded by memory. This is what MaxBytes: 64 << 20 does.
func ExampleRistretto() {
	engine := seawall.Must(cache.Ristretto[string, string](cache.RistrettoConfig{MaxBytes: 64 << 20}))
	greetings := seawall.Must(cache.New(cache.Config[string, string]{L1: engine}))
	defer greetings.Close(context.Background())

	greetings.Set(context.Background(), "de", "Hallo")
	fmt.Println(greetings.Get(context.Background(), "de"))
	// Output: Hallo <nil>
}

// An engine of one's own: here one that counts how often it is asked. One that is
// a Coster, too, is told the size of each entry.
func ExampleL1() {
	engine := &counting{L1: seawall.Must(cache.Ristretto[string, string](cache.RistrettoConfig{MaxBytes: 8 << 20}))}
	var _ cache.Coster = engine
	greetings := seawall.Must(cache.New(cache.Config[string, string]{L1: engine}))
	defer greetings.Close(context.Background())

	greetings.Set(context.Background(), "de", "Hallo")
	greetings.Get(context.Background(), "de")
	fmt.Println("asked", engine.gets, "times; bytes:", engine.MaxCost())
	// Output: asked 1 times; bytes: 8388608
}

type counting struct {
	cache.L1[string, string]

	gets int
}

func (c *counting) Get(key string) (*cache.Entry[string], bool) {
	c.gets++ // an engine for many goroutines counts otherwise
	return c.L1.Get(key)
}

func (c *counting) MaxCost() int64 { return 8 << 20 }
