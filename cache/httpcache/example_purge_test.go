package httpcache_test

import (
	"context"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// A URL as clients write it, with all its variants.
func ExampleCache_Purge() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)

	get(front, "http://example.org/news")
	pages.Purge(context.Background(), "http://example.org/news")
	fmt.Println(how(get(front, "http://example.org/news")))
	fmt.Println(pages.Purge(context.Background(), "/news"))
	// Output:
	// computing /news
	// computing /news
	// seawall; fwd=uri-miss; fwd-status=200; stored
	// seawall/httpcache: Purge: a URL must be absolute (got "/news")
}

// Everything below a path.
func ExampleCache_PurgePrefix() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)

	get(front, "http://example.org/shop/12/shoes")
	get(front, "http://example.org/shop/13")
	pages.PurgePrefix(context.Background(), "http://example.org/shop/12/")
	fmt.Println(how(get(front, "http://example.org/shop/12/shoes")))
	fmt.Println(how(get(front, "http://example.org/shop/13")))
	// Output:
	// computing /shop/12/shoes
	// computing /shop/13
	// computing /shop/12/shoes
	// seawall; fwd=uri-miss; fwd-status=200; stored
	// seawall; hit
}

// A CDN in front is told of each purge, when it has been done here: otherwise it
// could fetch what is old once more.
func ExamplePurge() {
	pages := seawall.Must(httpcache.New(httpcache.Config{
		KeepTags: true, // the CDN has to see them
		OnPurge: func(_ context.Context, p httpcache.Purge) error {
			fmt.Printf("the CDN is told: %+v\n", p) // in your service: a call of its API
			return nil
		},
	}))
	defer pages.Close(context.Background())

	ctx := context.Background()
	pages.Purge(ctx, "https://example.org/news")
	pages.PurgeTags(ctx, "shop:12")
	pages.PurgePrefix(ctx, "https://example.org/shop/")
	pages.Clear(ctx)
	// Output:
	// the CDN is told: {URLs:[https://example.org/news] Tags:[] Prefix: All:false}
	// the CDN is told: {URLs:[] Tags:[shop:12] Prefix: All:false}
	// the CDN is told: {URLs:[] Tags:[] Prefix:https://example.org/shop/ All:false}
	// the CDN is told: {URLs:[] Tags:[] Prefix: All:true}
}
