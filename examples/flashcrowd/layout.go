package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// span is a piece of a line in one style.
type span struct{ style, text string }

const (
	styleBold  = "\x1b[1m"
	styleDim   = "\x1b[2m"
	styleSpike = "\x1b[1;31m"
)

// barStyles by priority, highest first: about the colours of the picture.
var barStyles = [seawall.NumPriorities]string{"\x1b[34m", "\x1b[36m", "\x1b[33m", "\x1b[90m"}

// layout says how the columns of the screen share its width.
type layout struct {
	priorities []seawall.Priority
	bar        int // cells of a bar; 0 is none
}

// Widths of the columns, the space before them included.
const (
	wideName  = 10
	wideTime  = 8
	widePhase = 8
	wideRate  = 10
	widePct   = 6
	widePlain = 11 // a priority without a bar: "  sheddable"
	maxBar    = 12
	minBar    = 3
)

func newLayout(width int, priorities []seawall.Priority) layout {
	room := width - 1 - wideName - wideTime - widePhase - 2*wideRate
	bar := min(maxBar, room/len(priorities)-widePct-2)
	if bar < minBar {
		bar = 0
	}
	return layout{priorities, bar}
}

// cell is the width of a priority's column.
func (l layout) cell() int { return max(widePlain, 2+l.bar+widePct) }

func (l layout) head() []span {
	var text strings.Builder
	text.WriteString(right("time", wideName+wideTime) + left("", widePhase) + right("offered/s", wideRate) + right("served/s", wideRate))
	for _, p := range l.priorities {
		text.WriteString(left("  "+p.String(), l.cell()))
	}
	return []span{{styleDim, strings.TrimRight(text.String(), " ")}}
}

func (l layout) row(r row) []span {
	name := left("  "+r.contender, wideName)
	if r.state == waiting {
		return []span{{styleDim, name + right("waiting", wideTime)}}
	}
	at := fmt.Sprintf("%.1f s", r.now.at.Seconds())
	if r.state == finished {
		at = "done"
	}
	phase := span{"", left("  "+r.now.phase, widePhase)}
	if r.now.phase == duringSpike {
		phase.style = styleSpike
	}
	spans := []span{
		{styleBold, name},
		{"", right(at, wideTime)},
		phase,
		{"", right(thousands(r.now.offered), wideRate) + right(thousands(r.now.served), wideRate)},
	}
	for _, p := range l.priorities {
		i := int(seawall.Critical - p)
		pct := number(r.now.success[i], whole)
		if l.bar == 0 {
			spans = append(spans, span{"", right(pct, l.cell())})
			continue
		}
		spans = append(spans,
			span{"", "  "},
			span{barStyles[i], bar(r.now.success[i], l.bar)},
			span{"", left(right(pct, widePct), l.cell()-2-l.bar)})
	}
	return spans
}

// bar draws a share in eighths of a cell.
func bar(share spike.Number, cells int) string {
	v := min(max(float64(share), 0), 1)
	if math.IsNaN(v) {
		v = 0
	}
	eighths := int(math.Round(v * float64(cells*8)))
	text := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return text + strings.Repeat("░", cells-utf8.RuneCountInString(text))
}

func left(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

func right(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}
