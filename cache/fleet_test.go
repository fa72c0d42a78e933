package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// convoy is some Caches over one depot, each in the place of a process.
type convoy struct {
	t      *testing.T
	rng    *rand.Rand
	seed   uint64
	truth  *truth
	depot  *depot
	cfg    cache.Config[int, sight]
	nodes  []*cache.Cache[int, sight]
	own    [][]floor // what each node has been told itself
	ownMu  sync.Mutex
	bounds bounds
	stop   chan struct{}
}

func (v *convoy) load(ctx context.Context, key int, m *cache.Meta) (sight, error) {
	m.Tags = tagsOf(key)
	quick := rand.IntN(2) == 0
	wait := func() {
		if !quick {
			time.Sleep(rand.N(10 * time.Millisecond))
		}
	}
	wait()
	s, err := v.truth.read(key)
	wait()
	return s, errors.Join(err, ctx.Err())
}

// draw makes up a fleet. TTLs are either so short that limits are met, or so long
// that only what it was told takes a value away.
func (v *convoy) draw() {
	rng, d := v.rng, v.depot
	v.cfg = cache.Config[int, sight]{
		Load: v.load, TTL: time.Hour, StaleIfError: time.Hour, ErrorPause: 100 * time.Millisecond, NegativeTTL: orOff(rng, time.Hour),
		StaleWhileRevalidate: orOff(rng, time.Second), SoftTimeout: orOff(rng, 5*time.Millisecond, time.Second), FinishLoads: rng.IntN(3) == 0,
		MaxEntries: 3 + rng.IntN(4),
	}
	if rng.IntN(3) == 0 {
		v.cfg.TTL, v.cfg.StaleIfError, v.cfg.NegativeTTL = 500*time.Millisecond, orOff(rng, 500*time.Millisecond), orOff(rng, 200*time.Millisecond)
	}
	v.cfg.Shared.L2, v.cfg.Shared.Bus = leasing{d}, d
	if rng.IntN(4) == 0 {
		v.cfg.Shared.MaxPending = 2
	}
	if rng.IntN(4) == 0 {
		v.cfg.Shared.CompressAbove = 1
	}
	d.shift.Store(int64([]time.Duration{0, time.Hour, -time.Hour}[rng.IntN(3)]))
	if rng.IntN(3) == 0 {
		d.way.Store(int64(15 * time.Millisecond))
	}
	load := 20 * time.Millisecond
	v.bounds = bounds{max(v.cfg.TTL+max(v.cfg.StaleWhileRevalidate, v.cfg.StaleIfError, 0), load), max(v.cfg.NegativeTTL, load)}
	v.truth = newTruth(4)
	for range 2 + rng.IntN(3) {
		v.nodes = append(v.nodes, closing(v.t, v.cfg))
		v.own = append(v.own, make([]floor, len(v.truth.keys)))
	}
}

func (v *convoy) floor(node, key int) floor {
	v.ownMu.Lock()
	defer v.ownMu.Unlock()
	return v.own[node][key]
}

func (v *convoy) told(node, key, n int) {
	v.ownMu.Lock()
	defer v.ownMu.Unlock()
	f := &v.own[node][key]
	f.value, f.none = max(f.value, n), max(f.none, n)
}

// judge looks at an answer: whose loads work gets no error, whatever the depot does.
func (v *convoy) judge(ctx context.Context, node, key int, from floor, s sight, err error, since time.Time) {
	b := v.bounds
	b.value, b.negative = b.value+time.Since(since), b.negative+time.Since(since)
	if bad := v.truth.judge(key, from, s, err, b); bad != nil {
		v.t.Errorf("node %d: %v", node, bad)
	}
	if err != nil && !errors.Is(err, cache.ErrNotFound) && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		v.t.Errorf("node %d, key %d: %v", node, key, err)
	}
}

func (v *convoy) read(rng *rand.Rand, node int) {
	ctx, cancel := caller(v.t.Context(), rng)
	defer cancel()
	c, began := v.nodes[node], time.Now()
	if rng.IntN(4) > 0 {
		key := rng.IntN(len(v.truth.keys))
		from := v.floor(node, key)
		s, err := c.Get(ctx, key)
		v.judge(ctx, node, key, from, s, err, began)
		return
	}
	from, keys := make([]floor, len(v.truth.keys)), make([]int, len(v.truth.keys))
	for key := range keys {
		from[key], keys[key] = v.floor(node, key), key
	}
	got, err := c.GetMany(ctx, keys)
	for _, key := range keys {
		if s, ok := got[key]; ok {
			v.judge(ctx, node, key, from[key], s, nil, began)
		} else if err == nil {
			v.judge(ctx, node, key, from[key], s, cache.ErrNotFound, began)
		}
	}
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		v.t.Errorf("node %d: %v", node, err)
	}
}

