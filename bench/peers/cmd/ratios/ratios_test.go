package main

import (
	"bytes"
	"flag"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall/bench/peers"
)

func TestParse(t *testing.T) {
	var out bytes.Buffer
	o, err := parse([]string{"-rounds", "3", "-turn", "1ms", "-quiet", "0", "-cases", "reject,admit"}, &out)
	if err != nil || o.rounds != 3 || o.turn != time.Millisecond || o.quiet != 0 || !slices.Equal(casesOf(o), []peers.Case{peers.Admit, peers.Reject}) {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err = parse(nil, &out); err != nil || !slices.Equal(casesOf(o), casesOf(options{suites: peers.Suites()})) {
		t.Errorf("by default: %+v, %v", o, err)
	}
	if o, err = parse([]string{"-only", "ratelimit"}, &out); err != nil || !slices.Equal(casesOf(o), peers.RateLimit().Cases()) {
		t.Errorf("only one suite: %+v, %v", o, err)
	}
	if o, err = parse([]string{"-cases", "zipf-1M,admit"}, &out); err != nil || len(o.suites) != 2 || len(o.suites[1].Rounds) != 1 {
		t.Errorf("a case of each suite: %+v, %v", o, err)
	}
	for args, want := range map[string]string{
		"-rounds 0":                   "-rounds must be between",
		"-turn 1ns":                   "-turn must be between",
		"-quiet -1":                   "-quiet must be between",
		"-cases admit,nil":            `no case "nil" (there are admit, reject,`,
		"more":                        "no argument is expected",
		"-only queue":                 `-only must be one of shed, ratelimit, cache, httpcache (got "queue")`,
		"-only shed -cases hot-allow": `no case "hot-allow" (there are admit, reject,`,
		"-unknown":                    "not defined",
	} {
		code, err := run(strings.Fields(args), &out)
		if code != 2 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d, %v; want 2 and %q", args, code, err, want)
		}
	}
	if code, err := run([]string{"-h"}, &out); code != 0 || err != nil {
		t.Errorf("-h: %d, %v", code, err)
	}
}

func casesOf(o options) (cases []peers.Case) {
	for _, s := range o.suites {
		cases = append(cases, s.Cases()...)
	}
	return cases
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{5, 1, 4, 2, 3}, spread{2, 3, 4}},
		{[]float64{4, 1, 3, 2}, spread{1.75, 2.5, 3.25}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: got %v, want %v", c.values, got, c.want)
		}
	}
	if v := spreadOf(nil); !math.IsNaN(v.mid) {
		t.Errorf("of nothing: %v", v)
	}
}

// rowOf has seawall at own and its peer at 100 ns, on a machine that becomes
// three times slower in the last round.
func rowOf(name, peer string, allocs int64, own ...float64) *row {
	r := &row{name: name, lanes: []*lane{{library: "seawall", allocs: allocs}, {library: peer}}}
	for i, ns := range own {
		slow := 1.0
		if i == len(own)-1 {
			slow = 3
		}
		r.lanes[0].ns = append(r.lanes[0].ns, ns*slow)
		r.lanes[1].ns = append(r.lanes[1].ns, 100*slow)
	}
	return r
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		row  *row
		want []string
	}{
		{rowOf("admit/serial", "failsafe", 0, 30, 40, 50), nil},
		{rowOf("admit/serial", "failsafe", 0, 30, 41, 50), []string{"admit/serial: 0.41 of failsafe, want at most 0.40"}},
		{rowOf("admit/serial", "failsafe", 1, 30, 40, 50), []string{"admit/serial: 1 allocations a request, want at most 0"}},
		{rowOf("admit/serial", "kratos", 0, 30), []string{"admit/serial: NaN of failsafe, want at most 0.40"}},
		{rowOf(quietName, "failsafe", 1, 300), nil}, // no goal
		{rowOf("handler-headers/serial", "golimiter", 2, 300), nil},
		{rowOf("handler-headers/serial", "golimiter", 3, 3), []string{"handler-headers/serial: 3 allocations a request, want at most 2"}},
		{rowOf("handler-refuse/serial", "httprate", 4, 35), nil},
		{rowOf("zipf-1M/serial", "golimiter", 0, 40, 45, 50), []string{"zipf-1M/serial: NaN of xtime, want at most 0.45"}},
		{rowOf("handler-reject/parallel", "failsafe", 0, 11, 10, 2), nil},
		{rowOf("handler-reject/parallel", "failsafe", 2, 11, 11, 2), []string{
			"handler-reject/parallel: 0.11 of failsafe, want at most 0.10",
			"handler-reject/parallel: 2 allocations a request, want at most 0",
		}},
	} {
		var out bytes.Buffer
		got := report(&out, []*table{{"x", []string{"seawall", "failsafe"}, []*row{c.row}}}, []float64{40})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.row.name, got, c.want)
		}
		if strings.Contains(out.String(), "MISSED") != (c.want != nil) {
			t.Errorf("%q:\n%s", c.want, out.String())
		}
	}
}

