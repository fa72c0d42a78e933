package shed

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// Shedder admits as many requests as its backend can serve at once, the most
// important ones first, and refuses the others. It finds the capacity by
// itself, and refuses nobody as long as that has not been reached.
//
// A Shedder has no goroutine and no timer of its own: the first request after
// 50 ms runs the control law. It is safe for concurrent use.
type Shedder struct {
	// Written on every admission and return: alone on its cache line.
	_ [64]byte
	n atomic.Int64 // inside
	_ [64]byte

	// Read on every request, written rarely.
	gate    atomic.Pointer[gate]
	due     atomic.Int64 // when the next tick is
	waiters atomic.Int32
	base    time.Time
	shards  []shard
	_       [64]byte

	queueMu sync.Mutex // never held across a wait, a callback or a tick
	queue   queue

	mu        sync.Mutex // the law; taken by whoever runs a tick
	state     state
	win       window
	slots     [ringSlots]slot
	number    uint32 // of the tick now running
	last      int64  // when it began
	total     [seawall.NumPriorities]counts
	share     float64 // of arrivals refused, over about a second
	refused   uint64  // at the last tick
	overrides overrides
	runs      runQueue
	ramp      slowStart
	favours   *favours
	shares    *shares
	asked     float64 // arrivals before shares were made
	routes    routes
	table     *routeTable
	marks     [seawall.NumPriorities]marks
	closed    bool

	slow     [seawall.NumPriorities]slowCounts
	exempt   atomic.Uint64
	detached atomic.Int64 // streams that have given their seats back
	shadows  atomic.Int64 // inside in a dry run although they would have been refused
	idle     chan struct{}
	idleOnce sync.Once
}

// gate is what the fast path needs to know, published as one piece.
type gate struct {
	limit            int64
	eligible, proven int64
	early            int64         // ns: two baselines
	censor, believe  int64         // ns: the age at which a cohort is closed, and what is believed of one that is later
	expect           time.Duration // the baseline: what an answer takes at best; 0 if not known
	floor            uint32
	mask             uint32 // one arrival in mask+1 is sampled
	tick             uint32
	retry            uint32 // Retry-After is 1 to retry seconds
	dry, closed      bool
	firm             bool   // the floor is there although seats are free: processors are short
	plain            bool   // an answer is all there is to give: no Observer, no dry run, not closed
	salt             uint32 // of the dice for refusals
	refusals         [spreads]*seawall.Rejection
	epochs           epochs
	favours          *favours // nil while nobody is refused
	shares           *shares  // nil before the first traffic
	routes           *routeTable
	second           uint32
	cfg              *Config
	says             *rejections
}

const tickNanos = int64(tick * float64(time.Second))

// New returns a Shedder. It takes about 16 KiB and 6 KiB more for each
// processor (up to 16), 144 KiB after the first few hundred requests, 64 KiB at
// the first saturation, and nothing that would have to be stopped.
func New(cfg Config) (*Shedder, error) {
	resolved, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	s := &Shedder{
		base:   time.Now(),
		shards: newShards(),
		idle:   make(chan struct{}),
	}
	s.ramp = s.ramp.step(resolved.SlowStart, resolved.MinLimit, 0, 0)
	s.state = newState(s.bounds(&resolved))
	s.last = s.now()
	s.slots[0] = slot{began: s.last, open: true, known: true}
	s.publish(&resolved, s.last)
	s.due.Store(s.last + tickNanos)
	return s, nil
}

// now is nanoseconds since New, and never zero: that stands for "not sampled".
func (s *Shedder) now() int64 { return int64(time.Since(s.base)) + 1 }

// Update replaces the configuration at run time; what has been learned stays.
// If cfg is not valid the last good one stays in force.
func (s *Shedder) Update(cfg Config) error {
	resolved, err := cfg.resolve()
	if err != nil {
		return err
	}
	s.mu.Lock()
	b := s.bounds(&resolved)
	s.state.limit = clamp(s.state.limit, b.min, b.max)
	s.republish(context.Background(), &resolved)
	return nil
}

