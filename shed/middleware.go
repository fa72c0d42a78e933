package shed

import (
	"net/http"

	"github.com/seawall-go/seawall"
)

// Middleware lets requests through to next when they are admitted, and writes
// the refusal otherwise. It does not wrap the ResponseWriter, sets no context
// value and, unless Config.TellFloor asks for it, no header on what it admits.
//
// The seats are given back when next returns, panics (http.ErrAbortHandler
// included) or calls runtime.Goexit. A request whose client has gone, whose
// handler did not return, or whose answer is a refusal from further behind
// (Seawall-Reason is set) frees its seats but is no sample.
//
// Requests whose Class has Track, and those that ask for an upgrade or for
// Server-Sent Events, get a context in which AddCost and Detach work, at two
// allocations (three with Track); the latter also a wrapped ResponseWriter, which
// can do what the one below can. They give their seats back as soon as the
// handler takes the connection over, writes 101, or begins a response of type
// text/event-stream.
func (s *Shedder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg := s.gate.Load().cfg
		class := cfg.Classify(r)
		var told http.Header // before there is a seat that a panic could lose
		if cfg.TellFloor != nil && s.tells(cfg, r) {
			told = w.Header()
		}
		t, err := s.acquire(r.Context(), &class, mayWait)
		if told != nil {
			s.tellFloor(told)
		}
		if err != nil {
			cfg.Respond(w, r, err.(*seawall.Rejection)) //nolint:errorlint,forcetypeassert // acquire returns no other
			return
		}
		switch {
		case t.s == nil: // exempt
			next.ServeHTTP(w, r)
		case class.Track || mayStream(r):
			t.track(next, w, r, class)
		default:
			t.serve(next, w, r)
		}
	})
}

// serve stands apart so that a refusal does not pay for the defer.
func (t ticket) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	dropped := true
	defer func() {
		t.s.release(&t, dropped || r.Context().Err() != nil, 0)
	}()
	next.ServeHTTP(w, r)
	dropped = t.refusedBehind(w)
}

// refusedBehind reports whether the answer is a refusal that somebody further
// behind has written, and be it in another process. How long that took says
// nothing about the work, so it is no sample. It is a completion all the same:
// it held its seat, and if only what succeeds made up the throughput, the seats
// computed from that would be too few for both, the fewer the more is refused.
func (t ticket) refusedBehind(w http.ResponseWriter) bool {
	if w.Header()[seawall.ReasonHeader] == nil {
		return false
	}
	t.s.shards[t.shard()].done.Add(uint64(t.seats()) * doneOne)
	return true
}

var (
	_ seawall.Controllable = (*Shedder)(nil)
	_ error                = (*seawall.Rejection)(nil)
)
