package shed

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

const long = 8.0 // the default RunQueue

// busy is a tick in which so many completions and so long a run queue were seen.
func busy(done, runnable float64) *window {
	return &window{dt: tick, done: done * tick, runnable: runnable}
}

// warm are processors that have done so much a second for a while.
func warm(done float64) (p processors) {
	for range 40 {
		p = p.step(busy(done, 1), done, long)
	}
	return p
}

func TestProcessorsAreFreeBelowTheThreshold(t *testing.T) {
	p := warm(1000)
	for i := range 200 {
		if p = p.step(busy(1000, long), 5000, long); p.rate != 0 {
			t.Fatalf("tick %d: %v, with a run queue of just the threshold", i, p.rate)
		}
	}
}

// TestProcessorsForgiveATick: garbage is collected, and timers fire together.
func TestProcessorsForgiveATick(t *testing.T) {
	p := warm(1000)
	for i := range 50 {
		q := 0.5
		if i%2 == 0 {
			q = 8 * long // and no more: much more is believed at once
		}
		if p = p.step(busy(1000, q), 1000, long); p.rate != 0 {
			t.Fatalf("tick %d: %v", i, p.rate)
		}
	}
	if p = p.step(busy(1000, 8*long+1), 1000, long); p.rate == 0 {
		t.Error("a run queue of eight times the threshold is no moment's")
	}
}

func TestProcessorsBoundAfterTwoTicks(t *testing.T) {
	p := warm(1000)
	if p = p.step(busy(1000, 20), 3000, long); p.rate != 0 {
		t.Fatalf("after one tick: %v", p.rate)
	}
	p = p.step(busy(1000, 20), 3000, long)
	if p.rate <= 0 || p.rate >= 1000 {
		t.Fatalf("after two: %v, and 1000 are done", p.rate)
	}
	// The longer the queue the lower, so that it is worked off first.
	least := math.Inf(1)
	for _, q := range []float64{10, 20, 40, 60, 1000} {
		r := p.step(busy(1000, q), 3000, long).rate
		if r > least || r < 0.3*1000 {
			t.Errorf("a run queue of %v: %v, before %v", q, r, least)
		}
		least = r
	}
	was := p.rate
	if p = p.step(busy(1000, 2), 3000, long); p.rate <= was {
		t.Errorf("short again: %v after %v", p.rate, was)
	}
	for range 20 { // grows by a little
		was = p.rate
		if p = p.step(busy(1000, 2), 3000, long); p.rate <= was || p.rate > 1.02*was {
			t.Fatalf("short: %v after %v", p.rate, was)
		}
	}
	for range 1000 {
		p = p.step(busy(1000, 2), 1e6, long)
	}
	if p.rate > 2001 || p.rate < 1900 {
		t.Errorf("%v, and 1000 are done", p.rate)
	}
	// Found out to be too much, it falls: at once, and not to nothing.
	q := p.step(busy(1000, 9), 1e6, long)
	if q.fits > 0.96*p.fits || q.fits < 0.85*1000 {
		t.Errorf("too much: %v after %v", q.fits, p.fits)
	}
}

func TestProcessorsLetGo(t *testing.T) {
	bound := warm(1000)
	for range 3 {
		bound = bound.step(busy(1000, 30), 3000, long)
	}
	if bound.rate == 0 {
		t.Fatal("not bound")
	}
	p, ticks := bound, 0
	for ; p.rate > 0 && ticks < 100; ticks++ {
		p = p.step(busy(300, 0.5), 300, long)
	}
	if ticks < 4 || ticks > 10 {
		t.Errorf("the load has gone, and so has the bound after %d ticks", ticks)
	}
	p = bound
	for i := range 100 { // still a long queue: it is of something else, or of what was let in
		if p = p.step(busy(300, 30), 300, long); p.rate == 0 {
			t.Fatalf("tick %d: no bound, and the run queue is long", i)
		}
	}
	if p = bound.step(busy(1000, 30), 3000, 0); p != (processors{}) {
		t.Errorf("switched off: %+v", p)
	}
}

func TestProcessorsStandNonsense(t *testing.T) {
	odd := []float64{0, -1, 1e-300, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), 5, 100}
	r := rand.New(rand.NewPCG(1, 3))
	for range 3000 {
		p := warm(1000)
		pick := func() float64 { return odd[r.IntN(len(odd))] }
		for range 5 {
			w := &window{dt: max(1e-6, r.Float64()), done: float64(r.IntN(1000)), runnable: pick()}
			p = p.step(w, pick(), long)
			if !(p.rate >= 0) || math.IsInf(p.rate, 0) {
				t.Fatalf("%+v: %+v", *w, p)
			}
		}
		w := &window{dt: 1e-6, done: 1e12, runnable: 100} // the shortest tick and the most that can be done in it
		if p = p.step(w, 1e18, long); !(p.rate >= 0) || math.IsInf(p.rate, 0) {
			t.Fatalf("%+v", p)
		}
	}
	if p := (processors{}).step(&window{dt: 1, done: math.NaN(), runnable: 100}, 1, long); p.rate != 0 {
		t.Errorf("NaN is a bound of %v", p.rate)
	}
}

