package spike

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// maxRoutes is how many routes a load, and modes a service, can have.
const maxRoutes = 16

// checkRoutes says what is wrong with the weights of Load.Routes.
func checkRoutes(weights []float64) error {
	if len(weights) > maxRoutes {
		return badf("Routes", "at most %d weights", len(weights), maxRoutes)
	}
	total := 0.0
	for i, w := range weights {
		if !finite(w) || w < 0 || w > 1e9 {
			return badf(fmt.Sprintf("Routes[%d]", i), "between 0 and 1e9", w)
		}
		total += w
	}
	if len(weights) > 0 && total <= 0 {
		return badf("Routes", "of a positive weight in all", total)
	}
	return nil
}

// routes picks the route of a request from its number, so that the steps of a
// journey have routes of their own and nothing else that is drawn changes.
type routes struct {
	weights []float64
	total   float64
	seed    uint64
}

func newRoutes(l Load) routes {
	r := routes{weights: l.Routes, seed: mix64(l.Seed ^ streamRoutes)}
	for _, w := range l.Routes {
		r.total += w
	}
	return r
}

// pick sets the route of a request whose ID is set.
func (rs routes) pick(r *Request) {
	r.Route, r.Routes = 0, len(rs.weights)
	x := float64(mix64(r.ID^rs.seed)>>11) / (1 << 53) * rs.total
	for i, w := range rs.weights {
		if w == 0 {
			continue
		}
		if r.Route = i; x < w {
			break
		}
		x -= w // rounding may leave a rest: it is the last one's
	}
}

// path is where the request goes below the base: /critical, or /critical/r0
// when there are routes.
func (r *Request) path() string {
	if r.Routes == 0 {
		return "/" + r.Priority.String()
	}
	return "/" + r.Priority.String() + "/r" + strconv.Itoa(r.Route)
}

// RouteFromPath reads the route that an HTTPTarget wrote: 2 of a path that ends
// in /r2. Anything else is route 0.
func RouteFromPath(r *http.Request) int {
	route, _, _ := cutRoute(r.URL.Path)
	return route
}

// cutRoute takes the route off the end of a path.
func cutRoute(path string) (route int, rest string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || len(path) < i+3 || len(path) > i+4 || path[i+1] != 'r' {
		return 0, path, false
	}
	n, err := strconv.ParseUint(path[i+2:], 10, 8)
	if err != nil || n >= maxRoutes {
		return 0, path, false
	}
	return int(n), path[:i], true
}
