package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-go/seawall/spike"
)

// perfect are figures that meet every target, for all trials of a check.
func perfect(list []target) []block {
	var blocks []block
	for _, of := range list {
		if of.world() || findBlock(blocks, of.backend, of.scenario) >= 0 {
			continue
		}
		good := spike.Figures{
			Goodput: 1, Success: 1, Critical: 1, CriticalFirst: 1, Normal: 1, Sheddable: 1, Journeys: 1,
			P50: 1, P99: 1, CriticalP99: 1, Wasted: 0, Before: 1, After: 1, Settle: 0, Recover: 0,
			Honest: 1, HonestCritical: 1, Abusers: 1, Value: 1000, Found: 0.5,
		}
		fallen := good
		fallen.Goodput = 0.07
		one := func(name string, f spike.Figures) result {
			return result{Contender: name, Median: f, Runs: []run{{Figures: f}, {Figures: f}, {Figures: f}}}
		}
		blocks = append(blocks, block{
			Backend: of.backend, Scenario: spike.Scenario{Name: of.scenario},
			Results: []result{one(bareName, fallen), one(seawallName, good), one(oracleName, good)},
		})
	}
	return blocks
}

func missed(found []finding) []string {
	var names []string
	for _, f := range found {
		if !f.Met {
			names = append(names, f.Target)
		}
	}
	return names
}

func blockOf(blocks []block, scenario string) *block { return &blocks[findBlock(blocks, "", scenario)] }

func findBlock(blocks []block, backend, scenario string) int {
	return slices.IndexFunc(blocks, func(b block) bool { return b.Backend == backend && b.Scenario.Name == scenario })
}

func TestPerfectFiguresMeetAllTargets(t *testing.T) {
	for _, short := range []bool{false, true} {
		if found := judge(targets, perfect(targets), short); len(found) != len(targets) || len(missed(found)) > 0 {
			t.Errorf("short %v: %d of %d targets judged, missed: %q", short, len(found), len(targets), missed(found))
		}
	}
}

// Each target fails by itself: at its bound it is met, a little beyond it is
// missed, by name, and so it is when nothing was measured.
func TestEachTargetCanFail(t *testing.T) {
	const little = 1e-6
	for _, short := range []bool{false, true} {
		for _, target := range allTargets {
			for _, c := range []struct {
				name string
				off  float64 // from the limit, to the wrong side
				met  bool
			}{
				{"at the bound", 0, target.is != below},
				{"better", -little, true},
				{"worse", little, false},
				{"never", math.Inf(1), false},
				{"not measured", math.NaN(), false},
			} {
				blocks := perfect(allTargets)
				b := &blocks[findBlock(blocks, target.backend, target.scenario)]
				var other *spike.Figures
				if r := b.of(target.of); r != nil {
					other = &r.Median
				}
				v := float64(target.limit(short, other))
				if target.is == atLeast {
					v -= c.off
				} else {
					v += c.off
				}
				r := b.of(target.contender())
				spoil := &r.Median
				if target.each {
					spoil = &r.Runs[1].Figures
				}
				*pointer(t, target.metric, spoil) = spike.Number(v)
				names := missed(judge(allTargets, blocks, short))
				if got := !slices.Contains(names, target.name()); got != c.met {
					t.Errorf("short %v, %s %s (%v): met %v", short, target.name(), c.name, v, got)
				}
			}
		}
	}
}

// pointer finds the figure a metric reads.
func pointer(t *testing.T, m metric, f *spike.Figures) *spike.Number {
	t.Helper()
	all := []*spike.Number{
		&f.Goodput, &f.Success, &f.Critical, &f.CriticalFirst, &f.Normal, &f.Journeys, &f.P50, &f.P99, &f.CriticalP99,
		&f.Wasted, &f.Before, &f.After, &f.Settle, &f.Recover, &f.Honest, &f.HonestCritical, &f.Value, &f.Found,
	}
	for _, p := range all {
		kept := *p
		*p = -12345
		found := m.of(f) == -12345
		*p = kept
		if found {
			return p
		}
	}
	t.Fatalf("%s reads no figure that is known here", m.name)
	return nil
}

