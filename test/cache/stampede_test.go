package cachetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

//house:sleep ten thousand goroutines wait for a loader by the clock, as in a service

const loading = 20 * time.Millisecond

// callers is how many ask at once.
func callers() int {
	if raceEnabled {
		return 4000
	}
	return 10_000
}

// loader is the slow source. It is what everybody's own form of a loader calls.
type loader struct {
	loads  atomic.Int64
	panics atomic.Bool
}

func (l *loader) load(ctx context.Context) (string, error) {
	l.loads.Add(1)
	select {
	case <-time.After(loading):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if l.panics.Load() {
		panic("the loader's own")
	}
	return "value", nil
}

// crowd is a cache in front of a loader.
type crowd struct {
	get func(ctx context.Context, key string) (string, error)
	// expired brings a key into the state in which it is past its TTL; nil if there
	// is none.
	expired func(key string)
	end     func()
}

func seawallCrowd(l *loader) crowd {
	c := seawall.Must(cache.New(cache.Config[string, string]{
		TTL: time.Hour, StaleWhileRevalidate: time.Hour,
		Load: func(ctx context.Context, _ string, _ *cache.Meta) (string, error) { return l.load(ctx) },
	}))
	ctx := context.Background()
	return crowd{
		get: c.Get,
		expired: func(key string) {
			if err := c.SetWith(ctx, key, "value", cache.Meta{TTL: time.Millisecond}); err != nil {
				panic(err)
			}
			time.Sleep(10 * time.Millisecond)
		},
		end: func() { _ = c.Close(ctx) },
	}
}

// rush lets all callers ask for a key at once, and returns how long each took from
// then on.
func rush(c crowd, key string, each func(v string, err error)) []time.Duration {
	var (
		n     = callers()
		all   sync.WaitGroup
		ready sync.WaitGroup
		begin = make(chan struct{})
		began time.Time
		took  = make([]time.Duration, n)
	)
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			ready.Done()
			<-begin
			v, err := c.get(context.Background(), key)
			took[i] = time.Since(began)
			each(v, err)
		})
	}
	ready.Wait()
	began = time.Now()
	close(begin)
	all.Wait()
	slices.Sort(took)
	return took
}

// shot is what one rush has shown.
type shot struct {
	loads             int64
	p50, p99, longest time.Duration
	failed            int64
}

func shoot(l *loader, c crowd, key string) shot {
	var failed atomic.Int64
	before := l.loads.Load()
	took := rush(c, key, func(v string, err error) {
		if v != "value" || err != nil {
			failed.Add(1)
		}
	})
	time.Sleep(2 * loading) // one in the background
	return shot{l.loads.Load() - before, took[len(took)/2], took[len(took)*99/100], took[len(took)-1], failed.Load()}
}

// middle is the shot with the median p99; loads are the most of all.
func middle(shots []shot) shot {
	slices.SortFunc(shots, func(a, b shot) int { return cmp.Compare(a.p99, b.p99) })
	m := shots[len(shots)/2]
	for _, s := range shots {
		m.loads, m.failed = max(m.loads, s.loads), max(m.failed, s.failed)
	}
	return m
}

func (s shot) String() string {
	return fmt.Sprintf("%5d loads  p50 %5.1f  p99 %5.1f  max %5.1f ms", s.loads, inMs(s.p50), inMs(s.p99), inMs(s.longest))
}

