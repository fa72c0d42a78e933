package shed

import (
	"container/list"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// host is what a Transport knows of one.
type host struct {
	name     string
	salt     uint64
	alert    atomic.Bool // there is a floor or a failure: decide has work to do
	outcomes [numSendings]atomic.Uint64

	mu        sync.Mutex // a few additions long
	ceiling   ceiling
	retry     uint32 // the longest Retry-After under this floor
	failed    time.Duration
	throttles [seawall.NumPriorities]throttle // by class; nobody asks that of Critical
}

// own makes of a user another one for each host, in one table of favours.
func (h *host) own(user seawall.ID) seawall.ID { return user ^ seawall.ID(h.salt) }

// decide says whether to send a request of that rank, and if not how many
// seconds those who are refused are spread over.
func (h *host) decide(now time.Duration, r rank, exempt bool, k float64, window time.Duration) (what sending, retry uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	level := h.ceiling.level(now)
	if level >= allLevels {
		h.retry = 1
		if now-h.failed > window {
			h.alert.Store(false)
			return outSent, 1
		}
	}
	class := r.class()
	switch {
	case class == 0 || exempt:
		return outSent, 1
	case level < allLevels && int(r.level()) < level:
		return outSent, 1
	case level < allLevels && h.ceiling.probes():
		return outProbed, 1
	case level < allLevels:
		return outFloored, h.retry
	case k == 0:
		return outSent, 1
	}
	t, number := &h.throttles[class], bucketAt(now, window)
	if p := t.probability(number, k); p > 0 && rand.Float64() < p {
		t.count(number, false)
		return outThrottled, retryFor(p)
	}
	return outSent, 1
}

// answer is what came back.
type answer struct {
	sent     time.Duration // when it was asked for; 0 if nobody looked
	floor    int           // allLevels: none was told
	retry    uint32        // of a refusal
	heard    bool          // the host has answered
	accepted bool
}

// learn counts an answer. Under a floor nothing is counted: who is refused there
// is the host's decision, and no sign that it is failing.
func (h *host) learn(now time.Duration, class uint32, a answer, window time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.floor < allLevels {
		if !h.ceiling.on {
			clear(h.throttles[:]) // and neither were the refusals that led to it
			h.retry = 1
		}
		h.retry = max(h.retry, a.retry)
		h.ceiling.tell(now, a.floor)
		h.alert.Store(true)
		return
	}
	if a.heard {
		h.ceiling.lift(a.sent)
	}
	if h.ceiling.level(now) < allLevels {
		return
	}
	h.throttles[class].count(bucketAt(now, window), a.accepted)
	if !a.accepted {
		h.failed = now
		h.alert.Store(true)
	}
}

// maxHostName is more than a name in the DNS and a port can have.
const maxHostName = 300

// hosts are the ones that were used last.
type hosts struct {
	last atomic.Pointer[host] // most callers have one host
	seed maphash.Seed
	most int

	mu   sync.Mutex
	all  map[string]*list.Element
	used list.List // of *host, the latest first
}

func newHosts(most int) hosts {
	return hosts{seed: maphash.MakeSeed(), most: most, all: make(map[string]*list.Element)}
}

// get finds a host, or makes room for it. A request under way keeps the one it
// has, even if that has been forgotten since.
func (hs *hosts) get(name string) *host {
	name = name[:min(len(name), maxHostName)]
	// As long as one host is asked for again and again, it is the latest.
	if h := hs.last.Load(); h != nil && h.name == name {
		return h
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	e := hs.all[name]
	if e == nil {
		if hs.used.Len() >= hs.most {
			oldest := hs.used.Back()
			delete(hs.all, hs.used.Remove(oldest).(*host).name) //nolint:forcetypeassert // it holds no others
		}
		name = strings.Clone(name) // not the whole URL with it
		e = hs.used.PushFront(&host{name: name, salt: maphash.String(hs.seed, name), retry: 1})
		hs.all[name] = e
	} else {
		hs.used.MoveToFront(e)
	}
	h := e.Value.(*host) //nolint:forcetypeassert // it holds no others
	hs.last.Store(h)
	return h
}

// latest returns up to n of them, and how many there are.
func (hs *hosts) latest(n int) (some []*host, all int) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for e := hs.used.Front(); e != nil && len(some) < n; e = e.Next() {
		some = append(some, e.Value.(*host)) //nolint:forcetypeassert // it holds no others
	}
	return some, hs.used.Len()
}