// Targets that compare move with what they compare to.
func TestComparisons(t *testing.T) {
	for _, c := range []struct {
		scenario string
		change   func(*block)
		want     string
	}{
		{"calm", func(b *block) { b.of(bareName).Median.P99 = 0.9 }, "calm: p99 over unloaded of seawall"},
		{"3x", func(b *block) { b.of(seawallName).Median.Normal = 0.96 }, "3x: Normal of seawall"},
		{"3x", func(b *block) { b.of(seawallName).Median.Journeys = 0.89 }, "3x: journeys finished of seawall"},
		{"cold", func(b *block) { b.of(seawallName).Median.Journeys = 0.79 }, "cold: journeys finished of seawall"},
		{"3x", func(b *block) { b.of(oracleName).Median.Normal = spike.None }, "3x: Normal of seawall"},
		{"10x", func(b *block) { b.Results = b.Results[:2] }, "10x: goodput of oracle\n10x: journeys finished of seawall"},
	} {
		blocks := perfect(targets)
		c.change(blockOf(blocks, c.scenario))
		if got := strings.Join(missed(judge(targets, blocks, false)), "\n"); got != c.want {
			t.Errorf("missed %q, want %q", got, c.want)
		}
	}
	blocks := perfect(targets)
	b := blockOf(blocks, "3x") // a surplus is no miss, and the oracle may be bad itself
	b.of(oracleName).Median.Journeys, b.of(oracleName).Median.Normal = 0.4, 0.5
	b.of(seawallName).Median.Journeys, b.of(seawallName).Median.Normal = 0.36, 0.47
	if got := missed(judge(targets, blocks, false)); len(got) > 0 {
		t.Errorf("missed %q", got)
	}
}

// promised is the table in words: whoever changes a target sees it here.
const promised = `
10x: goodput of bare <= 20.0 %
10x: goodput of oracle >= 98.0 % (short: >= 96.0 %)
calm: success of seawall >= 99.9 %
calm: p99 over unloaded of seawall <= 1.03 x that of bare (short: <= 1.1 x that of bare)
3x: goodput of seawall >= 98.0 %
3x: Critical of seawall >= 99.5 %
3x: Normal of seawall >= that of oracle - 3 points
3x: p50 over unloaded of seawall <= 1.70x
3x: journeys finished of seawall >= 0.9 x that of oracle
3x: success before the spike of seawall >= 99.9 %
3x: settled after of seawall <= 0.30 s
3x: recovered after of seawall <= 0.50 s
10x: goodput of seawall >= 97.0 % (short: >= 94.0 %)
10x: Critical of seawall >= 98.0 % (short: >= 97.0 %)
10x: Critical, first second of seawall >= 95.0 % (short: >= 93.0 %)
10x: p99 of Critical over unloaded of seawall <= 1.25x (short: <= 1.40x)
10x: wasted work of seawall < 1.0 %
10x: journeys finished of seawall >= 0.8 x that of oracle (short: >= 0.25 x that of oracle)
10x: success before the spike of seawall >= 99.9 % (short: >= 99.0 %)
10x: settled after of seawall <= 0.30 s
10x: recovered after of seawall <= 0.50 s
flash: goodput of seawall >= 95.0 %
flash: Critical of seawall >= 98.0 %
flash: Critical, first second of seawall >= 95.0 %
flash: p99 of Critical over unloaded of seawall <= 1.25x
flash: wasted work of seawall < 1.0 %
flash: journeys finished of seawall >= 0.8 x that of oracle
flash: success before the spike of seawall >= 99.9 %
flash: recovered after of seawall <= 0.50 s
retries: goodput of seawall >= 97.0 %
retries: Critical of seawall >= 98.0 %
retries: Critical, first second of seawall >= 95.0 %
retries: p99 of Critical over unloaded of seawall <= 1.25x
retries: wasted work of seawall < 1.0 %
retries: journeys finished of seawall >= 0.8 x that of oracle
retries: success before the spike of seawall >= 99.9 %
retries: success afterwards of seawall >= 95.0 %
retries: settled after of seawall <= 0.30 s
retries: recovered after of seawall <= 0.50 s
cold: goodput of seawall >= 97.0 %
cold: Critical of seawall >= 98.0 %
cold: Critical, first second of seawall >= 95.0 %
cold: p99 of Critical over unloaded of seawall <= 1.40x
cold: wasted work of seawall < 1.0 %
cold: journeys finished of seawall >= 0.8 x that of oracle
cold: settled after of seawall <= 0.30 s
cold: recovered after of seawall <= 0.50 s
abusers: success of the honest of seawall >= 37.0 %
abusers: Critical of the honest of seawall >= 99.5 %
abusers-long: success of the honest of seawall >= 41.0 %
abusers-long: Critical of the honest of seawall >= 99.5 %
slower: goodput of seawall >= 0.97 x that of oracle
slower: Critical of seawall >= that of oracle - 1.5 points
slower: wasted work of seawall <= that of oracle + 3 points
smaller: lost slots found after of seawall <= 3.00 s
slower-low: goodput of seawall >= 93.0 %
slower-low: goodput, any run, of seawall >= 80.0 %
long: Critical of seawall >= 98.5 %
return: value of seawall >= 0.93 x that of oracle
mild: value of seawall >= 0.93 x that of oracle
heavier: value of seawall >= 0.93 x that of oracle
ramp: value of seawall >= 0.93 x that of oracle
slower-spike: value of seawall >= 0.93 x that of oracle
lost: value of seawall >= 0.93 x that of oracle
4x80ms, 3x: value of seawall >= 0.93 x that of oracle
4x80ms, 10x: value of seawall >= 0.93 x that of oracle
400x400ms, 3x: goodput of oracle >= 95.0 %
400x400ms, 3x: goodput of seawall >= 95.0 %
100x200ms, calm: success of seawall >= 99.9 %
100x200ms, 3x: goodput of seawall >= 97.0 %
100x200ms, 3x: Critical of seawall >= that of oracle - 1.5 points
8xbimodal:5ms:0.9:200ms, 3x: goodput of seawall >= 97.0 %
8xbimodal:5ms:0.9:200ms, 3x: goodput, any run, of seawall >= 90.0 %
routes of 8xbimodal:5ms:0.9:200ms, 3x: goodput of seawall >= 97.0 %
routes of 8xbimodal:5ms:0.9:200ms, 3x: goodput, any run, of seawall >= 90.0 %
cpu:2ms, cpu-5x: goodput of seawall >= 85.0 %
cpu:2ms, cpu-5x: Critical of seawall >= 99.0 %
cpu:2ms, cpu-5x: p50 over unloaded of seawall <= 3.00x
cpu:2ms, cpu-5x: success afterwards of seawall >= 95.0 %
`

