package cache_test

import (
	"context"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// Somebody knows that there is something newer, but not what.
func ExampleCache_Refresh() {
	version := 1
	c := seawall.Must(cache.New(cache.Config[string, string]{
		Load: func(_ context.Context, key string, _ *cache.Meta) (string, error) {
			return fmt.Sprintf("%s v%d", key, version), nil
		},
	}))
	ctx := context.Background()
	defer c.Close(ctx)
	fmt.Println(c.Get(ctx, "price list"))
	version = 2
	fmt.Println(c.Get(ctx, "price list"))
	fmt.Println(c.Refresh(ctx, "price list", nil))
	// Output:
	// price list v1 <nil>
	// price list v1 <nil>
	// price list v2 <nil>
}

// What was read before an invalidation must not be kept after it.
func ExampleCache_Stamp() {
	c := seawall.Must(cache.New(cache.Config[string, string]{}))
	ctx := context.Background()
	defer c.Close(ctx)

	since := c.Stamp()
	report := "computed from last month's prices" // takes a while
	c.InvalidateTags(ctx, "prices")               // meanwhile

	c.SetWith(ctx, "report", report, cache.Meta{Since: since, Tags: []string{"prices"}})
	_, _, there := c.Peek("report")
	fmt.Println(there)
	// Output: false
}
