package otterstore_test

import (
	"context"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/otterstore"
	"github.com/seawall-go/seawall/cache"
)

// The fastest engine, bounded in bytes.
func Example() {
	c := seawall.Must(cache.New(cache.Config[string, int]{
		L1: seawall.Must(otterstore.New[string, int](otterstore.Config{MaxBytes: 64 << 20})),
	}))
	defer c.Close(context.Background())
	c.Set(context.Background(), "answer", 42)
	v, _, ok := c.Peek("answer")
	fmt.Println(v, ok)
	// Output: 42 true
}

// Bounded by the number of entries.
func ExampleNew() {
	l1 := seawall.Must(otterstore.New[string, int](otterstore.Config{MaxEntries: 100_000}))
	defer l1.Close()
	fmt.Println(l1.Len())
	// Output: 0
}
