package shed

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// lesson is a routes that is taught without a Shedder's clock.
type lesson struct {
	s     *Shedder
	table *routeTable
}

func newLesson(t testing.TB, names ...string) *lesson {
	t.Helper()
	l := &lesson{s: seawall.Must(New(Config{RunQueue: seawall.Off})), table: new(routeTable)}
	for _, name := range names {
		l.table.of(l.s, name)
	}
	l.tick()
	return l
}

func (l *lesson) tick() { l.table = l.s.routes.learn(l.s.shards, tick) }

// took is n samples of a route.
func (l *lesson) took(name string, n int, d time.Duration) {
	i := l.table.of(l.s, name)
	for range n {
		l.s.shards[0].routes[i%maxRoutes].Add(weigh(uint64(d)>>unitShift, 1))
	}
}

// weight is in completions.
func (l *lesson) weight(name string) float64 {
	return float64(l.table.weightOf(l.table.of(l.s, name))) / doneOne
}

func about(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*want) {
		t.Errorf("%s: %.4f, want %.4f", what, got, want)
	}
}

func TestRoutesAloneWeighOne(t *testing.T) {
	l := newLesson(t, "GET /feed")
	for range 50 {
		l.took("GET /feed", 20, 7*time.Millisecond)
		l.tick()
		if l.table.active || l.weight("GET /feed") != 1 || l.weight("GET /other") != 1 || l.weight("") != 1 {
			t.Fatalf("active %v; %v, %v, %v", l.table.active, l.weight("GET /feed"), l.weight("GET /other"), l.weight(""))
		}
	}
	l.took("GET /other", routeSamples-1, time.Second) // by now it is known
	l.tick()
	if l.table.active {
		t.Errorf("active by %d samples", routeSamples-1)
	}
	l.took("GET /other", 1, time.Second)
	l.tick()
	if !l.table.active || l.weight("GET /other") < 10 {
		t.Errorf("active %v by %d samples; %v", l.table.active, routeSamples, l.weight("GET /other"))
	}
}

func TestRoutesWeighWhatTheyTake(t *testing.T) {
	l := newLesson(t, "fast", "slow", "never")
	for range 60 {
		l.took("fast", 9, 5*time.Millisecond)
		l.took("slow", 1, 200*time.Millisecond)
		l.tick()
	}
	mean := 0.9*5 + 0.1*200
	about(t, "fast", l.weight("fast"), 5/mean, 0.02)
	about(t, "slow", l.weight("slow"), 200/mean, 0.02)
	about(t, "the mean of the mix", 0.9*l.weight("fast")+0.1*l.weight("slow"), 1, 0.01)
	for _, name := range []string{"", "never", "stranger"} {
		if l.weight(name) != 1 {
			t.Errorf("%q weighs %v", name, l.weight(name))
		}
	}

	// Without a name is a route, too.
	l = newLesson(t, "slow")
	for range 60 {
		l.took("", 5, 10*time.Millisecond)
		l.took("slow", 5, 30*time.Millisecond)
		l.tick()
	}
	about(t, "without a name", l.weight(""), 0.5, 0.02)
	about(t, "with one", l.weight("slow"), 1.5, 0.02)
}

// TestRoutesWeighFourTimesSlower: when all takes four times as long, the
// weights stay; on the way there they are between what they would be if one
// route had become slow alone.
func TestRoutesWeighFourTimesSlower(t *testing.T) {
	l := newLesson(t, "fast", "slow")
	teach := func(ticks int, times time.Duration, each func()) {
		for range ticks {
			l.took("fast", 18, times*5*time.Millisecond)
			l.took("slow", 2, times*200*time.Millisecond)
			l.tick()
			each()
		}
	}
	teach(200, 1, func() {})
	fast, slow := l.weight("fast"), l.weight("slow")
	teach(400, 4, func() {
		if ratio := l.weight("slow") / l.weight("fast"); ratio > 42 || ratio < 9 {
			t.Fatalf("40 times as long, weighed as %.1f", ratio)
		}
	})
	about(t, "fast", l.weight("fast"), fast, 0.05)
	about(t, "slow", l.weight("slow"), slow, 0.05)
}