func TestPromises(t *testing.T) {
	text := "\n"
	for _, target := range allTargets {
		text += target.name() + " " + target.promise(false)
		if short := target.promise(true); short != target.promise(false) {
			text += " (short: " + short + ")"
		}
		text += "\n"
	}
	if text != promised {
		t.Errorf("the targets are\n%s", text)
	}
	seen := map[string]bool{}
	for _, target := range allTargets {
		if seen[target.name()] {
			t.Errorf("two targets are called %q", target.name())
		}
		seen[target.name()] = true
		if target.short != 0 && !slices.Contains(shortScenarios, target.scenario) {
			t.Errorf("%q has a short form, but its scenario is not in it", target.name())
		}
		if target.short != 0 && (target.is == atLeast) != (target.short < target.bound) {
			t.Errorf("%q is stricter in its short form", target.name())
		}
		if (target.of != "") != (target.how != absolute) {
			t.Errorf("%q compares with nobody, or does not say how", target.name())
		}
	}
}

func TestWriteFindings(t *testing.T) {
	blocks := perfect(targets)
	blockOf(blocks, "10x").of(bareName).Median.Goodput = 0.5
	blockOf(blocks, "3x").of(seawallName).Median.Critical = 0.9941
	blockOf(blocks, "3x").of(seawallName).Median.Settle = spike.Never
	var out bytes.Buffer
	if n := writeFindings(&out, judge(targets, blocks, false)); n != 3 {
		t.Errorf("%d missed, want 3", n)
	}
	for _, want := range []string{
		"MISS  10x: goodput of bare ", "50.0 %   <= 20.0 %",
		"MISS  3x: Critical of seawall ", "99.4 %   >= 99.5 %",
		"never   <= 0.30 s",
		"ok    3x: Normal of seawall", ">= that of oracle - 3 points (97.0 %)",
		fmt.Sprintf("3 of %d targets missed:\n  10x: goodput of bare\n  3x: Critical of seawall\n  3x: settled after of seawall\n", len(targets)),
		"The world was not sound",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}

	out.Reset()
	if n := writeFindings(&out, judge(targets, perfect(targets), false)); n != 0 || !strings.HasSuffix(out.String(), fmt.Sprintf("All %d targets met.\n", len(targets))) {
		t.Errorf("%d missed:\n%s", n, out.String())
	}
	out.Reset()
	if n := writeFindings(&out, nil); n == 0 || !strings.Contains(out.String(), "no target") {
		t.Errorf("nothing was judged, %d missed:\n%s", n, out.String())
	}
}
