package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// drawHead writes title and legend.
func drawHead(c draw.Canvas, b *block) {
	x, y := c.Min.X+vg.Points(margin), c.Max.Y-vg.Points(24)
	c.FillText(style(14, inkColor, true), vg.Point{X: x, Y: y}, headline(b.Scenario))
	y -= vg.Points(16)
	c.FillText(style(9.5, quietInk, false), vg.Point{X: x, Y: y},
		"Real servers on loopback sockets, behind each a backend of "+describe(b.Scenario.Backend)+
			". Each is sent the same crowd. Figures are of the shaded time.")
	y -= vg.Points(19)
	l := legend{c, x, y, style(9.5, inkColor, false)}
	for _, p := range shown(b.Scenario) {
		l.box(priorityColors[seawall.Critical-p], title(p))
	}
	l.line(capacityStyle, "capacity")
	l.line(offeredStyle, "asked for")
}

func headline(sc spike.Scenario) string {
	return strings.ToUpper(sc.Title[:1]) + sc.Title[1:] + ": a backend for " + thousands(sc.Backend.Capacity()) +
		" requests a second is asked for " + thousands(sc.Load.Profile.Peak())
}

func title(p seawall.Priority) string {
	switch p {
	case seawall.Critical:
		return "Critical (logins, payments)"
	case seawall.Normal:
		return "Normal (feed)"
	case seawall.Sheddable:
		return "Sheddable (recommendations)"
	default:
		return "Background"
	}
}

// legend writes entries from left to right.
type legend struct {
	c     draw.Canvas
	x, y  vg.Length
	words draw.TextStyle
}

func (l *legend) box(c interface{ RGBA() (r, g, b, a uint32) }, name string) {
	const size = 8
	x, y := l.x+vg.Points(size), l.y+vg.Points(size)
	l.c.FillPolygon(c, []vg.Point{{X: l.x, Y: l.y}, {X: x, Y: l.y}, {X: x, Y: y}, {X: l.x, Y: y}})
	l.x += vg.Points(size + 4)
	l.name(name)
}

func (l *legend) line(s draw.LineStyle, name string) {
	const length = 20
	l.c.StrokeLine2(s, l.x, l.y+vg.Points(3.5), l.x+vg.Points(length), l.y+vg.Points(3.5))
	l.x += vg.Points(length + 5)
	l.name(name)
}

// name leaves room: the reader's font may be a wider one.
func (l *legend) name(text string) {
	l.c.FillText(l.words, vg.Point{X: l.x, Y: l.y}, text)
	l.x += 1.12*l.words.Width(text) + vg.Points(12)
}

// drawName writes above a row who it is.
func drawName(c draw.Canvas, at vg.Point, sc spike.Scenario, r *result) {
	name := style(11, inkColor, true)
	c.FillText(name, at, r.Contender)
	at.X += 1.12*name.Width(r.Contender) + vg.Points(8)
	text := about(r.Contender)
	if limit, ok := foundLimit(sc, &r.Runs[0]); ok && r.Contender == seawallName {
		text += "; let at most " + strconv.Itoa(limit) + " in"
	}
	c.FillText(style(9.5, quietInk, false), at, text)
}

// drawFigures writes above a row what it came to.
func drawFigures(c draw.Canvas, at vg.Point, r *result) {
	f := r.Runs[0].Figures
	c.FillText(style(9.5, inkColor, true), at, "goodput "+number(f.Goodput, percent)+", Critical "+number(f.Critical, percent)+
		", journeys finished "+number(f.Journeys, percent))
}

func about(name string) string {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		return ""
	}
	return contenders[i].about
}

// askedFor tells what the panel cannot show, "" when it shows it all.
func askedFor(sc spike.Scenario, r *run, top float64) string {
	asked := inSpike(sc, r).offered
	if !(asked > top) {
		return ""
	}
	return "asked for: " + thousands(asked) + " per second"
}

// foundLimit is the median of the limit in the spike.
func foundLimit(sc spike.Scenario, r *run) (int, bool) {
	var limits []int
	for _, l := range r.Looks {
		if l.At >= sc.Start+time.Second && l.At < sc.End {
			limits = append(limits, l.Limit)
		}
	}
	if len(limits) == 0 {
		return 0, false
	}
	slices.Sort(limits)
	return limits[len(limits)/2], true
}

// secondTicks marks round seconds, about seven of them.
func secondTicks(end float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(end/5)))
	for _, by := range []float64{2, 2.5} { // 1, 2, 5, 10
		if end/step > 8 {
			step *= by
		}
	}
	var ticks []plot.Tick
	for i := 0; float64(i)*step <= end*(1+1e-9); i++ {
		v := float64(i) * step
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
	}
	return ticks
}