func (v *convoy) write(rng *rand.Rand, node int) {
	ctx, c, key := v.t.Context(), v.nodes[node], rng.IntN(len(v.truth.keys))
	n := v.truth.change(key, false)
	all := v.truth.present()
	var err error
	switch how := rng.IntN(16); {
	case how < 8:
		err = c.Delete(ctx, key)
		v.told(node, key, n)
	case how < 12:
		err = c.InvalidateTags(ctx, tagsOf(key)[0])
		v.told(node, key, n)
	case how < 15:
		err = c.InvalidateTags(ctx, tagsOf(key)[1])
		for i := key % 2; i < len(all); i += 2 {
			v.told(node, i, all[i])
		}
	default:
		err = c.Clear(ctx)
		for i, n := range all {
			v.told(node, i, n)
		}
	}
	if err != nil {
		v.t.Error(err)
	}
}

// trouble has faults come and go.
func (v *convoy) trouble(rng *rand.Rand) {
	pause := func() bool {
		select {
		case <-time.After(time.Duration(rng.IntN(1500)) * time.Millisecond):
			return true
		case <-v.stop:
			return false
		}
	}
	for pause() {
		switch f := rng.Int32N(faults + 2); f {
		case faults:
			v.depot.flush()
		case faults + 1:
			v.depot.deaf.Store(true)
			pause()
			v.depot.hears()
		default:
			v.depot.breaks(f)
			pause()
			v.depot.breaks(sound)
		}
	}
}

func (v *convoy) run() {
	v.draw()
	var actors, troubles sync.WaitGroup
	troubles.Go(func() { v.trouble(rand.New(rand.NewPCG(v.seed, 99))) })
	for node := range v.nodes {
		for i := range uint64(3) {
			actors.Go(func() {
				rng := rand.New(rand.NewPCG(v.seed, 10*uint64(node)+i))
				for range 60 {
					if rng.IntN(5) == 0 {
						v.write(rng, node)
					} else {
						v.read(rng, node)
					}
					if rng.IntN(3) > 0 {
						time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
					}
				}
			})
		}
	}
	actors.Wait()
	close(v.stop)
	troubles.Wait()
	v.end()
}

// end: when all faults are over and all has been told, everybody sees what is true.
func (v *convoy) end() {
	time.Sleep(10 * time.Second)
	for i, c := range v.nodes {
		if s := c.Stats().L2; s.Pending != 0 {
			v.t.Errorf("node %d: %+v", i, *s)
		}
	}
	// Once for what may be shown while it is loaded anew, and once for what that brings.
	for last := range 2 {
		for i, c := range v.nodes {
			for key, n := range v.truth.present() {
				s, err := c.Get(v.t.Context(), key)
				if last == 1 {
					v.judge(v.t.Context(), i, key, floor{n, n}, s, err, time.Now())
				}
			}
		}
		time.Sleep(2 * time.Second)
	}
}

func describeFleet(v *convoy) string {
	return fmt.Sprintf("%d nodes, %s, pending %d, clock %v", len(v.nodes), describe(v.cfg), v.cfg.Shared.MaxPending, time.Duration(v.depot.shift.Load()))
}

// TestFleetModel: random programs of a fleet over a store that breaks in every way.
// No error of it reaches a caller, no process sees what it has itself made invalid,
// nothing is seen past its limit, and when the faults are over and all has been
// told nobody sees what anybody has made invalid. SEAWALL_SEED=7 plays one.
func TestFleetModel(t *testing.T) {
	first, programs := uint64(0), uint64(40)
	if raceEnabled {
		programs = 10
	}
	if long() {
		programs = 5_000
	}
	if one, err := strconv.ParseUint(os.Getenv("SEAWALL_SEED"), 10, 64); err == nil {
		first, programs = one, 1
	}
	for seed := first; seed < first+programs && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			v := &convoy{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), depot: newDepot(), stop: make(chan struct{})}
			v.run()
			if t.Failed() {
				t.Logf("SEAWALL_SEED=%d: %s", seed, describeFleet(v))
			}
		})
	}
}