// cpu is a model of one processor with a run queue: whoever comes stands in it,
// and only when it is their turn it is decided whether they are served, which
// takes 2 ms, or refused, which takes 50 us.
type cpu struct {
	service, refusal float64 // seconds
	rng              *rand.Rand
	now, free        float64 // free: when the present work is done
	arrivals         []float64
	head             int // how many of them have had their turn
	next             float64
	useful, wasted   float64 // seconds of work
	waits            float64 // seconds in the run queue, all together
}

// run goes on to a time, with arrivals at a rate of which a share is let in, and
// returns what a tick sees.
func (c *cpu) run(to, rate, pass float64) (w window, volume float64) {
	from := c.now
	looks, sum, least := 0.0, 0.0, math.Inf(1)
	arrived := 0.0
	for c.now = math.Ceil(c.now*500+1e-9) / 500; c.now <= to+1e-9; c.now += 0.002 {
		for c.next <= c.now {
			c.arrivals = append(c.arrivals, c.next)
			c.next += c.rng.ExpFloat64() / rate
			arrived++
		}
		for c.head < len(c.arrivals) && c.free <= c.now {
			c.free = max(c.free, c.arrivals[c.head])
			c.waits += c.free - c.arrivals[c.head]
			c.head++
			if c.rng.Float64() < pass {
				c.free += c.service
				c.useful += c.service
				w.done++
			} else {
				c.free += c.refusal
				c.wasted += c.refusal
			}
		}
		looks++
		waiting := float64(len(c.arrivals) - c.head)
		sum += waiting
		least = min(least, waiting)
	}
	c.now = to
	w.samples, w.sumR = w.done, w.done*c.service*float64(runtime.GOMAXPROCS(0)) // one processor here
	w.dt, w.runnable, w.runnableLeast = to-from, sum/max(looks, 1), least
	return w, arrived / w.dt
}

// TestProcessorsOfAModel: from the load that fits to twenty times it. What does
// not go into refusals goes into work, and the run queue is short again within
// half a second of the crowd's coming, however large that is.
func TestProcessorsOfAModel(t *testing.T) {
	for _, times := range []float64{1.2, 1.5, 2, 3, 5, 10, 20} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%vx/%d", times, seed), func(t *testing.T) {
				c := &cpu{service: 0.002, refusal: 0.00005, rng: rand.New(rand.NewPCG(seed, 4))}
				capacity := 1 / c.service
				var p processors
				now, volume := 0.0, 0.0
				pass := 1.0
				play := func(seconds, rate float64, look func(since float64, w *window)) {
					for i := range int(seconds/tick + 0.5) {
						now += tick
						w, v := c.run(now, rate, pass)
						if math.Abs(v-volume)*tick > 3*math.Sqrt(max(v, volume)*tick) { // as the door does
							volume = v
						} else {
							volume += 0.3 * (v - volume)
						}
						p = p.step(&w, volume, long)
						pass = 1
						if p.rate > 0 && volume > p.rate {
							pass = p.rate / volume
						}
						look(float64(i+1)*tick, &w)
					}
				}
				play(2, 0.5*capacity, func(_ float64, w *window) {
					if p.rate > 0 {
						t.Fatalf("in calm, with a run queue of %.1f: %v a second", w.runnable, p.rate)
					}
				})
				short, useful, wasted := math.Inf(1), c.useful, c.wasted
				waits, turns := 0.0, 0
				play(10, times*capacity, func(since float64, w *window) {
					if w.runnable < long && since > 2*tick {
						short = min(short, since)
					}
					if since <= 1 {
						useful, wasted = c.useful, c.wasted
						waits, turns = c.waits, c.head
					}
				})
				// What can be done at best, if every arrival beyond it is refused.
				best := min(times*capacity*c.service, (1-times*capacity*c.refusal)/(1-c.refusal/c.service))
				// Arrivals that will be refused stand in the same run queue: the more of
				// them, the shorter the part of it that may be work.
				least := map[float64]float64{1.2: 0.85, 1.5: 0.85, 2: 0.85, 3: 0.8, 5: 0.68, 10: 0.5, 20: 0.4}[times]
				if did := (c.useful - useful) / 9; did < least*best {
					t.Errorf("%.0f %% of the time is worked, and %.0f %% refused; %.0f %% could be worked", 100*did, 100*(c.wasted-wasted)/9, 100*best)
				}
				if times >= 2 && short > 0.5 {
					t.Errorf("the run queue was short again after %v s", short)
				}
				if mean := (c.waits - waits) / float64(c.head-turns); mean > 1.5*long*c.service {
					t.Errorf("everybody waits for %.1f ms in the run queue", 1000*mean)
				}
				play(2, 0.5*capacity, func(float64, *window) {})
				if p.rate > 0 {
					t.Errorf("two seconds after the crowd has gone: %v a second", p.rate)
				}
			})
		}
	}
}