// TestDifferences: what seawall takes above its engine is judged by nanoseconds,
// and each contender by its own goal.
func TestDifferences(t *testing.T) {
	lanes := func(over, overRistretto float64, allocs int64) *row {
		r := &row{name: "hit/serial"}
		for _, l := range []struct {
			name   string
			over   float64
			allocs int64
		}{{"seawall-lru", over, allocs}, {"lru", 0, 3}, {"seawall-ristretto", overRistretto, 0}, {"ristretto", 0, 0}, {"seawall-otter", 25, 0}, {"otter", 0, 0}} {
			r.lanes = append(r.lanes, &lane{library: l.name, allocs: l.allocs, ns: []float64{100 + l.over, 300 + l.over, 50 + l.over}})
		}
		return r
	}
	for _, c := range []struct {
		row  *row
		want []string
	}{
		{lanes(25, -10, 0), nil},
		{lanes(25.1, 25, 0), []string{"hit/serial: seawall-lru 25.1 ns above lru, want at most 25.0"}},
		{lanes(0, 26, 1), []string{"hit/serial: seawall-lru 1 allocations a request, want at most 0", "hit/serial: seawall-ristretto 26.0 ns above ristretto, want at most 25.0"}},
		{&row{name: "two-tier-hit/serial", lanes: []*lane{ // no Redis
			{library: "seawall-lru", ns: []float64{100}}, {library: "seawall-ristretto", ns: []float64{100}}, {library: "seawall-otter", ns: []float64{100}},
		}}, []string{
			"two-tier-hit/serial: seawall-lru NaN of goredis-cache, want at most 0.033",
			"two-tier-hit/serial: seawall-ristretto NaN of goredis-cache, want at most 0.033",
			"two-tier-hit/serial: seawall-otter NaN of goredis-cache, want at most 0.033",
		}},
		{&row{name: "mix-75-25/serial", lanes: []*lane{{library: "seawall-lru", allocs: 1}, {library: "seawall-otter", allocs: 2}}}, []string{
			"mix-75-25/serial: seawall-ristretto was not measured",
			"mix-75-25/serial: seawall-otter 2 allocations a request, want at most 1",
		}},
	} {
		if _, got := c.row.verdict(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.row.name, got, c.want)
		}
	}
}

// TestGoals: each goal is about a row that is measured, and a peer that is.
func TestGoals(t *testing.T) {
	var without []string
	measured := map[string][]string{}
	for _, s := range peers.Suites() {
		for _, c := range s.Cases() {
			for _, f := range peers.Forms() {
				row := string(c) + "/" + string(f)
				without = append(without, row)
				for _, l := range s.Libraries {
					if l.Has(c) {
						measured[row] = append(measured[row], l.Name)
					}
				}
			}
		}
	}
	for _, g := range goals {
		if libraries := measured[g.row]; !slices.Contains(libraries, g.own) || g.peer != "" && !slices.Contains(libraries, g.peer) {
			t.Errorf("%+v is about nothing that is measured", g)
		}
		without = slices.DeleteFunc(without, func(row string) bool { return row == g.row })
	}
	if len(without) > 0 {
		t.Errorf("there is no goal for %q", without)
	}
}

// TestRun measures everything for a moment. The figures mean nothing; whether
// goals are met is not asked.
func TestRun(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime")
	defer benchtime.Value.Set(benchtime.Value.String()) // it is the test's own, too
	var out bytes.Buffer
	args := []string{ // without a million keys, which take half a minute to make; step bench has them
		"-rounds", "2", "-turn", "50us", "-quiet", "1",
		"-cases", "admit,reject,reject-full,handler-admit,handler-reject,hot-allow,hot-refuse,handler-headers,hit,hit-string,mix-75-25,two-tier-hit,http-hit,http-miss,http-coalesce",
	}
	code, err := run(args, &out)
	if err != nil || code == 2 {
		t.Fatalf("%d, %v\n%s", code, err, out.String())
	}
	if missed := strings.Contains(out.String(), "\nMISSED "); missed != (code == 1) {
		t.Errorf("exit code %d for\n%s", code, out.String())
	}
	for _, want := range []string{"One reading of the clock", "failsafe-priority", quietName, "reject-full/parallel", "handler-reject/serial", "at most 0.10", "hot-refuse/parallel", "handler-headers/serial", "handler-headers/parallel", "allocations, at most 2", "ns above lru, at most 25.0", "ns above none, at most 1000.0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
}

// TestMeasureStops: a library in the wrong state is an error, not a figure.
func TestMeasureStops(t *testing.T) {
	for _, l := range peers.Shed().Libraries {
		s, err := l.Scene(peers.Reject)
		if err != nil {
			t.Fatal(err)
		}
		s.Free() // now it admits
		n := &lane{library: l.Name, scene: s}
		if err := n.calibrate(peers.Serial, time.Millisecond); err == nil {
			t.Errorf("%s: no error though it admits what should be refused", l.Name)
		}
		s.Close()
	}
}