// TestRoutesFollowTheMix: a weight is relative to the mean of what comes.
func TestRoutesFollowTheMix(t *testing.T) {
	l := newLesson(t, "fast", "slow")
	for _, slow := range []int{1, 10, 19} {
		for range 5 * 60 * 20 { // five times mixMemory
			l.took("fast", 20-slow, 10*time.Millisecond)
			l.took("slow", slow, 50*time.Millisecond)
			l.tick()
		}
		mean := (float64(20-slow)*10 + float64(slow)*50) / 20
		about(t, "fast", l.weight("fast"), 10/mean, 0.03)
		about(t, "slow", l.weight("slow"), 50/mean, 0.03)
	}
}

func TestRoutesWeightsAreBounded(t *testing.T) {
	l := newLesson(t, "instant", "endless")
	for range 100 {
		l.took("instant", 20, 100*time.Nanosecond)
		l.took("endless", 20, time.Hour)
		l.tick()
	}
	if w := l.weight("instant"); w != 1/maxWeight {
		t.Errorf("instant weighs %v", w)
	}
	if w := l.weight("endless"); w > maxWeight || w < 1.9 {
		t.Errorf("endless weighs %v", w)
	}
	for range 100 { // nothing measurable at all
		l.took("instant", 20, 0)
		l.took("endless", 20, 0)
		l.tick()
	}
	for i := range uint32(maxRoutes) {
		if w := l.table.weightOf(i); w < doneOne/maxWeight || w > doneOne*maxWeight {
			t.Errorf("route %d weighs %d", i, w)
		}
	}
}

func TestRoutesNamesAreBounded(t *testing.T) {
	l := newLesson(t)
	for round := range 3 {
		for i := range 1000 {
			l.table.of(l.s, fmt.Sprintf("GET /%d", i))
		}
		l.tick()
		if n := len(l.s.routes.names); n != maxRoutes-1 || len(l.table.index) != n {
			t.Fatalf("round %d: %d names, %d of them published", round, n, len(l.table.index))
		}
	}
	seen := map[uint32]bool{}
	for i := range maxRoutes - 1 {
		seen[l.table.of(l.s, fmt.Sprintf("GET /%d", i))] = true
	}
	if len(seen) != maxRoutes-1 || seen[0] {
		t.Errorf("31 routes have the numbers %v", seen)
	}
	for i := range uint32(maxRoutes - 1) {
		l.took(fmt.Sprintf("GET /%d", i), 20, time.Duration(i+1)*time.Millisecond)
	}
	l.tick()
	if n := l.table.of(l.s, "GET /31"); n != 0 || l.weight("GET /31") != 1 {
		t.Errorf("the 32nd has number %d and weighs %v", n, l.weight("GET /31"))
	}
	if l.weight("GET /0") >= 1 || l.weight("GET /30") <= 1 {
		t.Errorf("1 ms weighs %v, 31 ms %v", l.weight("GET /0"), l.weight("GET /30"))
	}
}

// TestRoutesOldTableStays: who still has the table of an earlier tick may go on
// reading it while a new one is made.
func TestRoutesOldTableStays(t *testing.T) {
	l := newLesson(t, "a", "b")
	old := l.table
	l.table.of(l.s, "c")
	l.took("a", 20, time.Millisecond)
	l.took("b", 20, time.Second)
	l.tick()
	if len(old.index) != 2 || old.active || len(l.table.index) != 3 || !l.table.active {
		t.Errorf("the old one has %d names, active %v; the new one %d, %v", len(old.index), old.active, len(l.table.index), l.table.active)
	}
}

