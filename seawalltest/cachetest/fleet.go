package cachetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep processes live by a clock; in a bubble it is that of the bubble

func long() bool { return os.Getenv("SEAWALL_LONG") != "" }

const (
	budget = 200 * time.Millisecond // for L2
	retry  = budget                 // at most

	quickLoad = 2 * time.Millisecond
	probeLoad = 20 * time.Millisecond

	shortTTL   = 100 * time.Millisecond
	shortStale = 50 * time.Millisecond
	shortLast  = 200 * time.Millisecond
)

// usual is how they use a server that may fail.
var usual = cache.Shared[string, version]{Budget: budget, Retry: retry, LeaseWait: 300 * time.Millisecond, LeaseTTL: time.Second}

// What is done to keys, by the beginning of their names. Those of the last two
// live for a short time only, and the last ones cannot always be loaded.
var groups = []string{"deleted", "tagged", "set", "cleared", "short", "failing"}

const perGroup = 3

// version is what a source said about a key, and when it was asked.
type version struct {
	N     int64         `json:"n"`
	Asked time.Duration `json:"asked"`
}

// source is what is true.
type source struct {
	began   time.Time
	truth   sync.Map     // of *atomic.Int64
	probed  atomic.Int64 // loads of that group
	failing atomic.Bool
}

var errSource = errors.New("the source is away")

func (s *source) now() time.Duration { return time.Since(s.began) }

func (s *source) of(key string) *atomic.Int64 {
	n, _ := s.truth.LoadOrStore(key, new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (s *source) load(ctx context.Context, key string, m *cache.Meta) (version, error) {
	group, _, _ := strings.Cut(key, "/")
	v := version{Asked: s.now()}
	v.N = s.of(key).Load()
	takes := quickLoad
	switch group {
	case "tagged":
		m.Tags = []string{"tag of " + key}
	case "failing", "short":
		m.TTL, m.StaleWhileRevalidate, m.StaleIfError = shortTTL, shortStale, shortLast
	case "probe":
		takes = probeLoad
		s.probed.Add(1)
	}
	time.Sleep(takes) // on its way here it may become untrue
	if group == "failing" && s.failing.Load() {
		return v, errSource
	}
	return v, ctx.Err()
}

// node is the cache of one process.
type node struct {
	*cache.Cache[string, version]

	gets  *atomic.Int64
	floor sync.Map // of *atomic.Int64: what was read before its own changes must not be seen any more
}

func (n *node) floorOf(key string) *atomic.Int64 {
	f, _ := n.floor.LoadOrStore(key, new(atomic.Int64))
	return f.(*atomic.Int64)
}

// counted is an L2 that counts how often it is asked.
type counted struct {
	cache.L2

	gets *atomic.Int64
}

func (c counted) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	c.gets.Add(1)
	return c.L2.Get(ctx, keys, values)
}

type countedLeaser struct {
	counted
	cache.Leaser
}

func count(l2 cache.L2) (cache.L2, *atomic.Int64) {
	c := counted{l2, new(atomic.Int64)}
	if leaser, ok := l2.(cache.Leaser); ok {
		return countedLeaser{c, leaser}, c.gets
	}
	return c, c.gets
}

// fleet is processes that share a server and a source.
type fleet struct {
	source *source
	nodes  []*node
	hears  bool          // over a bus
	slack  time.Duration // of a busy machine

	mu    sync.Mutex
	found map[string]int // what was wrong, and how often
}

var fleets atomic.Int64

func newFleet(t *testing.T, size int, shared cache.Shared[string, version], connect func() (cache.L2, cache.Bus)) (*fleet, error) {
	fl := &fleet{source: &source{began: time.Now()}, slack: 500 * time.Millisecond, found: map[string]int{}}
	name := fmt.Sprintf("fleet%d", fleets.Add(1)) // others have used the server
	for range size {
		n := new(node)
		cfg := cache.Config[string, version]{Name: name, Load: fl.source.load, TTL: time.Hour, Shared: shared}
		l2, bus := connect()
		cfg.Shared.L2, n.gets = count(l2)
		cfg.Shared.Bus = bus
		fl.hears = bus != nil
		if !fl.hears && shared.LocalTTL == 0 { // for how long they do not hear of what others change
			cfg.Shared.LocalTTL = shortTTL
		}
		c, err := cache.New(cfg)
		if err != nil {
			return nil, err
		}
		n.Cache = c
		t.Cleanup(func() { c.Close(context.Background()) })
		fl.nodes = append(fl.nodes, n)
	}
	return fl, fl.await("all to listen", func() bool {
		for _, n := range fl.nodes {
			if fl.hears && n.Stats().L2.Gaps == 0 {
				return false
			}
		}
		return true
	})
}

// findf notes something that must not be.
func (fl *fleet) findf(format string, args ...any) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if what := fmt.Sprintf(format, args...); len(fl.found) < 20 || fl.found[what] > 0 {
		fl.found[what]++
	}
}

