// Package storeguard stands between requests and a store over a network, so
// that its failures cost them one bounded wait and nothing after it. Calls run
// in goroutines of the guard's own, at most so many at once; sony/gobreaker
// counts how they end, and says when another is worth the try.
package storeguard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Config sets up a Guard. All fields but OnChange must be positive.
type Config struct {
	// Budget is how long a call may take to count as answered.
	Budget time.Duration
	// Patience is how long a call may take before its context ends.
	Patience time.Duration
	// Open is how long no call is made after the store was given up. Then one
	// is, and decides. The first time it is 20 ms at most, and then doubles: one
	// answer that was late is not yet a store that is gone.
	Open time.Duration
	// Calls is how many may be under way at once.
	Calls int
	// OnChange is told, under no lock, that the store does not answer, once a
	// second call in a row has found that, and that it answers again.
	OnChange func(up bool, cause error)
}

// Guard guards one store.
type Guard struct {
	cfg     Config
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	base    time.Time

	up       atomic.Bool
	changed  atomic.Bool
	retryAt  atomic.Int64 // while not up, since base
	pause    int64        // under gobreaker's lock, as is down
	down     bool         // OnChange was told so, or is about to be
	answered atomic.Int64 // the last time in time, since base
	failures atomic.Uint64

	slots  chan struct{}
	ctx    context.Context //nolint:containedctx // the Guard's own life, which Close ends
	cancel context.CancelFunc

	mu     sync.Mutex // of closed and of calls.Add
	closed bool
	calls  sync.WaitGroup
}

// ErrSlow is the cause when an answer did not come within Budget.
var ErrSlow = errors.New("no answer in time")

// inARow is how many failures in a row it takes while other calls are answered.
const inARow = 3

const firstOpen = 20 * time.Millisecond

// New returns a Guard. It starts nothing.
func New(cfg Config) *Guard {
	g := &Guard{cfg: cfg, base: time.Now(), slots: make(chan struct{}, cfg.Calls)}
	g.answered.Store(-int64(cfg.Budget))
	g.up.Store(true)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout: min(cfg.Open, firstOpen), // from then on, retryAt
		// A store that has not answered anything within the budget is gone; one
		// that has may have lost a single call.
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= inARow || g.now()-g.answered.Load() >= int64(cfg.Budget)
		},
		// Under gobreaker's lock: no callback from here.
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateHalfOpen:
			case to == gobreaker.StateClosed:
				g.changed.Store(g.down)
				g.down = false
			case from == gobreaker.StateClosed:
				g.pause = int64(min(cfg.Open, firstOpen))
			default: // the probe has failed
				g.pause = min(2*g.pause, int64(cfg.Open))
				g.changed.Store(!g.down)
				g.down = true
			}
			if to == gobreaker.StateOpen {
				g.retryAt.Store(g.now() + g.pause)
			}
			g.up.Store(to == gobreaker.StateClosed)
		},
	})
	return g
}

func (g *Guard) now() int64 { return int64(time.Since(g.base)) }

// Up says whether an answer may be waited for. It costs one atomic load.
func (g *Guard) Up() bool { return g.up.Load() }

// Failures is how many calls have failed or came too late.
func (g *Guard) Failures() uint64 { return g.failures.Load() }

// May says whether Go may make a call now, cheaply: while the store is given up
// it costs a reading of the clock.
func (g *Guard) May() bool { return g.up.Load() || g.now() >= g.retryAt.Load() }

// Go makes a call, if one may be made now. Its error counts; one that is still
// under way after Budget has failed, though it may go on. What it does with its
// result is its own affair. A panic in it is a failure. Go returns nil if no call
// may be made.
func (g *Guard) Go(call func(context.Context) error) *Call {
	if !g.May() {
		return nil
	}
	select {
	case g.slots <- struct{}{}:
	default:
		return nil
	}
	if !g.begin() {
		<-g.slots
		return nil
	}
	done, err := g.breaker.Allow()
	if err != nil {
		g.calls.Done()
		<-g.slots
		return nil
	}
	c := &Call{g: g, done: done}
	go c.run(call)
	return c
}

func (g *Guard) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.calls.Add(1)
	return true
}

// Call is one under way.
type Call struct {
	g    *Guard
	said atomic.Bool
	done func(error)
}

// Slow says that somebody has waited for this call as long as Budget. It is
// said by itself then; who waits knows it a moment earlier, and the next one
// must not have to wait as well.
func (c *Call) Slow() { c.verdict(ErrSlow) }

func (c *Call) verdict(err error) {
	if !c.said.CompareAndSwap(false, true) {
		return
	}
	g := c.g
	if err != nil {
		g.failures.Add(1)
	}
	if !errors.Is(err, ErrSlow) { // an error is an answer, too, and may be of one bucket alone
		g.answered.Store(g.now())
	}
	c.done(err)
	if g.changed.CompareAndSwap(true, false) && g.cfg.OnChange != nil {
		// In a goroutine that is nobody's, whoever is told must not end the process.
		defer func() { _ = recover() }()
		g.cfg.OnChange(g.up.Load(), err)
	}
}

func (c *Call) run(call func(context.Context) error) {
	g := c.g
	defer g.calls.Done()
	defer func() { <-g.slots }()
	err := errors.New("the call ended its goroutine")
	slow := time.AfterFunc(g.cfg.Budget, c.Slow)
	defer func() {
		slow.Stop()
		if v := recover(); v != nil { // the store's, not a request's
			err = fmt.Errorf("panic in a store: %v\n%s", v, debug.Stack())
		}
		c.verdict(err)
	}()
	ctx, cancel := context.WithTimeout(g.ctx, g.cfg.Patience)
	defer cancel()
	err = call(ctx)
}

// Close makes no more calls, and waits for those under way until ctx is done;
// then it cancels them.
func (g *Guard) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	defer g.cancel()
	ended := make(chan struct{})
	go func() {
		g.calls.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