// routesCrowd asks a Shedder for two routes, of 5 and 200 ms, in front of a backend
// of so many slots.
type routesCrowd struct {
	*Shedder
	slots chan struct{}
	rng   *rand.Rand
	wg    sync.WaitGroup
	long  time.Duration // what the slow route takes
}

func (c *routesCrowd) send(t *testing.T, lasts time.Duration, rate, slow float64) {
	t.Helper()
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		time.Sleep(time.Duration(c.rng.ExpFloat64() / rate * float64(time.Second)))
		route, work := "fast", 5*time.Millisecond
		if c.rng.Float64() < slow {
			route, work = "slow", c.long
		}
		work = time.Duration(float64(work) * math.Exp(0.4*c.rng.NormFloat64()-0.08))
		user := seawall.ID(c.rng.Uint64())
		c.wg.Go(func() {
			p, err := c.Acquire(t.Context(), seawall.Class{User: user, Route: route})
			if err != nil {
				return
			}
			defer p.Release()
			c.slots <- struct{}{}
			time.Sleep(work)
			<-c.slots
		})
	}
}

func newRoutesCrowd(slots int, seed uint64) *routesCrowd {
	s := seawall.Must(New(Config{RunQueue: seawall.Off}))
	return &routesCrowd{Shedder: s, slots: make(chan struct{}, slots), rng: rand.New(rand.NewPCG(seed, 10)), long: 200 * time.Millisecond}
}

// TestRoutesAreLearnt: from real permits, in calm.
func TestRoutesAreLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRoutesCrowd(50, 9)
		c.send(t, 20*time.Second, 100, 0.1)
		c.wg.Wait()
		g := c.gate.Load()
		if !g.routes.active {
			t.Fatal("there are no weights")
		}
		fast, slow := g.routes.weightOf(g.routes.index["fast"]), g.routes.weightOf(g.routes.index["slow"])
		about(t, "slow over fast", float64(slow)/float64(fast), 40, 0.25)
		about(t, "the mean of the mix", (0.9*float64(fast)+0.1*float64(slow))/doneOne, 1, 0.25)
	})
}

// TestRoutesBaselineOfLongOnes: what has not come back after 0.2 s is the work
// of a slow route, and counts as what that is in proportion.
func TestRoutesBaselineOfLongOnes(t *testing.T) {
	for _, long := range []time.Duration{70 * time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			c := newRoutesCrowd(100, 1)
			c.long = long
			c.send(t, 30*time.Second, 100, 0.1)
			c.wg.Wait()
			st := c.Stats()
			about(t, fmt.Sprintf("the baseline beside %v", long), st.Baseline.Seconds(), 0.9*0.005+0.1*long.Seconds(), 0.4) // until a weight is known, an age stands for a latency
			// A slow one that comes after its cohort was closed is entered in two
			// parts, which look like more of a spread than there is.
			if st.Variation > 1 {
				t.Errorf("beside %v: a variation of %.2f, within the routes it is 0.42", long, st.Variation)
			}
		})
	}
}

// TestRoutesKeepTheKnee: the mix of a crowd changes while the house is full, and
// the backend has the same sixteen slots all the time: so the knee stays where it
// was found, a part above the slots. Medians of seven crowds.
func TestRoutesKeepTheKnee(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation")
	}
	const slots = 16
	capacity := func(slow float64) float64 { return slots / ((1-slow)*0.005 + slow*0.2) }
	mixes := []float64{0.1, 0.2, 0.05, 0.15}
	knees := make([][]float64, len(mixes))
	for seed := range uint64(7) {
		synctest.Test(t, func(t *testing.T) {
			c := newRoutesCrowd(slots, seed)
			c.send(t, 20*time.Second, 0.5*capacity(0.1), 0.1)
			for i, slow := range mixes {
				c.send(t, 3*time.Second, 3*capacity(slow), slow)
				sum := 0.0
				for range 10 {
					c.send(t, 200*time.Millisecond, 3*capacity(slow), slow)
					sum += c.Stats().Knee / 10
				}
				knees[i] = append(knees[i], sum)
			}
			c.wg.Wait()
		})
	}
	for i, slow := range mixes {
		var moved []float64
		for seed, knee := range knees[i] {
			moved = append(moved, knee/knees[0][seed])
		}
		about(t, fmt.Sprintf("the knee with %.0f %% of the slow, of %.1f", 100*slow, knees[i]), medianOf(knees[i]), 1.2*slots, 0.3)
		about(t, fmt.Sprintf("of the one with %.0f %%, of %.2f", 100*mixes[0], moved), medianOf(moved), 1, 0.15)
	}
}

