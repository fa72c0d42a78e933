package httpcache

import (
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// flight is one request that others who ask the same wait for. It is served in the
// goroutine of the one who came first.
type flight struct {
	key    flightKey
	header chan struct{} // closed when it is known whether others may have the answer
	done   chan struct{} // closed at its end

	mu      sync.Mutex
	waiters int  // the first one, too, until it leaves
	left    bool // the first one has
	opened  bool
	over    bool
	cancel  func(cause error)
	abandon func() // the store's load
	stuck   bool   // its client does not read
	gone    int    // how many have stopped waiting for it, and asked by themselves
	failed  bool   // it has ended in a failure: nobody is to wait for that again

	// Before header is closed:
	shared bool
	names  []string // fields the answer depends on, beyond those in the key
	vary   string   // what they were

	// Before done is closed:
	p     *Response // nil if there is nothing for others; or by what it varies
	how   shown
	alone bool // nor will there be: each is to ask by itself
}

const flightShards = 64

// flightKey is who waits for whom. Authorized requests wait for each other: what is
// for one of them alone must not send all others to the handler.
type flightKey struct {
	Key
	authorized bool
}

func (x *exchange) flightKey() flightKey { return flightKey{x.key, x.r.Header["Authorization"] != nil} }

type flightShard struct {
	mu    sync.Mutex
	byKey map[flightKey]*flight
	_     [48]byte // one cache line each
}

// shard is the same for all that is asked about one URL.
func (h *Cache) shard(key *Key) *flightShard { return &h.flights[h.slotOf(key)%flightShards] }

// join returns the flight for a key. First says that the caller is to make it.
func (h *Cache) join(key flightKey) (f *flight, first bool) {
	s := h.shard(&key.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.byKey[key]; f != nil && f.enter() {
		return f, false
	}
	key.Key = key.own()
	f = &flight{key: key, header: make(chan struct{}), done: make(chan struct{}), waiters: 1}
	if s.byKey == nil {
		s.byKey = make(map[flightKey]*flight)
	}
	s.byKey[f.key] = f
	return f, true
}

// underWay says whether there is a flight for a key.
func (h *Cache) underWay(key flightKey) bool {
	s := h.shard(&key.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[key] != nil
}

// forget lets who comes from now on wait for something else.
func (h *Cache) forget(f *flight) {
	s := h.shard(&f.key.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[f.key] == f {
		delete(s.byKey, f.key)
	}
}

func (f *flight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || f.waiters == 0 || f.opened && !f.shared {
		return false
	}
	f.waiters++
	return true
}

// leave takes one off who waited. When nobody is left the handler's context ends.
func (f *flight) leave(cause error) {
	f.mu.Lock()
	f.waiters--
	end := f.waiters == 0 && !f.over
	f.mu.Unlock()
	if end && f.cancel != nil {
		f.cancel(cause)
	}
}

// quit is leave for the first one.
func (f *flight) quit(cause error) {
	f.mu.Lock()
	f.left = true
	f.mu.Unlock()
	f.leave(cause)
}

// others says whether anybody waits but the first.
func (f *flight) others() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiters > 1 || f.left && f.waiters > 0
}

// open says whether others may have the answer. The first call counts.
func (h *Cache) open(f *flight, shared bool, names []string, vary string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	if !f.opened {
		f.opened, f.shared, f.names, f.vary = true, shared, names, vary
		close(f.header)
	}
	f.mu.Unlock()
	if !shared {
		h.forget(f)
	}
}

// land ends a flight, with what others get; the first call does.
func (h *Cache) land(f *flight, p *Response, how shown) {
	if f == nil {
		return
	}
	h.forget(f)
	h.open(f, p != nil, nil, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.over, f.p, f.how = true, p, how
		close(f.done)
	}
}

// strand ends a flight whose client does not read, for all others.
func (h *Cache) strand(f *flight) {
	f.mu.Lock()
	f.stuck = true
	f.mu.Unlock()
	h.stats.stalled.Add(1)
	h.land(f, nil, shown{})
	f.abandon()
}

func (f *flight) isStuck() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stuck
}

// overtaken says whether the others have something newer by now.
func (f *flight) overtaken(h *Cache, x *exchange) bool {
	if !f.isStuck() {
		return false
	}
	p := h.peek(x.key)
	return p != nil && p != x.p && p.times.began >= x.began
}

// mostGo is how many of those who wait for an answer that does not come ask by
// themselves. The others wait for these, too: a handler that is slow for all must
// not have all of them at once.
const mostGo = 8

func (f *flight) goes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone++
	return f.gone <= mostGo
}

// fail ends a flight with a failure of the handler's: one of those who wait tries
// again.
func (h *Cache) fail(f *flight) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.failed = f.failed || !f.over
	f.mu.Unlock()
	h.retry(f)
}

// retry ends a flight with nothing for others but that they look again.
func (h *Cache) retry(f *flight) {
	h.open(f, true, nil, "")
	h.land(f, nil, shown{})
}

// scatter ends a flight with nothing that others could ever have.
func (h *Cache) scatter(f *flight) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.alone = f.alone || !f.over
	f.mu.Unlock()
	h.land(f, nil, shown{})
}

// outcome is what waiting has brought.
type outcome uint8

const (
	served outcome = iota // there is a response
	again                 // look again
	failed                // the same, because the handler has failed
	hangs                 // it does not answer, and enough others ask it
	by                    // ask by oneself
	left                  // the client has gone
)

// follow waits for somebody else's answer.
func (h *Cache) follow(x *exchange, f *flight) (*Response, shown, outcome) {
	ctx := x.r.Context()
	late := time.NewTimer(h.cfg.Wait)
	defer late.Stop()
	defer f.leave(nil)
	mine, rounds := true, 0
	for i, moments := 0, [...]chan struct{}{f.header, f.done}; i < len(moments); i++ {
		select {
		case <-moments[i]:
		case <-late.C:
			h.stats.waitedLong.Add(1)
			h.forget(f) // who comes from now on has nothing to do with it
			rounds++
			switch {
			case h.standsIn(x.p, h.clock.Exact()) && !h.forgotten(x):
				h.pause(x.p) // who comes now does not wait as long
				h.degraded(x, seawall.DeadlineExceeded)
				return x.p, shown{fwd: fwdStale, detail: "timeout"}, served
			case f.goes():
				return nil, shown{}, by
			case rounds == attempts:
				return nil, shown{}, hangs
			}
			late.Reset(h.cfg.Wait)
			i--
			continue
		case <-ctx.Done():
			return nil, shown{}, left
		}
		if !f.shared {
			return nil, shown{}, by
		}
		// Who needs another variant waits until it is noted that there are some: then
		// all who need that one wait for each other.
		mine = len(f.names) == 0 || varyPart(f.names, x.r.Header) == f.vary
	}
	switch {
	case f.failed:
		return nil, shown{}, failed
	case f.alone:
		return nil, shown{}, by
	case f.p != nil && f.p.kind == varies:
		return f.p, shown{}, again
	case f.p == nil || !mine || f.how == (shown{}) && x.asked != nil: // what lay there may not be what this one wants
		return nil, shown{}, again
	}
	how := f.how
	how.collapsed, how.stored = true, false
	return f.p, how, served
}
