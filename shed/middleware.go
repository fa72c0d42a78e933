package shed

import (
	"net/http"

	"github.com/seawall-go/seawall"
)

// Middleware lets requests through to next when they are admitted, and writes
// the refusal otherwise. It does not wrap the ResponseWriter, sets no context
// value and no header on what it admits.
//
// The seat is given back when next returns, panics (http.ErrAbortHandler
// included) or calls runtime.Goexit. A request whose client has gone, or whose
// handler did not return, frees its seat but is no sample.
func (s *Shedder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg := s.gate.Load().cfg
		class := cfg.Classify(r)
		t, err := s.acquire(r.Context(), &class, true)
		if err != nil {
			cfg.Respond(w, r, err.(*seawall.Rejection)) //nolint:errorlint,forcetypeassert // acquire returns no other
			return
		}
		if t.s == nil { // exempt
			next.ServeHTTP(w, r)
			return
		}
		t.serve(next, w, r)
	})
}

// serve stands apart so that a refusal does not pay for the defer.
func (t ticket) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	returned := false
	defer func() {
		t.s.release(&t, !returned || r.Context().Err() != nil)
	}()
	next.ServeHTTP(w, r)
	returned = true
}

var (
	_ seawall.Controllable = (*Shedder)(nil)
	_ error                = (*seawall.Rejection)(nil)
)
