package spike

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// ErrInjected is what Serve returns for an error of FaultErrors.
var ErrInjected = errors.New("seawall/spike: injected error")

// maxLate bounds what is made up for after a stall of the whole machine.
const maxLate = 100 * time.Millisecond

// BackendConfig sizes a Backend. The zero value is 24 slots of 80 ms: 300
// requests a second.
type BackendConfig struct {
	// Slots is how many requests are worked on at once, at most a million.
	// Default 24.
	Slots int `json:"slots"`
	// Service is how long the work takes. Default LogNormal(80ms, 0.6).
	Service Service `json:"service"`
	// Contention is by how much each waiting request slows work down: work begun
	// while w wait takes 1 + w*Contention times as long. It is what makes an
	// unprotected server collapse instead of merely being slow: connections,
	// memory, locks and caches are shared with those who wait. Default 0.002;
	// Off is none.
	Contention float64 `json:"contention"`
	// MaxSlowdown bounds the factor of Contention, at least 1. Default 4.
	MaxSlowdown float64 `json:"max_slowdown"`
	// Seed of the service times and injected errors.
	Seed uint64 `json:"seed"`
}

// Validate says what is wrong with the configuration.
func (c BackendConfig) Validate() error {
	_, err := c.resolve()
	return err
}

func (c BackendConfig) resolve() (BackendConfig, error) {
	if c.Slots == 0 {
		c.Slots = 24
	}
	if c.Slots < 1 || c.Slots > 1_000_000 {
		return c, badf("Slots", "between 1 and 1000000", c.Slots)
	}
	if len(c.Service.Modes) == 0 {
		c.Service = LogNormal(80*time.Millisecond, 0.6)
	}
	if err := c.Service.Validate(); err != nil {
		return c, err
	}
	if c.Contention == 0 {
		c.Contention = 0.002
	}
	if !finite(c.Contention) || c.Contention < 0 && c.Contention != seawall.Off {
		return c, badf("Contention", "0 or more", c.Contention)
	}
	if c.MaxSlowdown == 0 {
		c.MaxSlowdown = 4
	}
	if !finite(c.MaxSlowdown) || c.MaxSlowdown < 1 {
		return c, badf("MaxSlowdown", "at least 1", c.MaxSlowdown)
	}
	return c, nil
}

// Capacity returns the requests a second a backend so configured can serve, 0
// when the configuration is wrong.
func (c BackendConfig) Capacity() float64 {
	c, err := c.resolve()
	if err != nil {
		return 0
	}
	return float64(c.Slots) / c.Service.Mean().Seconds()
}

// Backend is a finite resource: so many slots, and a first-come queue before
// them that nothing bounds but its callers, as in a server, a worker pool or a
// connection pool that nobody has thought about. Its methods are safe for
// concurrent use. It starts no goroutine.
type Backend struct {
	cfg BackendConfig

	mu      sync.Mutex
	times   *rand.Rand
	errs    *rand.Rand
	weights *rand.Rand
	queue   waitList
	busy    int
	late    time.Duration // not yet made up for
	stats   BackendStats
	faults  map[uint64]Fault
	heavy   []Fault
	faultID uint64
	effect  effect
	hung    chan struct{} // closed when the hang is over; nil when there is none
	idle    chan struct{} // closed when nothing is left to do; nil when nobody asks
}

// NewBackend returns an idle backend.
func NewBackend(cfg BackendConfig) (*Backend, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Backend{
		cfg:     cfg,
		times:   rand.New(rand.NewPCG(cfg.Seed, streamService)),
		errs:    rand.New(rand.NewPCG(cfg.Seed, streamErrors)),
		weights: rand.New(rand.NewPCG(cfg.Seed, streamWeights)),
		faults:  make(map[uint64]Fault),
		effect:  noEffect,
	}, nil
}

// Capacity returns the requests a second the backend can serve when nothing is
// wrong with it and nobody waits.
func (b *Backend) Capacity() float64 { return b.cfg.Capacity() }

// Config returns the configuration, defaults filled in.
func (b *Backend) Config() BackendConfig { return b.cfg }

