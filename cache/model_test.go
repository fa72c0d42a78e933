package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// program is one random run: actors that read, write and invalidate a few keys
// at once, with loads that fail, panic, hang and take long.
type program struct {
	t     *testing.T
	truth *truth
	cfg   cache.Config[int, sight]
	c     *cache.Cache[int, sight]

	bad      atomic.Int32 // percent of loads that end badly
	longest  time.Duration
	bounds   bounds
	patience time.Duration // of LoadTimeout, 0 if no load takes so long
}

var errBroken = errors.New("broken")

// load reads at some moment of its time.
func (p *program) load(ctx context.Context, key int, m *cache.Meta) (sight, error) {
	m.Tags = tagsOf(key)
	before, after := rand.N(p.longest/2), rand.N(p.longest/2)
	if rand.IntN(4) == 0 {
		before, after = 0, 0
	}
	time.Sleep(before)
	v, err := p.truth.read(key)
	if deaf := rand.IntN(8) == 0; deaf {
		time.Sleep(after)
	} else {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return sight{}, ctx.Err()
		}
	}
	if rand.Int32N(100) < p.bad.Load() {
		switch rand.IntN(6) {
		case 0:
			panic(errBroken)
		case 1:
			runtime.Goexit()
		default:
			return v, errBroken
		}
	}
	return v, err
}

func (p *program) loadMany(ctx context.Context, keys []int, found func(int, sight, cache.Meta)) error {
	for _, key := range keys {
		var m cache.Meta
		switch v, err := p.load(ctx, key, &m); {
		case err == nil:
			found(key, v, m)
		case !errors.Is(err, cache.ErrNotFound):
			return err
		}
	}
	return nil
}

func tagsOf(key int) []string {
	return []string{"row:" + strconv.Itoa(key), "half:" + strconv.Itoa(key%2)}
}

// fits says whether an error is one that this caller may get.
func (p *program) fits(ctx context.Context, err error) bool {
	var panicked *cache.PanicError
	switch {
	case err == nil, errors.Is(err, cache.ErrNotFound), errors.Is(err, errBroken), errors.Is(err, cache.ErrGoexit), errors.As(err, &panicked):
		return true
	case errors.Is(err, context.Canceled):
		return errors.Is(ctx.Err(), context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return p.patience > 0 || errors.Is(ctx.Err(), context.DeadlineExceeded)
	}
	return false
}

// check judges an answer. Since is for how long it may have waited for others.
func (p *program) check(ctx context.Context, key int, from floor, v sight, err error, since ...time.Time) {
	b := p.bounds
	for _, s := range since {
		b.value, b.negative = b.value+time.Since(s), b.negative+time.Since(s)
	}
	if bad := p.truth.judge(key, from, v, err, b); bad != nil {
		p.t.Error(bad)
	}
	if !p.fits(ctx, err) {
		p.t.Errorf("key %d: %v", key, err)
	}
}

// caller is a context that is sometimes short.
func caller(ctx context.Context, rng *rand.Rand) (context.Context, context.CancelFunc) {
	switch rng.IntN(6) {
	case 0:
		return context.WithTimeout(ctx, time.Duration(rng.IntN(20))*time.Millisecond)
	case 1:
		ctx, cancel := context.WithCancel(ctx)
		stop := time.AfterFunc(time.Duration(rng.IntN(20))*time.Millisecond, cancel)
		return ctx, func() { stop.Stop(); cancel() }
	}
	return ctx, func() {}
}

func (p *program) read(rng *rand.Rand) {
	ctx, cancel := caller(p.t.Context(), rng)
	defer cancel()
	key := rng.IntN(len(p.truth.keys))
	from := p.truth.floor(key)
	switch rng.IntN(8) {
	case 0:
		v, state, ok := p.c.Peek(key)
		switch {
		case ok && state == cache.Negative:
			p.check(ctx, key, from, v, cache.ErrNotFound)
		case ok:
			p.check(ctx, key, from, v, nil)
		}
	case 1:
		v, err := p.c.GetOrLoad(ctx, key, p.load)
		p.check(ctx, key, from, v, err)
	case 2, 3:
		keys := []int{key, rng.IntN(len(p.truth.keys)), key, rng.IntN(len(p.truth.keys))}
		floors := make([]floor, len(keys))
		for i, k := range keys {
			floors[i] = p.truth.floor(k)
		}
		began := time.Now()
		got, err := p.c.GetMany(ctx, keys)
		for i, k := range keys {
			if v, ok := got[k]; ok {
				p.check(ctx, k, floors[i], v, nil, began)
			} else if err == nil {
				p.check(ctx, k, floors[i], v, cache.ErrNotFound, began)
			}
		}
		if !p.fits(ctx, err) {
			p.t.Error(err)
		}
	default:
		v, err := p.c.Get(ctx, key)
		p.check(ctx, key, from, v, err)
	}
}

func (p *program) write(rng *rand.Rand) {
	ctx, key := p.t.Context(), rng.IntN(len(p.truth.keys))
	how := rng.IntN(16)
	k := &p.truth.keys[key]
	k.writer.Lock()
	n := p.truth.change(key, how < 6)
	if how < 6 {
		if err := p.c.SetWith(ctx, key, sight{key, n}, cache.Meta{Tags: tagsOf(key)}); err != nil {
			p.t.Error(err)
		}
		p.truth.gone(key, n)
	}
	k.writer.Unlock()
	if how < 6 || how == 15 { // 15: nobody is told
		return
	}
	all := p.truth.present()
	var err error
	switch {
	case how < 11:
		err = p.c.Delete(ctx, key)
		p.truth.gone(key, n)
	case how < 13:
		err = p.c.InvalidateTags(ctx, tagsOf(key)[0])
		p.tagGone(key, n)
	case how < 14:
		err = p.c.InvalidateTags(ctx, tagsOf(key)[1])
		for i := key % 2; i < len(all); i += 2 {
			p.tagGone(i, all[i])
		}
	default:
		err = p.c.Clear(ctx)
		for i, n := range all {
			p.truth.gone(i, n)
		}
	}
	if err != nil {
		p.t.Error(err)
	}
}

// tagGone notes that a tag was invalidated: LoadMany gives none to what is not
// there.
func (p *program) tagGone(key, n int) {
	to := floor{n, n}
	if p.cfg.LoadMany != nil {
		to.none = 0
	}
	p.truth.raise(key, to)
}

// orOff is one of the choices, or off.
func orOff(rng *rand.Rand, choices ...time.Duration) time.Duration {
	if i := rng.IntN(len(choices) + 1); i > 0 {
		return choices[i-1]
	}
	return -1
}

// draw makes up a configuration and says how old its answers may be.
func (p *program) draw(rng *rand.Rand) {
	p.longest = []time.Duration{2, 20, 60}[rng.IntN(3)] * time.Millisecond
	p.cfg = cache.Config[int, sight]{
		Load: p.load, TTL: []time.Duration{20, 100, 1000}[rng.IntN(3)] * time.Millisecond,
		StaleWhileRevalidate: orOff(rng, 30*time.Millisecond), StaleIfError: orOff(rng, 20*time.Millisecond, 200*time.Millisecond),
		SoftTimeout: orOff(rng, 5*time.Millisecond, 50*time.Millisecond), NegativeTTL: orOff(rng, 30*time.Millisecond),
		ErrorPause: 10 * time.Millisecond, FinishLoads: rng.IntN(3) == 0, Sliding: rng.IntN(4) == 0,
		MaxEntries: 2 + rng.IntN(8),
	}
	if rng.IntN(3) == 0 {
		p.cfg.LoadMany = p.loadMany
	}
	if rng.IntN(4) == 0 {
		p.cfg.MaxEntries, p.cfg.MaxBytes = 0, 2<<20
	}
	if rng.IntN(4) == 0 {
		p.cfg.MaxLoads, p.cfg.MaxRefreshes, p.cfg.MaxTags, p.cfg.MaxNegative = 1+rng.IntN(3), 1, 3, 1
	}
	if rng.IntN(4) == 0 {
		p.patience = p.longest * 2 / 3
		p.cfg.LoadTimeout = p.patience
	}
	life, load := p.cfg.TTL, p.longest
	if p.cfg.Sliding {
		life *= 10
	}
	if p.cfg.LoadMany != nil {
		load *= 4 // one key after another
	}
	p.bounds = bounds{max(life+max(p.cfg.StaleWhileRevalidate, p.cfg.StaleIfError, 0), load), max(p.cfg.NegativeTTL, load)}
}

func (p *program) run(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	p.draw(rng)
	p.c = closing(p.t, p.cfg)
	p.bad.Store([]int32{0, 20, 80}[rng.IntN(3)])
	var actors sync.WaitGroup
	for i := range 2 + rng.IntN(7) {
		actors.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)+2))
			for range 60 {
				if rng.IntN(3) == 0 {
					p.write(rng)
				} else {
					p.read(rng)
				}
				if rng.IntN(2) == 0 {
					time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
				}
			}
		})
	}
	actors.Wait()
	p.end()
}

