package cache_test

import (
	"context"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// An engine bounded in entries.
func ExampleLRU() {
	l1 := seawall.Must(cache.LRU[string, int](1000))
	c := seawall.Must(cache.New(cache.Config[string, int]{L1: l1}))
	defer c.Close(context.Background())
	c.Set(context.Background(), "answer", 42)
	v, _, ok := c.Peek("answer")
	fmt.Println(v, ok)
	// Output: 42 true
}

// An engine bounded in bytes, with a counter for each KiB because entries are of
// about 10 KiB. Config.MaxBytes does the same with what is the default.
func ExampleRistretto() {
	l1 := seawall.Must(cache.Ristretto[string, []byte](cache.RistrettoConfig{MaxBytes: 64 << 20, Counters: 64 << 10}))
	c := seawall.Must(cache.New(cache.Config[string, []byte]{L1: l1}))
	defer c.Close(context.Background())
	c.Set(context.Background(), "page", make([]byte, 10_000))
	v, _, ok := c.Peek("page")
	fmt.Println(len(v), ok)
	// Output: 10000 true
}