func TestRunQueueConfig(t *testing.T) {
	for _, c := range []struct {
		set, want int
		err       string
	}{
		{0, 8, ""},
		{seawall.Off, 0, ""},
		{1, 1, ""},
		{1_000_000, 1_000_000, ""},
		{-2, 0, "seawall/shed: RunQueue must be positive and at most 1000000 (got -2)"},
		{1_000_001, 0, "seawall/shed: RunQueue must be positive and at most 1000000 (got 1000001)"},
		{math.MinInt, 0, "seawall/shed: RunQueue must be positive and at most 1000000 (got -"},
	} {
		got, err := Config{RunQueue: c.set}.resolve()
		switch {
		case c.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%d: %v, want %s", c.set, err, c.err)
			}
		case err != nil || got.RunQueue != c.want:
			t.Errorf("%d: %d, %v", c.set, got.RunQueue, err)
		}
	}
}

// TestRunQueueOff: nothing is read, and Stats says nothing.
func TestRunQueueOff(t *testing.T) {
	for _, off := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{}
			if off {
				cfg.RunQueue = seawall.Off
			}
			s := seawall.Must(New(cfg))
			for range 200 {
				p, err := s.Acquire(t.Context(), seawall.Class{})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Millisecond)
				p.Release()
			}
			if read := s.runs.sample[0].Name != "" && s.runs.last.Load() > 0; read == off {
				t.Errorf("off %v: read %v", off, read)
			}
			if st := s.Stats(); off && (st.RunQueue != 0 || st.Allowed != 0) {
				t.Errorf("off: %v, %v", st.RunQueue, st.Allowed)
			}
		})
	}
}

// TestRunQueuePolls: one look in two milliseconds, whoever asks how often, and
// at least three for a verdict.
func TestRunQueuePolls(t *testing.T) {
	var q runQueue
	for now := int64(1); now <= int64(100*time.Millisecond); now += int64(10 * time.Microsecond) {
		q.poll(now)
	}
	if q.count < 45 || q.count > 51 {
		t.Errorf("%v looks in 100 ms", q.count)
	}
	if mean, least := q.take(); mean < 0 || least < 0 || least > mean {
		t.Errorf("mean %v, least %v", mean, least)
	}
	if q.count != 0 || q.sum != 0 || q.least != 0 {
		t.Errorf("left: %v, %v, %v", q.count, q.sum, q.least)
	}
	for _, c := range []struct{ count, sum, least, mean float64 }{{2, 100, 50, 0}, {3, 90, 7, 30}} {
		q.count, q.sum, q.least = c.count, c.sum, c.least
		mean, least := q.take()
		if mean != c.mean || mean == 0 && least != 0 || mean > 0 && least != c.least {
			t.Errorf("%v looks: mean %v, least %v", c.count, mean, least)
		}
	}
	if mean, least := q.take(); mean != 0 || least != 0 {
		t.Errorf("without a look: %v, %v", mean, least)
	}
}

// TestRunQueueSeesWhoWaits: goroutines that could run and do not.
func TestRunQueueSeesWhoWaits(t *testing.T) {
	var q runQueue
	var stop atomic.Bool
	var wg sync.WaitGroup
	many := 100 * runtime.GOMAXPROCS(0)
	for range many {
		wg.Go(func() {
			for !stop.Load() {
				runtime.Gosched()
			}
		})
	}
	most := 0.0
	for i := range int64(60) {
		q.poll((i + 1) * pollEvery)
		if q.count >= fewestPolls {
			mean, _ := q.take()
			most = max(most, mean)
		}
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	if most < 50 || most > 200 {
		t.Errorf("a hundred goroutines for each processor compute, and at most %.1f wait", most)
	}
}

func TestRunQueueRace(t *testing.T) {
	s := seawall.Must(New(Config{}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				s.runs.poll(int64(i) * pollEvery / 2)
				if i%50 == 0 {
					s.due.Store(0)
				}
				if p, err := s.Acquire(context.Background(), seawall.Class{}); err == nil {
					p.Release()
				}
				if i%100 == 0 {
					s.Stats()
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAllocRunQueue(t *testing.T) {
	var q runQueue
	q.poll(pollEvery) // names the metric
	if got := testing.AllocsPerRun(100, func() { q.poll(q.last.Load() + pollEvery) }); got != 0 {
		t.Errorf("a look allocates %v times", got)
	}
	if q.count < 100 {
		t.Errorf("looked %v times", q.count)
	}
}
