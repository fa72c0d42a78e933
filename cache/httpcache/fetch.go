package httpcache

import (
	"context"
	"errors"
	"log"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// The reasons in Cache-Status why a request went on (RFC 9211, 2.2).
const (
	fwdURIMiss  = "uri-miss"
	fwdVaryMiss = "vary-miss"
	fwdStale    = "stale"
	fwdRequest  = "request"
	fwdMethod   = "method"
)

func (x *exchange) why(what verdict, now int64) string {
	switch {
	case x.r.Method == http.MethodHead:
		return fwdMethod
	case what == validate && x.p.times.fresh(now) > 0:
		return fwdRequest
	case what == validate:
		return fwdStale
	case x.marker != nil:
		return fwdVaryMiss
	}
	return fwdURIMiss
}

// attempts bounds how often a request looks again because what it waited for was
// not for it.
const attempts = 3

// fetch answers a request for which there is nothing, or nothing that may be shown
// without asking.
func (h *Cache) fetch(w http.ResponseWriter, x *exchange, what verdict) {
	if x.r.Context().Value(leading{}) == h { // twice in one chain: it would wait for itself
		x.next.ServeHTTP(w, x.r)
		return
	}
	h.stats.misses.Add(1)
	x.began = h.clock.Exact()
	if x.r.Method == http.MethodHead || x.r.Header["Range"] != nil ||
		x.asked != nil && x.asked.noStore && h.on(ruleRequestNoStore) {
		what = alone
	}
	failures := 0
	for range attempts {
		if what == alone {
			break
		}
		f, first := h.join(x.flightKey())
		var brought *Response
		if first {
			var done bool
			if brought, done = h.lead(w, x, f, what); done {
				return
			}
		} else {
			p, how, out := h.follow(x, f)
			switch out {
			case served:
				h.stats.collapsed.Add(1)
				h.show(w, x, p, h.clock.Now(), how)
				return
			case left:
				h.gone(w, x.r)
				return
			case by:
				x.behind = f
				h.solo(w, x, what)
				return
			case hangs:
				h.refuse(w, x, seawall.DeadlineExceeded)
				return
			case failed:
				failures++
			case again:
				brought = p
			}
		}
		if brought != nil {
			h.take(x, brought)
		} else {
			h.find(x)
		}
		now := h.clock.Exact()
		switch what = h.judge(x, now); what {
		case hit, showOld, renew:
			h.stats.collapsed.Add(1)
			if what == renew {
				h.renew(x, w.Header())
			}
			how := shown{fwd: fwdURIMiss, collapsed: true}
			if first { // it lay in the tier that processes share
				how = shown{}
			}
			h.show(w, x, x.p, now, how)
			return
		case miss, validate, alone:
		}
		if failures == attempts { // a handler that fails must not have the whole crowd now
			h.refuse(w, x, seawall.Overloaded)
			return
		}
	}
	h.solo(w, x, what)
}

// refuse answers a request for which enough others have asked, and got nothing.
func (h *Cache) refuse(w http.ResponseWriter, x *exchange, reason seawall.Reason) {
	h.stats.refused.Add(1)
	h.cfg.Responder(w, x.r, &seawall.Rejection{
		Component: component, Name: h.cfg.Name, Reason: reason, RetryAfter: time.Duration(jittered(2 * time.Second)),
	})
}

// gone ends a request whose context has ended while it waited.
func (h *Cache) gone(w http.ResponseWriter, r *http.Request) {
	h.stats.left.Add(1)
	reason := seawall.Canceled
	if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		reason = seawall.DeadlineExceeded
	}
	h.cfg.Responder(w, r, &seawall.Rejection{Component: component, Name: h.cfg.Name, Reason: reason, Cause: context.Cause(r.Context())})
}

// ticket is a load of the store's that this package's handler makes. The store
// keeps one load a key among all processes, and does not keep what was purged
// meanwhile.
type ticket struct {
	call    chan struct{} // closed when the handler is to run
	result  chan loaded   // what to keep
	got     chan loaded   // what the store has in the end
	settled bool
}

type loaded struct {
	p    *Response
	meta cache.Meta
	err  error
}

var (
	errNotKept = errors.New("seawall/httpcache: not to be kept")
	errAgain   = errors.New("seawall/httpcache: asked twice")
)

