package spike

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seawall-go/seawall"
)

// Handler serves every request with one piece of the backend's work, that of
// its route where the path names one: 200 and a tiny body, 500 for an injected
// error.
func (b *Backend) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, _, ok := cutRoute(r.URL.Path)
		if !ok {
			route = anyRoute
		}
		switch err := b.serve(r.Context(), route); {
		case err == nil:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "ok\n")
		case errors.Is(err, ErrInjected):
			http.Error(w, "injected error", http.StatusInternalServerError)
		default: // the client has gone and reads nothing
			http.Error(w, "client gone", http.StatusServiceUnavailable)
		}
	})
}

// Middleware refuses with a plain 503 whom the oracle refuses. Nil functions
// mean PriorityFromPath and UserFromCookie.
func (o *Oracle) Middleware(priority func(*http.Request) seawall.Priority, user func(*http.Request) uint64) seawall.Middleware {
	if priority == nil {
		priority = PriorityFromPath
	}
	if user == nil {
		user = UserFromCookie
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			release, err := o.Acquire(r.Context(), priority(r), user(r))
			if err != nil {
				http.Error(w, "overloaded", http.StatusServiceUnavailable)
				return
			}
			defer release()
			next.ServeHTTP(w, r)
		})
	}
}

// Guard is Acquire in the shape that Backend.Target takes.
func (o *Oracle) Guard(ctx context.Context, r *Request) (release func(), err error) {
	return o.Acquire(ctx, r.Priority, r.User)
}

// PriorityFromPath reads the priority that an HTTPTarget wrote: the last
// element of the path, but for the route. Anything else is Normal.
func PriorityFromPath(r *http.Request) seawall.Priority {
	_, path, _ := cutRoute(r.URL.Path)
	p, err := seawall.ParsePriority(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return seawall.Normal
	}
	return p
}

// UserFromCookie reads the user that an HTTPTarget wrote: `session=u123`.
// Anything else is user 0.
func UserFromCookie(r *http.Request) uint64 {
	c, err := r.Cookie("session")
	if err != nil || !strings.HasPrefix(c.Value, "u") {
		return 0
	}
	n, err := strconv.ParseUint(c.Value[1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
