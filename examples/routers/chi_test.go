package routers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// chiRoute counts by the whole pattern, not by the path, of which there are as
// many as there are posts.
var chiRoute = ratelimit.ByFunc(func(dst []byte, r *http.Request) []byte {
	return append(dst, chi.RouteContext(r.Context()).RoutePattern()...)
})

// Limits of all routes stand outside of chi's router. Limits by its patterns
// belong into a Group or With, which run once the route is known; what a router's
// own Use is given runs before.
func Example_chi() {
	everybody := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerIP(600, time.Minute)}}))
	perRoute := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{{
		Name: "user-on-route", Key: ratelimit.By(ratelimit.ByUser(), chiRoute), Rate: ratelimit.Per(20, time.Minute),
	}}}))
	uploads := seawall.Must(ratelimit.New(ratelimit.Config{Policies: []ratelimit.Policy{ratelimit.PerUser(10, time.Hour)}}))

	r := chi.NewRouter()
	r.Use(everybody.Middleware)
	r.Route("/posts", func(r chi.Router) {
		r.Group(func(r chi.Router) {
			r.Use(perRoute.Middleware)
			r.Get("/", ok)
			r.Get("/{id}", ok)
		})
		r.With(uploads.Middleware).Post("/", ok)
	})

	for _, q := range []string{"GET /posts/1", "GET /posts/2", "GET /posts/3", "GET /posts/", "POST /posts/", "POST /posts/"} {
		var method, path string
		fmt.Sscan(q, &method, &path)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		fmt.Println(q, w.Code)
	}
	// Output:
	// GET /posts/1 200
	// GET /posts/2 200
	// GET /posts/3 429
	// GET /posts/ 200
	// POST /posts/ 200
	// POST /posts/ 429
}

func ok(http.ResponseWriter, *http.Request) {}