// book asks the store for a key, and says when the handler is to run, or what
// somebody else has brought. When ctx ends nobody waits for the handler any more.
func (h *Cache) book(ctx context.Context, key Key, anew bool) *ticket {
	t := &ticket{call: make(chan struct{}), result: make(chan loaded, 1), got: make(chan loaded, 1)}
	called := false
	load := func(ctx context.Context, _ Key, m *cache.Meta) (*Response, error) {
		if called {
			return nil, errAgain
		}
		called = true
		close(t.call)
		select {
		case r := <-t.result:
			*m = r.meta
			return r.p, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	go func() {
		var l loaded
		defer func() { t.got <- l }()
		l.err = errNotKept // if an engine ends this goroutine
		if anew {
			l.p, l.err = h.store.Refresh(ctx, key, load)
		} else {
			l.p, l.err = h.store.GetOrLoad(ctx, key, load)
		}
	}()
	return t
}

// settle hands over what to keep. The first call counts.
func (t *ticket) settle(l loaded) {
	if t != nil && !t.settled {
		t.settled = true
		t.result <- l
	}
}

// leading marks the context of a request that others wait for.
type leading struct{}

// lead makes a flight. It is not done if there is now something that was not there
// before.
func (h *Cache) lead(w http.ResponseWriter, x *exchange, f *flight, what verdict) (brought *Response, done bool) {
	ctx, cancel := context.WithCancelCause(context.WithValue(context.WithoutCancel(x.r.Context()), leading{}, h))
	defer cancel(nil)
	wanted, abandon := ctx, func() {}
	if h.cfg.Shared.L2 != nil {
		// The store's load does not end with this function: what is handed over last is
		// still on its way then.
		wanted, abandon = context.WithCancel(context.WithoutCancel(ctx))
	}
	f.mu.Lock()
	f.abandon = abandon
	f.cancel = func(cause error) {
		cancel(cause)
		abandon()
	}
	f.mu.Unlock()
	ended := false
	defer func() { // if nothing has before: then the next one tries
		if ended {
			h.retry(f)
		} else { // a panic
			h.fail(f)
		}
	}()
	stop := context.AfterFunc(x.r.Context(), func() { f.quit(context.Cause(x.r.Context())) })
	defer stop()

	if x.p != nil && !h.still(x) {
		ended = true
		return nil, false // somebody has just renewed it, or it was purged
	}
	t, p := h.permit(wanted, ctx, x, f)
	switch {
	case p != nil:
		// Landed meanwhile, or brought by another process. Here it may be gone
		// again, if there is no room for it, or the Bus has missed something.
		if p.kind == varies || p.kind == whole && p.times.fresh(h.clock.Exact()) > 0 {
			h.land(f, p, shown{})
		}
		h.open(f, true, nil, "") // who waits is to look, too
		ended = true
		return p, false
	case ctx.Err() != nil:
		t.settle(loaded{err: errNotKept})
		ended = true
		h.gone(w, x.r)
		return nil, true
	}
	defer t.settle(loaded{err: errNotKept})
	if x.p == nil {
		x.p = h.spare(x)
		x.lent, x.spare = x.p, true
	}
	if p, now := x.p, h.clock.Exact(); what == miss && p != nil && now < p.pause.Load() && h.standsIn(p, now) {
		h.land(f, p, shown{})
		ended = true
		h.show(w, x, p, now, shown{})
		return nil, true
	}
	rec := h.record(w, x, what)
	rec.f, rec.t = f, t
	rec.run(ctx)
	ended = true
	return nil, true
}

// permit waits for the store's leave to ask the handler, or returns what there is now.
// Where no other process has a say there is no ticket: its two goroutines take as long
// as all the rest of a miss.
func (h *Cache) permit(wanted, ctx context.Context, x *exchange, f *flight) (*ticket, *Response) {
	if h.cfg.Shared.L2 == nil {
		if p := h.peek(x.key); p != x.p {
			return nil, p
		}
		return nil, nil
	}
	t := h.book(wanted, f.key.Key, x.p != nil)
	select {
	case <-t.call:
	case l := <-t.got:
		if l.err == nil {
			return nil, l.p
		}
		return nil, nil // the store is closed, or so: without it
	case <-ctx.Done():
	}
	return t, nil
}

// spare is what there is here and was to be looked up in the tier that processes
// share, which has not brought it: the handler can be asked about it, and it is
// better than a failure. Nobody tells processes without a Bus what is no longer
// true; they believe it only if that tier does not answer.
func (h *Cache) spare(x *exchange) *Response {
	switch s := &h.cfg.Shared; {
	case s.L2 == nil:
		return nil
	case s.Bus == nil && h.store.Stats().L2.Up:
		return nil
	}
	p, _, ok := h.store.Peek(x.key)
	if ok && p.kind == varies {
		p, _, ok = h.store.Peek(h.variant(x.primary, p, x.r.Header))
	}
	if !ok || p.kind != whole {
		return nil
	}
	return p
}

// solo asks the handler for one request alone.
func (h *Cache) solo(w http.ResponseWriter, x *exchange, what verdict) {
	if what == validate && x.r.Method == http.MethodHead {
		what = alone
	}
	rec := h.record(w, x, what)
	rec.run(x.r.Context())
}

// renew asks the handler in the background, unless that is under way, or too many
// others are. Outer is what stands in the header before this cache writes there:
// what the handler adds to it, or takes away, is told by that.
func (h *Cache) renew(x *exchange, outer http.Header) {
	if h.underWay(x.flightKey()) {
		return
	}
	select {
	case h.refreshes <- struct{}{}:
	default:
		h.stats.putOff.Add(1)
		return
	}
	f, first := h.join(x.flightKey())
	if !first || !h.begin() {
		if first {
			h.land(f, nil, shown{})
		} else {
			f.leave(nil)
		}
		<-h.refreshes
		return
	}
	h.stats.refreshes.Add(1)
	old := x.p
	far := *x
	far.p, far.asked, far.primary, far.key = old, nil, x.primary.own(), f.key.Key
	far.r, far.said = background(x.r), 0
	nobody := &sink{header: outer.Clone()} // the request that shows what is stale goes on writing to its own
	go func() {
		defer h.work.Done()
		defer func() { <-h.refreshes }()
		ok := false
		defer func() {
			if !ok { // a panic of the handler's must not end the process
				if v := recover(); v != nil {
					h.stats.panics.Add(1)
					h.log(&far, v)
				}
				h.renewalFailed(&far, seawall.CircuitOpen)
				h.pause(old)
			}
		}()
		ctx, cancel := context.WithTimeout(far.r.Context(), h.cfg.LoadTimeout)
		defer cancel()
		stop := context.AfterFunc(h.ctx, cancel)
		defer stop()
		far.r = far.r.WithContext(ctx)
		far.began = h.clock.Exact()
		h.lead(nobody, &far, f, validate)
		ok = true
	}()
}

// renewalFailed tells of a renewal in the background.
func (h *Cache) renewalFailed(x *exchange, reason seawall.Reason) {
	h.stats.failed.Add(1)
	if h.cfg.Observer != nil {
		h.cfg.Observer.Observe(x.r.Context(), seawall.Event{Component: component, Name: h.cfg.Name, Outcome: seawall.Degraded, Reason: reason})
	}
}

// log tells of a panic in the background what net/http would in the foreground.
func (h *Cache) log(x *exchange, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // as net/http does
		return
	}
	printf := log.Printf
	if s, ok := x.r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.ErrorLog != nil {
		printf = s.ErrorLog.Printf
	}
	printf("seawall/httpcache: panic while %q was renewed: %v\n%s", x.primary.Path, v, debug.Stack())
}

// background is a request like r that nobody waits for.
func background(r *http.Request) *http.Request {
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.Body = http.NoBody
	out.Method = http.MethodGet
	for _, name := range [...]string{"If-None-Match", "If-Modified-Since", "Range", "If-Range", "Cache-Control", "Pragma"} {
		delete(out.Header, name)
	}
	return out
}

// sink is the writer of a request that nobody waits for.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      {} // there are handlers that fail where they cannot flush
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// pause keeps a response from being tried anew for a while.
func (h *Cache) pause(p *Response) {
	if p != nil {
		p.pause.Store(h.clock.Exact() + jittered(h.cfg.ErrorPause))
	}
}

func (h *Cache) degraded(x *exchange, reason seawall.Reason) {
	h.stats.degraded.Add(1)
	if h.cfg.Observer != nil {
		h.cfg.Observer.Observe(x.r.Context(), seawall.Event{
			Component: component, Name: h.cfg.Name, Outcome: seawall.Degraded, Reason: reason, Wait: time.Duration(h.clock.Exact() - x.began),
		})
	}
}