func inMs(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// TestStampede: ten thousand callers on one key are one load. With SEAWALL_LONG the
// times are judged, too, and the table has the others.
func TestStampede(t *testing.T) {
	rounds := 1
	if long() {
		rounds = 5
	}
	var table []string
	for _, m := range contestants() {
		var missing, expired []shot
		for range rounds {
			l := new(loader)
			c := m.make(l)
			missing = append(missing, shoot(l, c, "missing"))
			if c.expired != nil {
				c.expired("expired")
				expired = append(expired, shoot(l, c, "expired"))
			}
			c.end()
		}
		first := middle(missing)
		line := fmt.Sprintf("%-22s missing: %v", m.name, first)
		var second shot
		if expired != nil {
			second = middle(expired)
			line += fmt.Sprintf("   expired: %v", second)
		}
		table = append(table, line)
		if m.name != "seawall" {
			continue
		}
		if first.loads != 1 || first.failed > 0 || second.loads != 1 || second.failed > 0 {
			t.Errorf("missing: %v (%d failed), expired: %v (%d failed); want one load each", first, first.failed, second, second.failed)
		}
		if long() && (first.p99 > loading+15*time.Millisecond || second.p99 >= 10*time.Millisecond) {
			t.Errorf("p99: %v missing, %v expired; want at most %v, and less than 10 ms", first.p99, second.p99, loading+15*time.Millisecond)
		}
	}
	t.Logf("%d callers on one key, a loader of %v, median of %d:\n%s", callers(), loading, rounds, strings.Join(table, "\n"))
}

// contestants are those whose turn it is.
func contestants() []stampeder {
	if long() {
		return stampeders
	}
	return stampeders[:1]
}

// left is how somebody came back from a cache.
type left struct {
	value string
	err   error
	after time.Duration
	panic any
	hangs bool
}

func (l left) String() string {
	switch {
	case l.hangs:
		return "hangs"
	case l.panic != nil:
		return fmt.Sprintf("panics at %.1f ms", inMs(l.after))
	case l.err != nil:
		return fmt.Sprintf("%.40q at %.1f ms", l.err.Error(), inMs(l.after))
	}
	return fmt.Sprintf("the value at %.1f ms", inMs(l.after))
}

// ask asks in a goroutine of its own, for a second at most.
func ask(c crowd, ctx context.Context, key string) func() left { //nolint:revive // c is who is asked
	ended := make(chan left, 1)
	began := time.Now()
	go func() {
		var l left
		defer func() {
			l.after, l.panic = time.Since(began), recover()
			ended <- l
		}()
		l.value, l.err = c.get(ctx, key)
	}()
	return func() left {
		select {
		case l := <-ended:
			return l
		case <-time.After(time.Second):
			return left{hangs: true}
		}
	}
}

// TestLeaderLeaves: the first caller gives up after 5 ms, and so does one of those
// who wait. Both go at once, and the others get the value of the same load.
func TestLeaderLeaves(t *testing.T) { exactly(t, leaderLeaves) }

// exactly runs a test where time is exact, unless the others, whose goroutines do
// not end there, take part.
func exactly(t *testing.T, test func(*testing.T)) {
	if long() {
		test(t)
		return
	}
	synctest.Test(t, test)
}

func leaderLeaves(t *testing.T) {
	const patience = 5 * time.Millisecond
	var table []string
	for _, m := range contestants() {
		l := new(loader)
		c := m.make(l)
		briefly := func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), patience)
		}
		ctx, cancel := briefly()
		leader := ask(c, ctx, "key")
		for l.loads.Load() == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		other := ask(c, context.Background(), "key")
		late, cancelLate := briefly()
		waiter := ask(c, late, "key")
		a, b, w := leader(), other(), waiter()
		cancel()
		cancelLate()
		loads := l.loads.Load()
		c.end()
		table = append(table, fmt.Sprintf("%-22s leader %v, the other %v, a waiter %v, %d loads", m.name, a, b, w, loads))
		if m.name != "seawall" {
			continue
		}
		if !errors.Is(a.err, context.DeadlineExceeded) || !errors.Is(w.err, context.DeadlineExceeded) || b.err != nil || b.value != "value" || loads != 1 {
			t.Errorf("got %s", table[0])
		}
		if max(a.after, w.after) > patience+time.Millisecond {
			t.Errorf("they left after %v and %v, want at most 1 ms after %v", a.after, w.after, patience)
		}
	}
	t.Logf("two give up after %v:\n%s", patience, strings.Join(table, "\n"))
}

// TestPanickingLoader: all get an error, the process lives, and the next Get loads
// again.
func TestPanickingLoader(t *testing.T) { exactly(t, panickingLoader) }

func panickingLoader(t *testing.T) {
	var table []string
	for _, m := range contestants() {
		l := new(loader)
		l.panics.Store(true)
		c := m.make(l)
		leader := ask(c, context.Background(), "key")
		for l.loads.Load() == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		waiter := ask(c, context.Background(), "key")
		time.Sleep(loading / 2)
		a := leader()
		l.panics.Store(false)
		w, next := waiter(), ask(c, context.Background(), "key")()
		c.end()
		table = append(table, fmt.Sprintf("%-22s leader %v, waiter %v, the next %v", m.name, a, w, next))
		if m.name != "seawall" {
			continue
		}
		var panicked *cache.PanicError
		if !errors.As(a.err, &panicked) || !errors.As(w.err, &panicked) || next.err != nil || next.value != "value" || l.loads.Load() != 2 {
			t.Errorf("%s, %d loads", table[0], l.loads.Load())
		}
	}
	t.Logf("the loader panics:\n%s", strings.Join(table, "\n"))
}
