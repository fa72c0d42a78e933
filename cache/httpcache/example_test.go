package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// get asks a handler; fields are names and values.
func get(h http.Handler, url string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// how is the Cache-Status of an answer, without the time it has left.
func how(w *httptest.ResponseRecorder) string {
	status, rest, _ := strings.Cut(w.Header().Get("Cache-Status"), "; ttl=")
	_, detail, more := strings.Cut(rest, ";")
	if more {
		status += ";" + detail
	}
	return status
}

// hello is a page for everybody, good for an hour, and says when it is computed.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Println("computing", r.URL.Path)
	httpcache.Policy{Shared: hour}.Set(w.Header())
	io.WriteString(w, "hello, everybody")
})

// A page that a thousand ask for is computed once.
func Example() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)

	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if w := get(front, "/news"); w.Body.String() != "hello, everybody" {
				fmt.Println(w.Body)
			}
		})
	}
	all.Wait()
	fmt.Println(how(get(front, "/news")))
	// Output:
	// computing /news
	// seawall; hit
}

// What a service with hot pages may set.
func ExampleNew() {
	pages, err := httpcache.New(httpcache.Config{
		Name:        "pages",
		MaxBytes:    256 << 20,
		IgnoreQuery: []string{"utm_*", "fbclid"}, // a campaign's links are one page
		ETag:        true,                        // for handlers that have none
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pages.Close(context.Background())
	front := pages.Middleware(hello)
	first := get(front, "/news?utm_source=friends")
	again := get(front, "/news?fbclid=1", "If-None-Match", first.Header().Get("ETag"))
	fmt.Println(again.Code, how(again))

	_, err = httpcache.New(httpcache.Config{MaxBody: -1})
	fmt.Println(err)
	// Output:
	// computing /news
	// 304 seawall; hit
	// seawall/httpcache: MaxBody must be from 1 to 1073741824 (got -1)
}

// Cache-Status tells what became of each request. Ranges and conditions are answered
// out of what is there.
func ExampleCache_Middleware() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())

	front := pages.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/news":
			w.Header().Set("Cache-Control", "max-age=3600, public")
			w.Header().Set("ETag", `"1"`)
			io.WriteString(w, "hello, everybody")
		case "/me": // says nothing, so it is nobody else's
			io.WriteString(w, "hello, ann")
		}
	}))
	for _, c := range [][]string{
		{"/news"},
		{"/news"},
		{"/news", "If-None-Match", `"1"`},
		{"/news", "Range", "bytes=7-"},
		{"/me"},
		{"/me"},
	} {
		w := get(front, c[0], c[1:]...)
		fmt.Printf("%d %-16q %s\n", w.Code, w.Body, how(w))
	}
	// Output:
	// 200 "hello, everybody" seawall; fwd=uri-miss; fwd-status=200; stored
	// 200 "hello, everybody" seawall; hit
	// 304 ""               seawall; hit
	// 206 "everybody"      seawall; hit
	// 200 "hello, ann"     seawall; fwd=uri-miss; fwd-status=200
	// 200 "hello, ann"     seawall; fwd=uri-miss; fwd-status=200
}

// While what is within fails, or refuses because too many ask, the crowd gets the
// last good answer. This one is asked about each time it is shown (max-age=0).
func Example_stale() {
	pages := seawall.Must(httpcache.New(httpcache.Config{}))
	defer pages.Close(context.Background())

	full := false
	front := pages.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if full { // in your service: shed, or a breaker
			seawall.Respond(w, r, &seawall.Rejection{Component: "shed", Name: "default", Reason: seawall.Overloaded})
			return
		}
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=3600")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, "hello, everybody")
	}))
	get(front, "/news")
	full = true
	for range 2 { // the second is not tried: not before ErrorPause is over
		w := get(front, "/news")
		fmt.Println(w.Code, w.Body, "-", how(w))
	}
	fmt.Println(get(front, "/else").Code, pages.Stats().Degraded)
	// Output:
	// 200 hello, everybody - seawall; fwd=stale; fwd-status=503; detail=stale-if-error
	// 200 hello, everybody - seawall; hit
	// 503 1
}
