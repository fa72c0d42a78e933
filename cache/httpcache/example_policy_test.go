package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

const hour = time.Hour

// Who may keep what, in one place, and handlers that know nothing of it.
func ExamplePolicy_Middleware() {
	everybodys := httpcache.Policy{
		Client: 10 * time.Second, // a phone asks again after ten seconds,
		Shared: time.Minute,      // this cache after a minute,
		CDN:    hour,             // and a CDN, which is told of purges, after an hour
	}.Middleware()
	ones := httpcache.Policy{Private: true, Client: time.Minute}.Middleware()

	mux := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	mux.Handle("GET /news", everybodys(page))
	mux.Handle("GET /me", ones(page))
	mux.Handle("GET /cart", httpcache.Policy{}.Middleware()(page))
	mux.Handle("GET /lost", everybodys(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not now", http.StatusServiceUnavailable) // a Policy is not for failures
	})))

	for _, path := range []string{"/news", "/me", "/cart", "/lost"} {
		header := get(mux, path).Header()
		fmt.Printf("%-6s%q %q\n", path, header.Get("Cache-Control"), header.Get("CDN-Cache-Control"))
	}
	// Output:
	// /news "max-age=10, s-maxage=60" "max-age=3600"
	// /me   "private, max-age=60" ""
	// /cart "no-store" ""
	// /lost "" ""
}

// Within a handler, where it depends on the data.
func ExamplePolicy_Set() {
	header := make(http.Header)
	httpcache.Policy{
		Shared: time.Minute, StaleWhileRevalidate: time.Minute, StaleIfError: hour,
		Vary: []string{"Accept-Language"}, Tags: []string{"shop:12"},
	}.Set(header)
	for _, name := range []string{"Cache-Control", "Vary", "Surrogate-Key"} {
		fmt.Println(name+":", header.Get(name))
	}
	// Output:
	// Cache-Control: max-age=0, s-maxage=60, stale-while-revalidate=60, stale-if-error=3600
	// Vary: Accept-Language
	// Surrogate-Key: shop:12
}

// A tag is what answers have in common: all that show this shop.
func ExampleTag() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())
	front := pages.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpcache.Tag(w.Header(), "shop:12", "page:"+r.URL.Path)
		hello(w, r)
	}))

	get(front, "/shop/12")
	pages.PurgeTags(context.Background(), "shop:12")
	w := get(front, "/shop/12")
	fmt.Printf("%s, tags that clients see: %q\n", how(w), w.Header().Get("Surrogate-Key"))
	// Output:
	// computing /shop/12
	// computing /shop/12
	// seawall; fwd=uri-miss; fwd-status=200; stored, tags that clients see: ""
}
