package shed

import (
	"context"
	"net/http"

	"github.com/seawall-go/seawall"
)

// AddCost is Permit.AddCost for handlers behind Middleware: it takes seats more,
// or gives some back, for the request that ctx belongs to. Behind several
// Shedders it does so in each of them, as each has counted the request's
// Class.Cost.
//
// It works for requests whose Class has Track set, and for those that ask for
// an upgrade or for Server-Sent Events; with any other ctx, and after the
// handler has returned, it does nothing and returns false.
func AddCost(ctx context.Context, seats int) (did bool) {
	for t := trackedIn(ctx); t != nil; t = t.outer {
		did = t.permit.AddCost(seats) || did
	}
	return did
}

// Detach is Permit.Detach for handlers behind Middleware: the request that ctx
// belongs to gives its seats back now and goes on as a stream, which is not
// limited and which Close does not wait for. It works for the same requests as
// AddCost, and returns false where there is nothing to give back.
//
// Upgraded connections and Server-Sent Events detach by themselves when they
// begin.
func Detach(ctx context.Context) (did bool) {
	for t := trackedIn(ctx); t != nil; t = t.outer {
		did = t.permit.Detach() || did
	}
	return did
}

func trackedIn(ctx context.Context) *tracked {
	t, _ := ctx.Value(trackKey{}).(*tracked)
	return t
}

type trackKey struct{}

// tracked is a request whose handler may want to speak about its seats. It is
// the context that carries it and, for streams, its writer: one allocation for
// all.
type tracked struct {
	context.Context //nolint:containedctx // it is one
	permit          Permit
	outer           *tracked // in another Shedder, or in the same once more
	stream          stream
}

func (t *tracked) Value(key any) any {
	if _, ok := key.(trackKey); ok {
		return t
	}
	return t.Context.Value(key)
}

// track is serve for requests that may speak about their seats.
func (t ticket) track(next http.Handler, w http.ResponseWriter, r *http.Request, c seawall.Class) {
	ctx := r.Context()
	tr := &tracked{Context: ctx, permit: Permit{ticket: t}}
	if c.Track { // what it asks of others goes under its class: see Transport
		tr.Context = seawall.WithClass(ctx, c)
	}
	dropped, inner := true, r
	defer func() {
		// What others do with a request after it has been served, they do with
		// theirs: logs want the pattern, and net/http removes the files.
		if inner.Pattern != r.Pattern {
			r.Pattern = inner.Pattern
		}
		if inner.MultipartForm != r.MultipartForm {
			r.MultipartForm = inner.MultipartForm
		}
		tr.permit.end(dropped || ctx.Err() != nil)
	}()
	tr.outer = trackedIn(ctx)
	inner = r.WithContext(tr)
	if mayStream(r) {
		w = tr.stream.over(w, &tr.permit, r)
	}
	next.ServeHTTP(w, inner)
	dropped = t.refusedBehind(w)
}
