package ratelimit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall/internal/storeguard"
)

const (
	// A lease's word: how many tokens there are, and when they are void, in ticks
	// of 2 ms that wrap around after 104 days. What comes to life again then was
	// debited when it was taken.
	voidBits  = 32
	voidShift = 27 // units to ticks
	mostLease = 1<<32 - 1

	// useFor is for how long a lease should last, at the pace of the last one.
	useFor = 50 * time.Millisecond
	// refuseFor is how long a refusal is remembered at least: the next token may
	// be there in no time, and asking for each costs more than it is worth.
	refuseFor = 10 * time.Millisecond
)

// lease is what a process has of one shared bucket.
type lease struct {
	hash uint64

	word  atomic.Uint64
	low   atomic.Int64 // fewer tokens than this: it is time to ask for more
	until atomic.Int64 // costs of least and more are refused until then, in units
	least atomic.Int64
	inc   atomic.Int64 // the time of a token, when that was said
	left  atomic.Int64 // what the store said there is beside the lease

	flying  atomic.Bool  // flight is not nil
	waiting atomic.Int64 // tokens that requests wait for
	used    atomic.Int64 // without asking, since the store does not answer; less than 0: told, and then refunded

	mu     sync.Mutex
	flight *flight
	id     [16]byte // of the bucket, once it is known
	known  bool
	state  string
	size   int64 // what was asked for last
	level  int64 // tokens there were after that
	landed int64 // when, in units
	back   int64 // to be given back
	window *calendarWindow
	of     *sharedMeters // that its tokens were taken at
}

// flight is a call about one bucket, that any number of requests wait for.
type flight struct {
	done  chan struct{}
	lost  bool // without an answer; set before done
	call  *storeguard.Call
	began int64 // in units
}

func voidAt(t int64) uint64 { return uint64(t>>voidShift) & (1<<voidBits - 1) }

// tokens of a word, and whether they may be used.
func tokens(w uint64, now int64) (n int64, good bool) {
	return int64(w >> voidBits), int32(uint32(w)-uint32(voidAt(now))) > 0
}

// take takes cost tokens, or none. It returns how many there are after it.
func (l *lease) take(now, cost int64) (n int64, ok bool) {
	for {
		w := l.word.Load()
		n, good := tokens(w, now)
		if !good || n < cost {
			return n, false
		}
		if cost == 0 || l.word.CompareAndSwap(w, w-uint64(cost)<<voidBits) {
			return n - cost, true
		}
	}
}

// put gives tokens that were taken back. When they are void does not change.
func (l *lease) put(n int64) {
	for {
		w := l.word.Load()
		if l.word.CompareAndSwap(w, uint64(min(int64(w>>voidBits)+n, mostLease))<<voidBits|w&(1<<voidBits-1)) {
			return
		}
	}
}

// add brings new ones; what is void goes into back.
func (l *lease) add(n, now, void int64) {
	for {
		w := l.word.Load()
		old, good := tokens(w, now)
		keep := old
		if !good {
			keep = 0
		}
		if l.word.CompareAndSwap(w, uint64(min(keep+n, mostLease))<<voidBits|voidAt(void)) {
			if !good {
				l.back += old
			}
			return
		}
	}
}

// takeVoid takes out what may no longer be used.
func (l *lease) takeVoid(now int64) {
	for {
		w := l.word.Load()
		n, good := tokens(w, now)
		if good || n == 0 || l.word.CompareAndSwap(w, w&(1<<voidBits-1)) {
			if !good {
				l.back += n
			}
			return
		}
	}
}

// refuses says until when a cost is refused without asking, if it is. What was
// said of another rate does not count.
func (l *lease) refuses(now, cost, inc int64) (until int64, yes bool) {
	until = l.until.Load()
	return until, now < until && cost >= l.least.Load() && inc == l.inc.Load()
}

// idle: nobody misses it. Tokens that are void are lost with it.
func (l *lease) idle(now int64) bool {
	n, good := tokens(l.word.Load(), now)
	return (n == 0 || !good) && now >= l.until.Load() && l.waiting.Load() == 0 && l.used.Load() <= 0
}

// leases is a set-associative table of them, of a fixed size.
type leases struct{ sets []leaseSet }

type leaseSet [ways]atomic.Pointer[lease]

func newLeases(n int) *leases { return &leases{make([]leaseSet, n/ways)} }

// get returns the lease of a hash. A new one takes the place of one that is
// idle, or of that whose tokens are void first: they are lost, and nobody gets
// more by it.
func (t *leases) get(hash uint64, now int64) *lease {
	set := &t.sets[hash&uint64(len(t.sets)-1)]
	for i := range set {
		if l := set[i].Load(); l != nil && l.hash == hash {
			return l
		}
	}
	fresh := &lease{hash: hash, size: 1}
	for {
		at, old, rank := 0, (*lease)(nil), int64(-1<<62)
		for i := range set {
			l := set[i].Load()
			if l != nil && l.hash == hash {
				return l
			}
			if r := l.rank(now); r > rank { // the first of equals: two who come at once choose the same
				at, old, rank = i, l, r
			}
		}
		if set[at].CompareAndSwap(old, fresh) {
			return fresh
		}
	}
}

// rank is the higher the sooner a lease may be forgotten.
func (l *lease) rank(now int64) int64 {
	switch {
	case l == nil:
		return 1 << 62
	case l.idle(now):
		return 1 << 61
	default:
		return int64(int32(uint32(voidAt(now)) - uint32(l.word.Load())))
	}
}

// all calls f for each lease.
func (t *leases) all(f func(*lease)) {
	for i := range t.sets {
		for k := range t.sets[i] {
			if l := t.sets[i][k].Load(); l != nil {
				f(l)
			}
		}
	}
}

// bucketID is what the bucket of a key is called in the store: keys come from
// clients, so they are hashed, and with a secret nobody can find them by trying.
func bucketID(secret []byte, key []byte) (id [16]byte) {
	if len(secret) == 0 {
		sum := sha256.Sum256(key)
		copy(id[:], sum[:])
		return id
	}
	h := hmac.New(sha256.New, secret)
	h.Write(key)
	copy(id[:], h.Sum(nil))
	return id
}

func (l *lease) key(prefix string, window string) string {
	b := make([]byte, 0, len(prefix)+len(window)+40)
	b = append(b, prefix...)
	b = append(b, '{')
	b = hex.AppendEncode(b, l.id[:])
	b = append(b, '}')
	return string(append(b, window...))
}