func medianOf(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// TestRoutesRace: names come from everywhere while a tick makes tables of them.
func TestRoutesRace(t *testing.T) {
	s := seawall.Must(New(Config{RunQueue: seawall.Off}))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				p, err := s.Acquire(context.Background(), seawall.Class{Route: fmt.Sprintf("GET /%d", (g*7+i)%100)})
				if err == nil {
					p.Release()
				}
				if i%20 == 0 {
					s.due.Store(0) // the next one ticks
				}
			}
		})
	}
	wg.Wait()
	s.due.Store(0)
	p, err := s.Acquire(context.Background(), seawall.Class{})
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	if n := len(s.gate.Load().routes.index); n < 1 || n > maxRoutes-1 {
		t.Errorf("%d routes", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAllocRoutes: for a route that is known, and for one beyond the last.
func TestAllocRoutes(t *testing.T) {
	l := newLesson(t)
	for i := range 40 {
		l.table.of(l.s, fmt.Sprintf("GET /%d", i))
	}
	l.tick()
	l.took("GET /3", 20, time.Millisecond)
	l.took("GET /4", 20, time.Second)
	l.tick()
	g := *l.s.gate.Load()
	g.routes = l.table
	l.s.gate.Store(&g)
	l.s.due.Store(math.MaxInt64) // a tick would make tables
	for _, name := range []string{"GET /3", "GET /4", "GET /39", ""} {
		got := testing.AllocsPerRun(500, func() {
			p, err := l.s.Acquire(context.Background(), seawall.Class{User: 5, Route: name})
			if err != nil {
				t.Error(err)
			}
			p.Release()
		})
		if got != 0 {
			t.Errorf("%q: %v allocations", name, got)
		}
	}
	if !l.s.gate.Load().routes.active || l.s.gate.Load().routes.of(l.s, "GET /39") != 0 {
		t.Error("this has tested something else")
	}
}

// FuzzRoutes: whatever the names, there are at most 31, and each keeps its
// number.
func FuzzRoutes(f *testing.F) {
	f.Add("")
	f.Add("GET /feed")
	f.Add("a,b,a,,b,c\x00,\xff")
	f.Add(strings.Repeat("x,y", 100))
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "%d,", i)
	}
	f.Add(many.String())
	s := seawall.Must(New(Config{RunQueue: seawall.Off}))
	f.Fuzz(func(t *testing.T, list string) {
		s.routes = routes{}
		table, numbers := new(routeTable), map[string]uint32{}
		for i, name := range strings.Split(list, ",") {
			n := table.of(s, name)
			if was, ok := numbers[name]; ok && was != n || n > maxRoutes-1 || (name == "" && n != 0) {
				t.Fatalf("%q has number %d, had %d", name, n, was)
			}
			if n > 0 {
				numbers[name] = n
				s.shards[0].routes[n].Add(weigh(uint64(len(name))<<10, 1))
			}
			if i%3 == 0 {
				table = s.routes.learn(s.shards, tick)
			}
		}
		if len(s.routes.names) > maxRoutes-1 {
			t.Fatalf("%d names", len(s.routes.names))
		}
		for i := range uint32(maxRoutes) {
			if w := table.weightOf(i); w < doneOne/maxWeight || w > doneOne*maxWeight {
				t.Fatalf("route %d weighs %d", i, w)
			}
		}
	})
}
