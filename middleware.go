package seawall

import "net/http"

// Middleware is the shape every part of seawall plugs in with. It is an alias,
// so any func(http.Handler) http.Handler, ours or not, is one.
type Middleware = func(http.Handler) http.Handler

// Chain joins middlewares into one. The first is the outermost: it sees a
// request first and its answer last. Nil entries are skipped, so that a part
// can be left out by configuration. Chain() passes requests through untouched.
func Chain(parts ...Middleware) Middleware {
	kept := make([]Middleware, 0, len(parts))
	for _, p := range parts {
		if p != nil {
			kept = append(kept, p)
		}
	}
	return func(next http.Handler) http.Handler {
		for i := len(kept) - 1; i >= 0; i-- {
			next = kept[i](next)
		}
		return next
	}
}

// Must returns v, or panics with err. It is for main functions and package
// variables, where a wrong configuration should stop the program at its start:
//
//	shedder := seawall.Must(shed.New(shed.Config{}))
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Off switches off an integer or duration setting whose zero value means its
// default.
const Off = -1
