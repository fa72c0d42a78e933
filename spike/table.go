package spike

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// row is a figure: its name in tables, how it is written, where it lies.
type row struct {
	label  string
	format func(float64) string
	of     func(*Figures) *Number
}

// rows are all figures, in the order of the table.
var rows = []row{
	{"goodput", percent, func(f *Figures) *Number { return &f.Goodput }},
	{"success", percent, func(f *Figures) *Number { return &f.Success }},
	{"  critical", percent, func(f *Figures) *Number { return &f.Critical }},
	{"  critical, first second", percent, func(f *Figures) *Number { return &f.CriticalFirst }},
	{"  normal", percent, func(f *Figures) *Number { return &f.Normal }},
	{"  sheddable", percent, func(f *Figures) *Number { return &f.Sheddable }},
	{"  background", percent, func(f *Figures) *Number { return &f.Background }},
	{"  honest", percent, func(f *Figures) *Number { return &f.Honest }},
	{"  honest critical", percent, func(f *Figures) *Number { return &f.HonestCritical }},
	{"  abusers", percent, func(f *Figures) *Number { return &f.Abusers }},
	{"journeys finished", percent, func(f *Figures) *Number { return &f.Journeys }},
	{"p50 over unloaded", times, func(f *Figures) *Number { return &f.P50 }},
	{"p99 over unloaded", times, func(f *Figures) *Number { return &f.P99 }},
	{"  critical", times, func(f *Figures) *Number { return &f.CriticalP99 }},
	{"value, points", whole, func(f *Figures) *Number { return &f.Value }},
	{"wasted work", percent, func(f *Figures) *Number { return &f.Wasted }},
	{"success before", percent, func(f *Figures) *Number { return &f.Before }},
	{"success afterwards", percent, func(f *Figures) *Number { return &f.After }},
	{"80 % of the possible after", seconds, func(f *Figures) *Number { return &f.Settle }},
	{"recovered after", seconds, func(f *Figures) *Number { return &f.Recover }},
	{"found lost slots after", seconds, func(f *Figures) *Number { return &f.Found }},
	{"requests", whole, func(f *Figures) *Number { return &f.Requests }},
	{"attempts", whole, func(f *Figures) *Number { return &f.Attempts }},
	{"dropped by the generator", whole, func(f *Figures) *Number { return &f.Dropped }},
	{"send lag p99", millis, func(f *Figures) *Number { return &f.LagP99 }},
	{"generator CPU", cores, func(f *Figures) *Number { return &f.CPU }},
}

// percent has a decimal where it tells something: 99.97 % is not 100 %.
func percent(x float64) string {
	p := 100 * x
	switch {
	case p > 99 && p < 100:
		return fmt.Sprintf("%.1f %%", min(p, 99.9))
	case p > 0 && p < 10:
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

func times(x float64) string   { return fmt.Sprintf("%.2f x", x) }
func seconds(x float64) string { return fmt.Sprintf("%.2f s", x) }
func whole(x float64) string   { return fmt.Sprintf("%.0f", x) }
func millis(x float64) string  { return fmt.Sprintf("%.1f ms", 1e3*x) }
func cores(x float64) string   { return fmt.Sprintf("%.2f", x) }

func (r row) text(f *Figures) string {
	switch v := float64(*r.of(f)); {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return "never"
	default:
		return r.format(v)
	}
}

// Table writes figures as plain text: a block a scenario, in the order in which
// the scenarios first appear, with a column a contender. Rows in which no
// contender has a figure are left out.
func Table(figures []Figures) string {
	var out strings.Builder
	for i, scenario := range scenarioNames(figures) {
		if i > 0 {
			out.WriteByte('\n')
		}
		var block []Figures
		for _, f := range figures {
			if f.Scenario == scenario {
				block = append(block, f)
			}
		}
		writeBlock(&out, scenario, block)
	}
	return out.String()
}

func scenarioNames(figures []Figures) []string {
	var names []string
	seen := make(map[string]bool)
	for _, f := range figures {
		if !seen[f.Scenario] {
			seen[f.Scenario] = true
			names = append(names, f.Scenario)
		}
	}
	return names
}

func writeBlock(out *strings.Builder, scenario string, block []Figures) {
	lines := [][]string{{scenario}}
	for i := range block {
		lines[0] = append(lines[0], block[i].Contender)
	}
	for _, r := range rows {
		line, measured := []string{r.label}, false
		for i := range block {
			text := r.text(&block[i])
			line = append(line, text)
			measured = measured || text != "-"
		}
		if measured {
			lines = append(lines, line)
		}
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				text.WriteString(cell + pad)
			} else {
				text.WriteString("  " + pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(text.String(), " ") + "\n")
		if n == 0 {
			total := widths[0]
			for _, w := range widths[1:] {
				total += 2 + w
			}
			out.WriteString(strings.Repeat("-", total) + "\n")
		}
	}
}
