package main

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/seawall-go/seawall/bench/peers"
)

// row is one case in one form, with all who take part.
type row struct {
	name  string // case/form
	lanes []*lane
}

// lane is one contender in a row, and what its turns took.
type lane struct {
	library string
	scene   *peers.Scene
	crowded bool // millions of objects are alive
	turn    func() error
	ns      []float64 // of one request, by round
	allocs  int64     // of one request, the most of all rounds
	calls   string    // of the handler by a crowd, where there are crowds
}

// quietName is the row of requests that come now and then.
const quietName = "admit-quiet/serial"

// table is what a suite has shown.
type table struct {
	name      string
	libraries []string
	rows      []*row
}

// measure makes a table of each suite.
func measure(o options) (tables []*table, clock []float64, err error) {
	for _, s := range o.suites {
		t := &table{name: s.Name}
		for _, l := range s.Libraries {
			t.libraries = append(t.libraries, l.Name)
		}
		for _, cases := range s.Rounds {
			rows, read, err := rounds(o, s, cases)
			if err != nil {
				return nil, nil, err
			}
			t.rows, clock = append(t.rows, rows...), append(clock, read...)
		}
		tables = append(tables, t)
	}
	return tables, clock, nil
}

// rounds gives every lane of every row a turn in each round.
func rounds(o options, s peers.Suite, cases []peers.Case) ([]*row, []float64, error) {
	rows, stop, err := rowsOf(o, s, cases)
	defer stop()
	if err != nil {
		return nil, nil, err
	}
	var clock []float64
	runtime.GC() // of what was before
	for round := range o.rounds {
		for _, r := range rows {
			// Whoever follows on whom may matter: everybody is first once.
			for i := range r.lanes {
				if err := r.lanes[(i+round)%len(r.lanes)].turn(); err != nil {
					return nil, nil, err
				}
			}
		}
		clock = append(clock, readClock(200_000))
	}
	return rows, clock, nil
}

func rowsOf(o options, suite peers.Suite, cases []peers.Case) (rows []*row, stop func(), err error) {
	var lanes []*lane
	stop = func() {
		for _, n := range lanes {
			n.scene.Close()
			n.scene, n.turn = nil, nil // the figures stay, a million keys need not
		}
	}
	for _, c := range cases {
		byForm := map[peers.Form]*row{}
		for _, f := range peers.Forms() {
			byForm[f] = &row{name: fmt.Sprintf("%s/%s", c, f)}
			rows = append(rows, byForm[f])
		}
		quiet := &row{name: quietName}
		if c == peers.Admit && o.quiet > 0 {
			rows = append(rows, quiet)
		}
		for _, l := range suite.Libraries {
			if !l.Has(c) {
				continue
			}
			s, err := l.Scene(c)
			if errors.Is(err, peers.ErrNoRedis) {
				continue // its goal is missed
			}
			if err != nil {
				return nil, stop, err
			}
			q := &lane{library: l.Name, scene: s}
			q.turn = func() error { return q.quiet(o.quiet) }
			quiet.lanes, lanes = append(quiet.lanes, q), append(lanes, q)
			for _, f := range peers.Forms() {
				n := &lane{library: l.Name, scene: s, crowded: suite.Crowded || c == peers.ZipfMillion}
				lanes = append(lanes, n)
				if err := n.calibrate(f, o.turn); err != nil {
					return nil, stop, err
				}
				byForm[f].lanes = append(byForm[f].lanes, n)
			}
		}
	}
	return rows, stop, nil
}

// calibrate finds how many requests make a turn, and keeps to that number. Of
// three tries the fastest counts: a machine that stands still for a moment
// looks as if a single request were a turn.
func (n *lane) calibrate(f peers.Form, turn time.Duration) error {
	if n.crowded {
		return n.calibrateCrowded(f, turn)
	}
	fastest := float64(turn)
	for range 3 {
		r, err := n.benchmark(f, turn.String())
		if err != nil {
			return err
		}
		fastest = min(fastest, max(1, perRequest(r)))
	}
	perTurn := strconv.Itoa(int(float64(turn)/fastest)) + "x"
	n.turn = func() error {
		r, err := n.benchmark(f, perTurn)
		if err != nil {
			return err
		}
		n.ns = append(n.ns, perRequest(r))
		n.allocs = max(n.allocs, r.AllocsPerOp())
		n.called()
		return nil
	}
	return nil
}

// calibrateCrowded does without testing.Benchmark. That collects garbage before
// each turn, which takes longer here than all turns do.
func (n *lane) calibrateCrowded(f peers.Form, turn time.Duration) error {
	requests := 1000
	timed := func() (perRequest float64, allocs int64, err error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		took, err := n.scene.Time(f, requests)
		runtime.ReadMemStats(&after)
		return float64(took) / float64(requests), int64(after.Mallocs-before.Mallocs) / int64(requests), err
	}
	fastest := float64(turn)
	for range 3 {
		took, _, err := timed()
		if err != nil {
			return err
		}
		fastest = min(fastest, max(1, took))
	}
	requests = max(1000, int(float64(turn)/fastest))
	n.turn = func() error {
		took, allocs, err := timed()
		n.ns, n.allocs = append(n.ns, took), max(n.allocs, allocs)
		return err
	}
	return nil
}

// called notes what the handler had to do.
func (n *lane) called() {
	if calls, ok := n.scene.Calls(); ok {
		n.calls = fmt.Sprintf(" (%.0f calls)", calls)
	}
}

func (n *lane) benchmark(f peers.Form, benchtime string) (r testing.BenchmarkResult, err error) {
	if err := flag.Set("test.benchtime", benchtime); err != nil {
		return r, fmt.Errorf("setting the length of a turn: %w", err)
	}
	r = testing.Benchmark(func(b *testing.B) {
		b.Helper()
		if err = n.scene.Measure(b, f); err != nil {
			b.FailNow()
		}
	})
	return r, err
}

// perRequest is nanoseconds, with the fraction that NsPerOp drops.
func perRequest(r testing.BenchmarkResult) float64 {
	return float64(r.T.Nanoseconds()) / float64(max(1, r.N))
}

func (n *lane) quiet(bursts int) error {
	took, err := n.scene.Quiet(bursts)
	n.ns = append(n.ns, float64(took))
	return err
}

// readClock is what one reading of the clock takes, in nanoseconds.
func readClock(n int) float64 {
	base := time.Now()
	var last time.Duration
	for range n {
		last = time.Since(base)
	}
	return float64(last) / float64(n)
}