// Close refuses everybody from now on (seawall.Draining), those who wait
// included, and returns when the last admitted request has ended or ctx is
// done. It does not wait for streams that were detached, as Shutdown of
// http.Server does not for hijacked connections: end those yourself. It may be
// called again.
func (s *Shedder) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.publish(s.gate.Load().cfg, s.now())
	s.mu.Unlock()

	s.queueMu.Lock()
	for w := s.queue.popBest(); w != nil; w = s.queue.popBest() {
		w.ready <- closed
	}
	s.waiters.Store(0)
	s.queueMu.Unlock()

	s.signalIdle()
	select {
	case <-s.idle: // before ctx: whose end is no excuse when there is nothing to wait for
		return nil
	default:
	}
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Shedder) signalIdle() {
	if s.n.Load() == 0 && s.shadows.Load() == 0 {
		s.idleOnce.Do(func() { close(s.idle) })
	}
}

// publish hands the outcome of a tick to the fast path. The caller holds mu.
func (s *Shedder) publish(cfg *Config, now int64) {
	at := s.base.Add(time.Duration(now))
	s.overrides.expire(at)
	b := s.bounds(cfg)
	limit := s.state.limit
	if b.pinned > 0 {
		limit = clamp(b.pinned, b.min, b.max)
	}
	g := &gate{
		limit:    int64(math.Ceil(limit)),
		eligible: int64(s.state.eligible),
		proven:   int64(s.state.proven),
		early:    int64(2 * s.state.base.mean * float64(time.Second)),
		floor:    uint32(s.state.door.floor),
		mask:     sampleMask(s.win.arrivals),
		tick:     s.number,
		retry:    uint32(clamp(math.Ceil(2/(1-min(s.share, 0.99))), 1, maxRetry)),
		dry:      cfg.DryRun,
		closed:   s.closed,
		epochs:   epochsAt(time.Now(), cfg.Sticky), // the wall clock, by which a fleet agrees
		cfg:      cfg,
	}
	closed := s.state.base.patience()
	g.censor = int64(closed * float64(time.Second))
	// A stream may be a day old; more than anybody waits it cannot mean.
	g.believe = int64(max(b.budget, closed) * float64(time.Second))
	if g.early == 0 {
		g.proven = 0 // nobody can be late while it is not known what late is
	}
	if old := s.gate.Load(); old != nil && old.cfg.Name == cfg.Name {
		g.says = old.says
	} else {
		g.says = newRejections(cfg.Name)
	}
	g.routes = s.table
	g.shares, g.second = s.shares, uint32(now/int64(time.Second))
	if s.state.sat.now || s.state.cpu.rate > 0 {
		if s.favours == nil {
			s.favours = new(favours)
		}
		g.favours = s.favours
	}
	if v, ok := s.overrides.dryRun(); ok {
		g.dry = v
	}
	if s.closed { // full, and nothing but full, so that each refusal is counted once
		g.floor, g.limit = allLevels, 0
	}
	if s.state.base.usable() {
		g.expect = time.Duration(s.state.base.mean * float64(time.Second))
	}
	g.firm = s.state.cpu.rate > 0
	g.plain = !g.dry && !g.closed && cfg.Observer == nil
	g.salt = uint32(mix(uint64(g.tick)))
	g.refusals = g.says.spread(g.retry)
	s.gate.Store(g)
}

func (s *Shedder) bounds(cfg *Config) bounds {
	b := bounds{
		min: float64(cfg.MinLimit), max: float64(cfg.MaxLimit),
		budget: cfg.Budget.Seconds(), pinned: s.overrides.limit(), queue: float64(cfg.RunQueue),
	}
	if cfg.patient {
		b.budget = clamp(patienceFactor*s.state.usual, b.budget, 60)
	}
	return s.ramp.cap(b)
}

// sampleMask keeps the samples of a tick to a few hundred.
func sampleMask(arrivals float64) uint32 {
	mask := uint32(0)
	for mask < 63 && arrivals > float64(mask+1)*512 {
		mask = mask*2 + 1
	}
	return mask
}
