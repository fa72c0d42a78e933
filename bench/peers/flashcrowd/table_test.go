package main

import (
	"flag"
	"math"
	"os"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixed are figures that nobody has measured.
func fixed() []block {
	one := func(name string, knows bool, value, goodput, critical spike.Number) result {
		return result{Contender: name, Knows: knows, Value: value, Median: spike.Figures{
			Goodput: goodput, Critical: critical, Normal: critical / 2, Sheddable: 0.0004, Journeys: spike.None,
			P50: 1.604, P99: spike.None, Wasted: 1 - goodput, Before: 0.99999, After: 1,
		}}
	}
	return []block{
		{Scenario: "calm", Title: "steady 0.7x", Results: []result{
			one("bare", false, 0.9985, 1, 1), one(seawallName, false, 1, 1, 1),
			one("gozero", false, 0.9965, 1, 1), one("rate", true, 1.001, 1, 1), one(oracleName, true, 1, 1, 1),
		}},
		{Scenario: "10x", Title: "step to 10x the calm load", Results: []result{
			one("bare", false, 0.0512, 0.084, 0.007), one(seawallName, false, 0.9831, 0.981, 0.997),
			one("gozero", false, spike.None, 0.09, 0.01), one("rate", true, 0.2, 0.45, 0.1), one(oracleName, true, 1, 0.987, 1),
		}},
	}
}

func TestGolden(t *testing.T) {
	blocks := fixed()
	text := table(&blocks[0]) + "\n" + table(&blocks[1]) + "\n" + summary(blocks)
	const path = "testdata/table.golden"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestFirst(t *testing.T) {
	blocks := fixed()
	firsts := map[string]int{}
	for i := range blocks {
		for n := range blocks[i].Results {
			if r := &blocks[i].Results[n]; isFirst(&blocks[i], r) {
				firsts[r.Contender]++
			}
		}
	}
	// Two thousandths behind is a tie, 3.5 are not; who knows is not ranked.
	if want := map[string]int{"bare": 1, seawallName: 2}; len(firsts) != 2 || firsts["bare"] != 1 || firsts[seawallName] != 2 {
		t.Errorf("first are %v, want %v", firsts, want)
	}
	if got := best(&block{Results: []result{{Value: spike.None}, {Value: 1, Knows: true}}}); !math.IsNaN(got) {
		t.Errorf("the best of nobody is %v", got)
	}
	if text, first := verdict([]block{{Scenario: "calm", Results: []result{{Contender: "bare", Value: 1}}}}); first ||
		text != "seawall is not first in\n  calm: seawall -, the best 1.000" {
		t.Errorf("without seawall: %q", text)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{percent(1), "100.0 %"}, {percent(0.99999), "99.9 %"}, {percent(0.9994), "99.9 %"}, {percent(0.0004), "0.0 %"},
		{percent(spike.None), "-"}, {percent(spike.Never), "never"}, {factor(1.605), "1.60"}, {share(0.97), "0.970"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
