package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/seawall-go/seawall/spike"
)

// tie is by how much two values may differ and still be the same: one more or
// less of some hundred requests is luck.
const tie = 0.003

var columns = []struct {
	name string
	text func(*result) string
}{
	{"goodput", func(r *result) string { return percent(r.Median.Goodput) }},
	{"Critical", func(r *result) string { return percent(r.Median.Critical) }},
	{"Normal", func(r *result) string { return percent(r.Median.Normal) }},
	{"Sheddable", func(r *result) string { return percent(r.Median.Sheddable) }},
	{"journeys", func(r *result) string { return percent(r.Median.Journeys) }},
	{"p50", func(r *result) string { return factor(r.Median.P50) }},
	{"p99", func(r *result) string { return factor(r.Median.P99) }},
	{"wasted", func(r *result) string { return percent(r.Median.Wasted) }},
	{"before", func(r *result) string { return percent(r.Median.Before) }},
	{"after", func(r *result) string { return percent(r.Median.After) }},
	{"value", func(r *result) string { return share(r.Value) }},
}

// table is one scenario, a line a contender.
func table(b *block) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", b.Scenario, b.Title)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range columns {
		fmt.Fprint(w, "\t", c.name)
	}
	fmt.Fprintln(w, "\t")
	for i := range b.Results {
		r := &b.Results[i]
		fmt.Fprint(w, name(r))
		for _, c := range columns {
			fmt.Fprint(w, "\t", c.text(r))
		}
		fmt.Fprintln(w, "\t")
	}
	_ = w.Flush() // into memory
	return text.String()
}

// name has a mark for those who know.
func name(r *result) string {
	if r.Knows {
		return r.Contender + " *"
	}
	return r.Contender
}

// summary is the value of each contender over all scenarios.
func summary(blocks []block) string {
	var text strings.Builder
	text.WriteString("value: 10 points a Critical success, 3 a Normal, 1 a Sheddable one, as a part of the oracle's\n")
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, b := range blocks {
		fmt.Fprint(w, "\t", b.Scenario)
	}
	fmt.Fprintln(w, "\tmean\tworst\tfirst in\t")
	for i := range blocks[0].Results {
		of := &blocks[0].Results[i]
		sum, worst, firsts := 0.0, math.Inf(1), 0
		fmt.Fprint(w, name(of))
		for n := range blocks {
			r := &blocks[n].Results[i]
			fmt.Fprint(w, "\t", share(r.Value))
			sum += float64(r.Value)
			worst = math.Min(worst, float64(r.Value)) // NaN if one is
			if isFirst(&blocks[n], r) {
				firsts++
			}
		}
		first := strconv.Itoa(firsts)
		if of.Knows {
			first = "-"
		}
		fmt.Fprintf(w, "\t%s\t%s\t%s\t\n", share(spike.Number(sum/float64(len(blocks)))), share(spike.Number(worst)), first)
	}
	_ = w.Flush() // into memory
	text.WriteString("* is told the capacity, and not ranked\n")
	return text.String()
}

// best is the highest value of those who do not know the capacity; NaN if
// there is none.
func best(b *block) float64 {
	top := math.NaN()
	for i := range b.Results {
		if v := float64(b.Results[i].Value); !b.Results[i].Knows && !(v <= top) && !math.IsNaN(v) {
			top = v
		}
	}
	return top
}

// isFirst reports whether nobody who does not know the capacity either has a
// higher value, by more than luck.
func isFirst(b *block, r *result) bool {
	return !r.Knows && float64(r.Value) >= best(b)-tie
}

// verdict says where seawall is not first.
func verdict(blocks []block) (text string, first bool) {
	var lost []string
	for i := range blocks {
		b := &blocks[i]
		r := b.of(seawallName)
		if r != nil && isFirst(b, r) {
			continue
		}
		value := spike.None
		if r != nil {
			value = r.Value
		}
		lost = append(lost, fmt.Sprintf("%s: seawall %s, the best %s", b.Scenario, share(value), share(spike.Number(best(b)))))
	}
	if len(lost) > 0 {
		return "seawall is not first in\n  " + strings.Join(lost, "\n  "), false
	}
	return fmt.Sprintf("seawall is first in all %d scenarios.", len(blocks)), true
}

// number writes a figure; what was not measured is "-", what never happened
// "never".
func number(n spike.Number, format func(float64) string) string {
	switch v := float64(n); {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return "never"
	default:
		return format(v)
	}
}

// percent never rounds up to a hundred what is less.
func percent(n spike.Number) string {
	return number(n, func(v float64) string {
		if v < 1 && v >= 0.9995 {
			v = 0.9994
		}
		return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
	})
}

func factor(n spike.Number) string {
	return number(n, func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) })
}

// share is a value: 1 is what the oracle got.
func share(n spike.Number) string {
	return number(n, func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) })
}