// Serve waits for a slot and works. A request whose ctx ends while it waits
// leaves the queue with ctx's error. Work that has begun runs to its end
// whoever has left, and Serve returns only then, as a query goes on in a
// database whose caller has gone. It returns nil for a success and ErrInjected
// for an injected error.
func (b *Backend) Serve(ctx context.Context) error { return b.serve(ctx, anyRoute) }

// ServeRoute is Serve for a route of the load: the work takes what the route-th
// mode of the Service, from 0, takes. A route without a mode draws from all of
// them, as Serve does.
func (b *Backend) ServeRoute(ctx context.Context, route int) error { return b.serve(ctx, route) }

// anyRoute draws from all modes.
const anyRoute = -1

func (b *Backend) serve(ctx context.Context, route int) error {
	if err := b.road(ctx); err != nil {
		return err
	}
	work, err := b.begin(ctx, route)
	if err != nil {
		return err
	}
	start := time.Now()
	time.Sleep(work)
	late := time.Since(start) - work
	b.unhang()
	b.end(time.Since(start), late, ctx.Err() != nil)
	return nil
}

// road takes the added latency, outside of any slot.
func (b *Backend) road(ctx context.Context) error {
	b.mu.Lock()
	latency := b.effect.latency
	b.mu.Unlock()
	if err := ctx.Err(); err != nil || latency == 0 {
		return err
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// begin takes a slot, at once or after waiting, and returns how long to work.
func (b *Backend) begin(ctx context.Context, route int) (time.Duration, error) {
	b.mu.Lock()
	if b.busy < b.slots() && b.queue.n == 0 {
		b.busy++
		work, err := b.draw(route)
		b.mu.Unlock()
		return work, err
	}
	w := &waiter{route: route, ready: make(chan grant, 1)}
	b.queue.push(w)
	b.mu.Unlock()

	select {
	case g := <-w.ready:
		return g.work, g.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	left := b.queue.remove(w)
	if left {
		b.stats.Left++
		b.rest()
	}
	b.mu.Unlock()
	if left {
		return 0, ctx.Err()
	}
	g := <-w.ready // its turn had come in the same moment: begun work is done
	return g.work, g.err
}

// draw decides on the work that begins now. A failure gives its slot back. The
// caller holds the lock and has counted the slot.
func (b *Backend) draw(route int) (time.Duration, error) {
	if b.effect.errors > 0 && b.errs.Float64() < b.effect.errors {
		b.stats.Failed++
		b.busy--
		return 0, ErrInjected
	}
	slow := min(1+float64(b.queue.n)*max(0, b.cfg.Contention), b.cfg.MaxSlowdown) * b.effect.slow * b.weight()
	work := time.Duration(float64(b.cfg.Service.drawRoute(b.times, route)) * slow)
	// Timers wake late, by half a millisecond or so: a percent of the capacity.
	// What one work was late is taken off those after it, a tenth of each at most.
	made := min(b.late, work/10)
	b.late -= made
	return work - made, nil
}

// end gives a slot back and the work to those who wait.
func (b *Backend) end(took, late time.Duration, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy--
	b.late = min(b.late+max(late, 0), maxLate)
	b.stats.Served++
	b.stats.Busy += took
	if gone {
		b.stats.WastedRequests++
		b.stats.Wasted += took
	}
	b.fill()
}

// fill begins waiting work while slots are free. The caller holds the lock.
func (b *Backend) fill() {
	for b.queue.n > 0 && b.busy < b.slots() {
		w := b.queue.pop()
		b.busy++
		work, err := b.draw(w.route)
		w.ready <- grant{work, err}
	}
	b.rest()
}

// rest tells those in Drain when nothing is left. The caller holds the lock.
func (b *Backend) rest() {
	if b.idle != nil && b.busy == 0 && b.queue.n == 0 {
		close(b.idle)
		b.idle = nil
	}
}

// Drain waits until nobody is served or waits, or for the end of ctx, whose
// error it returns then. After a run it waits for the work whose clients have
// gone: a testing/synctest bubble must not end before.
func (b *Backend) Drain(ctx context.Context) error {
	b.mu.Lock()
	if b.busy == 0 && b.queue.n == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slots is what the faults leave of them. The caller holds the lock.
func (b *Backend) slots() int { return max(0, b.cfg.Slots-b.effect.lost) }
