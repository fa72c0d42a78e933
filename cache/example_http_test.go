package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// A handler of JSON that encodes a product once, and not for each who asks.
func Example_http() {
	pages := seawall.Must(cache.New(cache.Config[string, []byte]{
		Name: "product pages", TTL: 10 * time.Second, StaleIfError: time.Hour, MaxBytes: 64 << 20,
		Load: func(ctx context.Context, id string, m *cache.Meta) ([]byte, error) {
			if id != "7" {
				return nil, cache.ErrNotFound
			}
			p, err := slowly(ctx, 7, m)
			if err != nil {
				return nil, err
			}
			return json.Marshal(p)
		},
	}))
	defer pages.Close(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /products/{id}", func(w http.ResponseWriter, r *http.Request) {
		page, err := pages.Get(r.Context(), r.PathValue("id"))
		switch {
		case errors.Is(err, cache.ErrNotFound):
			http.Error(w, "no such product", http.StatusNotFound)
		case err != nil: // and nothing stale to show
			w.Header().Set("Retry-After", "1")
			http.Error(w, "not now", http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Write(page) // shared by all: it is read, never changed
		}
	})

	for _, path := range []string{"/products/7", "/products/7", "/products/8"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// the database is asked for 7
	// 200 {"ID":7,"Name":"product 7"}
	// 200 {"ID":7,"Name":"product 7"}
	// 404 no such product
}