// end looks that all comes to rest at what is true.
func (p *program) end() {
	p.bad.Store(0)
	synctest.Wait()
	for _, wait := range []time.Duration{0, p.bounds.value + time.Second} {
		time.Sleep(wait)
		for key, n := range p.truth.present() {
			from := p.truth.floor(key)
			if wait > 0 {
				from = floor{n, n}
			}
			v, err := p.c.GetOrLoad(p.t.Context(), key, func(_ context.Context, key int, _ *cache.Meta) (sight, error) { return p.truth.read(key) })
			p.check(p.t.Context(), key, from, v, err)
		}
	}
	synctest.Wait()
	if s := p.c.Stats(); s.Loading != 0 || s.Refreshing != 0 {
		p.t.Errorf("there is still something under way: %+v", s)
	}
}

// TestModel: nobody gets what was overwritten, deleted or invalidated before it
// was asked for, nor anything past its limits, and in the end there is the newest.
// SEAWALL_SEED=7 plays one program, SEAWALL_LONG=1 many.
func TestModel(t *testing.T) {
	first, programs := uint64(0), uint64(80)
	if raceEnabled {
		programs = 15
	}
	if long() {
		programs = 20_000
	}
	if one, err := strconv.ParseUint(os.Getenv("SEAWALL_SEED"), 10, 64); err == nil {
		first, programs = one, 1
	}
	for seed := first; seed < first+programs && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			p := &program{t: t, truth: newTruth(5)}
			p.run(seed)
			if t.Failed() {
				t.Logf("SEAWALL_SEED=%d: loads of %v, %s", seed, p.longest, describe(p.cfg))
			}
		})
	}
}

func describe(c cache.Config[int, sight]) string {
	return fmt.Sprintf("TTL %v, stale %v and %v, soft %v, load %v, negative %v, sliding %v, finish %v, many %v, bounds %d %d %d",
		c.TTL, c.StaleWhileRevalidate, c.StaleIfError, c.SoftTimeout, c.LoadTimeout, c.NegativeTTL, c.Sliding, c.FinishLoads, c.LoadMany != nil, c.MaxEntries, c.MaxBytes, c.MaxLoads)
}
