package cache_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// A process loads what everybody will ask for before it says that it is ready.
func ExampleCache_Warm() {
	products := seawall.Must(cache.New(cache.Config[int, product]{
		LoadMany: func(_ context.Context, ids []int, found func(int, product, cache.Meta)) error {
			for _, id := range ids {
				found(id, product{id, "a hot one"}, cache.Meta{})
			}
			return nil
		},
	}))
	defer products.Close(context.Background())

	// A cold process is better than one that never becomes ready.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	hot := slices.Values([]int{7, 11, 13, 17, 19}) // from a query, or yesterday's log
	report, err := products.Warm(ctx, hot, cache.WarmConfig{
		Batch: 2, Workers: 1, Total: 5,
		Progress: func(p cache.WarmProgress) {
			if p.Done == p.Total { // for a bar on a terminal see examples/feed
				fmt.Printf("%d of %d\n", p.Done, p.Total)
			}
		},
	})
	fmt.Println(report.Loaded, "loaded,", report.Failed, "failed,", err)
	for _, f := range report.Failures { // the first hundred
		fmt.Println(f.Key, f.Err)
	}
	// Output:
	// 5 of 5
	// 5 loaded, 0 failed, <nil>
}