func (fl *fleet) findings() (err error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for what, n := range fl.found {
		err = errors.Join(err, fmt.Errorf("%s (%d times)", what, n))
	}
	return err
}

// await waits for something that comes by itself.
func (fl *fleet) await(what string, ok func() bool) error {
	for range 1500 {
		if ok() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("waited in vain for %s", what)
}

// read has all nodes read all keys but the last of each group, until stop is
// called: what somebody reads all the time is soon right again by that alone.
func (fl *fleet) read() (stop func()) {
	var wg sync.WaitGroup
	quit := make(chan struct{})
	for i := range fl.nodes {
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-quit:
						return
					default:
					}
					fl.get(i, fmt.Sprintf("%s/%d", groups[rand.N(len(groups))], rand.N(perGroup-1)))
					time.Sleep(3 * time.Millisecond)
				}
			})
		}
	}
	return sync.OnceFunc(func() {
		close(quit)
		wg.Wait()
	})
}

// get reads one key and judges what comes.
func (fl *fleet) get(i int, key string) version {
	floor, began := fl.nodes[i].floorOf(key).Load(), fl.source.now()
	v, err := fl.nodes[i].Get(context.Background(), key)
	group, _, _ := strings.Cut(key, "/")
	switch {
	case err != nil && group == "failing" && errors.Is(err, errSource):
	case err != nil:
		fl.findf("%s: %v", group, err)
	case v.N < floor:
		fl.findf("%s: a process saw what was there before it changed that", group)
	case (group == "short" || group == "failing") && began-v.Asked > shortTTL+shortLast+fl.slack:
		fl.findf("%s: more than %v old", group, (began - v.Asked).Round(100*time.Millisecond))
	}
	return v
}

// change changes what is true, and tells the caches: what belongs to one key, and
// to one tag, from another node each time; what is set, always from the same one,
// as of two that set a key while they cannot talk nobody knows who was last; and all
// is cleared by one, so that the others have only heard of it.
func (fl *fleet) change(round int, everything bool) {
	ctx := context.Background()
	for i := range perGroup {
		other := (round + i) % len(fl.nodes)
		fl.changeKey(other, fmt.Sprintf("deleted/%d", i), func(n *node, key string, _ int64) error {
			return n.Delete(ctx, key)
		})
		fl.changeKey(other, fmt.Sprintf("tagged/%d", i), func(n *node, key string, _ int64) error {
			return n.InvalidateTags(ctx, "tag of "+key)
		})
		fl.changeKey(i%len(fl.nodes), fmt.Sprintf("set/%d", i), func(n *node, key string, now int64) error {
			return n.Set(ctx, key, version{now, fl.source.now()})
		})
	}
	if everything {
		for i := range perGroup {
			fl.changeKey(0, fmt.Sprintf("cleared/%d", i), func(n *node, _ string, _ int64) error { return n.Clear(ctx) })
		}
	}
}

func (fl *fleet) changeKey(at int, key string, tell func(n *node, key string, now int64) error) {
	now := fl.source.of(key).Add(1)
	if err := tell(fl.nodes[at], key, now); err != nil {
		fl.findf("a change of %s: %v", key, err)
	}
	fl.nodes[at].floorOf(key).Store(now)
}

// each calls do for each node, in any order, and each key that lives long.
func (fl *fleet) each(do func(i int, key string)) {
	for _, i := range rand.Perm(len(fl.nodes)) {
		for _, group := range groups[:4] {
			for k := range perGroup {
				do(i, fmt.Sprintf("%s/%d", group, k))
			}
		}
	}
}

// agree waits until all have what is true.
func (fl *fleet) agree() (err error) {
	fl.each(func(i int, key string) {
		want := fl.source.of(key).Load()
		if err == nil {
			err = fl.await(fmt.Sprintf("node %d to know %s", i, key), func() bool { return fl.get(i, key).N == want })
		}
	})
	return err
}

// raiseFloors says that everything that is true now is known to all.
func (fl *fleet) raiseFloors() {
	fl.each(func(i int, key string) { fl.nodes[i].floorOf(key).Store(fl.source.of(key).Load()) })
}

// settle waits until all is told.
func (fl *fleet) settle() error {
	return fl.await("all to be told", func() bool {
		for _, n := range fl.nodes {
			if n.Stats().L2.Pending > 0 {
				return false
			}
		}
		return true
	})
}

func (fl *fleet) down() (nodes int) {
	for _, n := range fl.nodes {
		if !n.Stats().L2.Up {
			nodes++
		}
	}
	return nodes
}
