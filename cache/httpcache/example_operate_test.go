package httpcache_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// Stats are totals; Snapshot is the same for dashboards, with metrics.
func ExampleCache_Stats() {
	pages := seawall.Must(httpcache.New(httpcache.Config{Name: "pages"}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)
	for range 4 {
		get(front, "/news")
	}
	s := pages.Stats()
	fmt.Printf("%d %% of %d, %d stored\n", 100*s.Hits/(s.Hits+s.Misses), s.Hits+s.Misses, s.Stored)
	snapshot := pages.Snapshot()
	fmt.Println(snapshot.Component, snapshot.Name, snapshot.State)
	// Output:
	// computing /news
	// 75 % of 4, 1 stored
	// httpcache pages ok
}

// What somebody on call can do: renew nothing that can still be shown, for a backend
// that is barely alive; purge; and take this cache out.
func ExampleCache_Override() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())

	for _, o := range []seawall.Override{
		{Control: "renewals", Value: "when_empty", For: 10 * time.Minute, By: "ann", Why: "the database is slow"},
		{Control: "purge", Value: "tag:shop:12", By: "ann", Why: "prices of 1 cent"},
		{Control: "purge", Value: "https://example.org/shop/*", By: "ann", Why: "and those that have no tag"},
	} {
		if err := pages.Override(context.Background(), o); err != nil {
			fmt.Println(err)
		}
	}
	for _, c := range pages.Controls() {
		fmt.Println(strings.TrimSpace(c.Name + " " + c.Value + " " + c.By))
	}
	// Output:
	// renewals when_empty ann
	// answers auto
	// purge
}

// After Close what comes passes through: close it after the server, or before it.
func ExampleCache_Close() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	front := pages.Middleware(hello)
	get(front, "/news")
	fmt.Println(pages.Close(context.Background()))
	fmt.Printf("%q\n", how(get(front, "/news")))
	// Output:
	// computing /news
	// <nil>
	// computing /news
	// ""
}

// Behind a load balancer that ends TLS, all requests come as plain HTTP: Scheme says
// what clients used, from a field that the balancer sets and no client gets through.
func ExampleConfig() {
	pages := seawall.Must(httpcache.New(httpcache.Config{
		Scheme: func(r *http.Request) string {
			if r.Header.Get("X-Forwarded-Proto") == "https" {
				return "https"
			}
			return "http"
		},
		Bypass: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/admin/") },
	}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)

	get(front, "/news", "X-Forwarded-Proto", "https")
	fmt.Println(how(get(front, "/news", "X-Forwarded-Proto", "https")))
	pages.Purge(context.Background(), "https://example.com/news")
	fmt.Println(how(get(front, "/news", "X-Forwarded-Proto", "https")))
	// Output:
	// computing /news
	// seawall; hit
	// computing /news
	// seawall; fwd=uri-miss; fwd-status=200; stored
}

// An engine of another kind in place of MaxBytes: here one that is bounded by count.
func ExampleKey() {
	engine := seawall.Must(cache.LRU[httpcache.Key, *httpcache.Response](10_000))
	pages := seawall.Must(httpcache.New(httpcache.Config{L1: engine}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)
	get(front, "/news")
	fmt.Println(how(get(front, "/news")), pages.Stats().Store.Entries)
	// Output:
	// computing /news
	// seawall; hit 1
}
