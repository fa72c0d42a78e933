package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

type product struct {
	ID   int
	Name string
}

// slowly is where products come from, and says when it is asked.
func slowly(_ context.Context, id int, _ *cache.Meta) (product, error) {
	if id > 1000 {
		return product{}, fmt.Errorf("product %d: %w", id, cache.ErrNotFound)
	}
	fmt.Println("the database is asked for", id)
	return product{id, fmt.Sprint("product ", id)}, nil
}

// One load for all who ask, and none for those who ask within the next minute.
func Example() {
	products := seawall.Must(cache.New(cache.Config[int, product]{
		Load: slowly, // everything else has a default
	}))
	defer products.Close(context.Background())

	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if p, err := products.Get(context.Background(), 7); err != nil || p.Name != "product 7" {
				fmt.Println(p, err)
			}
		})
	}
	all.Wait()
	fmt.Println(products.Get(context.Background(), 7))
	// Output:
	// the database is asked for 7
	// {7 product 7} <nil>
}

// What a service with hot content may set.
func ExampleNew() {
	products, err := cache.New(cache.Config[int, product]{
		Name:                 "products",
		Load:                 slowly,
		TTL:                  time.Minute,
		StaleWhileRevalidate: time.Minute,     // answered at once, renewed meanwhile
		StaleIfError:         time.Hour,       // if the database is away
		LoadTimeout:          2 * time.Second, // of a query that takes 50 ms
		MaxBytes:             256 << 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer products.Close(context.Background())

	_, err = cache.New(cache.Config[int, product]{Jitter: 2})
	fmt.Println(err)
	// Output: seawall/cache: Jitter must be between 0 and 1, or seawall.Off (got 2)
}

// A Loader of its own for one call: what it loads needs more than the key.
func ExampleCache_GetOrLoad() {
	products := seawall.Must(cache.New(cache.Config[string, product]{}))
	defer products.Close(context.Background())

	// Everything the value depends on belongs into the key.
	language, id := "de", 7
	p, err := products.GetOrLoad(context.Background(), fmt.Sprint(language, id), func(ctx context.Context, _ string, m *cache.Meta) (product, error) {
		m.TTL = 10 * time.Minute
		return slowly(ctx, id, m)
	})
	fmt.Println(p, err)
	// Output:
	// the database is asked for 7
	// {7 product 7} <nil>
}

// What does not exist is remembered, too, for a shorter time.
func ExampleLoader() {
	var load cache.Loader[int, product] = slowly
	products := seawall.Must(cache.New(cache.Config[int, product]{Load: load}))
	defer products.Close(context.Background())

	_, err := products.Get(context.Background(), 4711)
	fmt.Println(errors.Is(err, cache.ErrNotFound), err)
	_, state, known := products.Peek(4711)
	fmt.Println(state, known)
	// Output:
	// true product 4711: seawall/cache: not found
	// negative true
}

// Many keys cost one query.
func ExampleCache_GetMany() {
	var load cache.BatchLoader[int, product] = func(_ context.Context, ids []int, found func(int, product, cache.Meta)) error {
		fmt.Println("the database is asked for", len(ids)) // SELECT ... WHERE id IN (...)
		for _, id := range ids {
			found(id, product{id, fmt.Sprint("product ", id)}, cache.Meta{})
		}
		return nil
	}
	products := seawall.Must(cache.New(cache.Config[int, product]{LoadMany: load}))
	defer products.Close(context.Background())

	products.GetMany(context.Background(), []int{1, 2, 3})
	page, err := products.GetMany(context.Background(), []int{1, 2, 3, 4, 5})
	fmt.Println(len(page), err)
	// Output:
	// the database is asked for 3
	// the database is asked for 2
	// 5 <nil>
}

// Peek is for pages and tests: it asks nobody.
func ExampleCache_Peek() {
	products := seawall.Must(cache.New(cache.Config[int, product]{Load: slowly}))
	defer products.Close(context.Background())

	_, state, _ := products.Peek(7)
	fmt.Println(state)
	products.Set(context.Background(), 7, product{7, "lamp"})
	p, state, _ := products.Peek(7)
	fmt.Println(state, p)
	// Output:
	// miss
	// fresh {7 lamp}
}

// The database first, then the cache. Delete is the safe one: whoever asks next
// reads what the database has.
func ExampleCache_Delete() {
	products := seawall.Must(cache.New(cache.Config[int, product]{Load: slowly}))
	defer products.Close(context.Background())
	rename := func(ctx context.Context, id int, name string) error {
		// db.ExecContext(ctx, "UPDATE products SET name = ? WHERE id = ?", name, id)
		return products.Delete(ctx, id)
	}

	products.Get(context.Background(), 7)
	rename(context.Background(), 7, "lamp")
	products.Get(context.Background(), 7)
	// Output:
	// the database is asked for 7
	// the database is asked for 7
}

// SetWith gives one value a TTL and tags of its own.
func ExampleCache_SetWith() {
	products := seawall.Must(cache.New(cache.Config[int, product]{}))
	defer products.Close(context.Background())

	products.SetWith(context.Background(), 7, product{7, "lamp"}, cache.Meta{
		TTL: time.Hour, StaleIfError: seawall.Off, Tags: []string{"shop:12"},
	})
	fmt.Println(products.Get(context.Background(), 7))
	products.InvalidateTags(context.Background(), "shop:12")
	_, err := products.Get(context.Background(), 7)
	fmt.Println(err)
	// Output:
	// {7 lamp} <nil>
	// seawall/cache: not found
}

// A tag is what values have in common, whatever their keys are.
func ExampleCache_InvalidateTags() {
	products := seawall.Must(cache.New(cache.Config[int, product]{
		Load: func(ctx context.Context, id int, m *cache.Meta) (product, error) {
			m.Tags = []string{fmt.Sprint("shop:", id%10)}
			return slowly(ctx, id, m)
		},
	}))
	defer products.Close(context.Background())

	products.Get(context.Background(), 1)
	products.Get(context.Background(), 11)
	products.Get(context.Background(), 2)
	products.InvalidateTags(context.Background(), "shop:1") // it has new prices
	for _, id := range []int{1, 11, 2} {
		_, state, _ := products.Peek(id)
		fmt.Println(id, state)
	}
	products.Clear(context.Background()) // and now all
	_, state, _ := products.Peek(2)
	fmt.Println(2, state)
	// Output:
	// the database is asked for 1
	// the database is asked for 11
	// the database is asked for 2
	// 1 miss
	// 11 miss
	// 2 fresh
	// 2 miss
}

// While the database fails, the last that was known is answered.
func Example_staleIfError() {
	var failing error
	products := seawall.Must(cache.New(cache.Config[int, product]{
		TTL: time.Millisecond, StaleWhileRevalidate: seawall.Off, StaleIfError: time.Hour,
		Load: func(context.Context, int, *cache.Meta) (product, error) { return product{7, "lamp"}, failing },
	}))
	defer products.Close(context.Background())

	products.Get(context.Background(), 7)
	failing = errors.New("connection refused")
	for state := cache.Fresh; state == cache.Fresh; { // until its TTL is over
		_, state, _ = products.Peek(7)
	}
	fmt.Println(products.Get(context.Background(), 7))
	fmt.Println(products.Stats().Degraded, "answered stale because of an error")
	// Output:
	// {7 lamp} <nil>
	// 1 answered stale because of an error
}

// Stats are totals; Snapshot is the same for dashboards, with metrics.
func ExampleCache_Stats() {
	products := seawall.Must(cache.New(cache.Config[int, product]{Name: "products", Load: slowly}))
	defer products.Close(context.Background())
	for range 4 {
		products.Get(context.Background(), 7)
	}
	s := products.Stats()
	fmt.Printf("%d %% of %d\n", 100*s.Hits/(s.Hits+s.Misses), s.Hits+s.Misses)
	snapshot := products.Snapshot()
	fmt.Println(snapshot.Component, snapshot.Name, snapshot.State)
	// Output:
	// the database is asked for 7
	// 75 % of 4
	// cache products ok
}

// What somebody on call can do: load nothing anew that can still be shown, for a
// database that is barely alive, and purge.
func ExampleCache_Override() {
	products := seawall.Must(cache.New(cache.Config[int, product]{Load: slowly}))
	defer products.Close(context.Background())

	for _, o := range []seawall.Override{
		{Control: "loads", Value: "when_empty", For: 10 * time.Minute, By: "ann", Why: "the database is slow"},
		{Control: "purge", Value: "shop:12", By: "ann", Why: "prices of 1 cent"},
	} {
		if err := products.Override(context.Background(), o); err != nil {
			fmt.Println(err)
		}
	}
	for _, c := range products.Controls() {
		fmt.Println(strings.TrimSpace(c.Name+" "+c.Value), c.By)
	}
	// Output:
	// loads when_empty ann
	// purge
}

func ExampleCache_GetState() {
	greetings := seawall.Must(cache.New(cache.Config[string, string]{
		Load: func(context.Context, string, *cache.Meta) (string, error) { return "Hallo", nil },
	}))
	defer greetings.Close(context.Background())
	for range 2 {
		v, state, _ := greetings.GetState(context.Background(), "de")
		fmt.Println(v, state)
	}
	// Output:
	// Hallo miss
	// Hallo fresh
}
