package spike

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// ErrRefused is what Oracle.Acquire returns to those it has no seat for.
var ErrRefused = errors.New("seawall/spike: refused by the oracle")

// OracleConfig says what the oracle knows.
type OracleConfig struct {
	// Slots is the true size of the backend. Default 24.
	Slots int
	// Waits bounds the wait for a seat: Critical, Normal, Sheddable, Background.
	// Off lets a priority not wait at all. Default 200, 100, 50 and 50 ms.
	Waits [seawall.NumPriorities]time.Duration
	// MaxWaiting bounds how many wait; a better newcomer then takes the place of
	// the worst. Default 65,536.
	MaxWaiting int
	// Seed of the order of the users.
	Seed uint64
}

func (c OracleConfig) resolve() (OracleConfig, error) {
	if c.Slots == 0 {
		c.Slots = 24
	}
	if c.Slots < 1 || c.Slots > 1_000_000 {
		return c, badf("Slots", "between 1 and 1000000", c.Slots)
	}
	const ms = time.Millisecond
	for i, d := range [...]time.Duration{200 * ms, 100 * ms, 50 * ms, 50 * ms} {
		switch {
		case c.Waits[i] == 0:
			c.Waits[i] = d
		case c.Waits[i] == seawall.Off:
			c.Waits[i] = 0
		case c.Waits[i] < 0 || c.Waits[i] > time.Hour:
			return c, badf("Waits["+seawall.Priorities()[i].String()+"]", "between 0 and 1h", c.Waits[i])
		}
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 65_536
	}
	if c.MaxWaiting < 1 || c.MaxWaiting > 1<<24 {
		return c, badf("MaxWaiting", "between 1 and %d", c.MaxWaiting, 1<<24)
	}
	return c, nil
}

// Oracle is the contender that cheats: it knows how many slots the backend has.
// It admits while fewer are inside. Who finds it full waits, for a bounded
// time, in strict order of priority and, within a priority, in a fixed order of
// users, so that those who are served are served again and finish what they
// began. What a limiter that has to find the capacity out can reach at best is
// about what the oracle reaches. It starts no goroutine.
type Oracle struct {
	waits      [seawall.NumPriorities]time.Duration
	maxWaiting int
	seed       uint64

	mu      sync.Mutex
	slots   int
	inside  int
	arrived uint64
	waiting seatHeap
}

// NewOracle returns an oracle with every seat free.
func NewOracle(cfg OracleConfig) (*Oracle, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Oracle{waits: cfg.Waits, maxWaiting: cfg.MaxWaiting, seed: cfg.Seed, slots: cfg.Slots}, nil
}

// Acquire takes a seat, at once or within the priority's wait. The caller must
// call release when it is done, in a defer; calling it again does nothing. The
// error is ErrRefused, or ctx's when ctx has ended.
func (o *Oracle) Acquire(ctx context.Context, p seawall.Priority, user uint64) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	class := min(max(int(seawall.Critical-p), 0), seawall.NumPriorities-1)
	o.mu.Lock()
	if o.inside < o.slots && len(o.waiting) == 0 {
		o.inside++
		o.mu.Unlock()
		return o.releaser(), nil
	}
	s := &seat{rank: uint64(class)<<62 | mix64(user^o.seed)>>2, arrived: o.arrived, given: make(chan bool, 1)}
	o.arrived++
	if o.waits[class] == 0 || !o.enqueue(s) {
		o.mu.Unlock()
		return nil, ErrRefused
	}
	o.mu.Unlock()

	timer := time.NewTimer(o.waits[class])
	defer timer.Stop()
	select {
	case given := <-s.given:
		return o.answer(given)
	case <-timer.C:
		err = ErrRefused
	case <-ctx.Done():
		err = ctx.Err()
	}
	o.mu.Lock()
	left := o.waiting.remove(s)
	o.mu.Unlock()
	if left {
		return nil, err
	}
	// The answer came in the same moment. Who has gone gives the seat on.
	release, refused := o.answer(<-s.given)
	if refused == nil && ctx.Err() != nil {
		release()
		return nil, ctx.Err()
	}
	return release, refused
}

func (o *Oracle) answer(given bool) (func(), error) {
	if !given {
		return nil, ErrRefused
	}
	return o.releaser(), nil
}

// enqueue reports whether there is a place among the waiting. The caller holds
// the lock.
func (o *Oracle) enqueue(s *seat) bool {
	if len(o.waiting) >= o.maxWaiting {
		worst := o.waiting.worst()
		if !s.before(worst) {
			return false
		}
		o.waiting.remove(worst)
		worst.given <- false
	}
	o.waiting.push(s)
	return true
}

// releaser returns the function that gives one seat back.
func (o *Oracle) releaser() func() {
	var done atomic.Bool
	return func() {
		if done.Swap(true) {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.inside--
		o.hand()
	}
}

// hand gives free seats to the best who wait. The caller holds the lock.
func (o *Oracle) hand() {
	for o.inside < o.slots && len(o.waiting) > 0 {
		o.inside++
		o.waiting.pop().given <- true
	}
}

// SetSlots tells the oracle that the backend has changed, from 0 slots. Those
// inside stay.
func (o *Oracle) SetSlots(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots = max(0, n)
	o.hand()
}

// Load returns how many are inside and how many wait.
func (o *Oracle) Load() (inside, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inside, len(o.waiting)
}

// mix64 scatters a number over 64 bits (the finalizer of splitmix64).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
