package main

import (
	"bytes"
	"fmt"
	"html"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// Sizes of the picture, in points.
const (
	pictureWidth = 760
	headHeight   = 66
	rowHeight    = 158
	footHeight   = 6
	captionSpace = 22 // above the panels of a row
	margin       = 12
)

// drawBlock draws a scenario: for each contender a row of two panels, what was
// served and who was served. It shows the crowd of the first seed.
func drawBlock(b *block) ([]byte, error) {
	rows := len(b.Results)
	height := vg.Points(headHeight + float64(rows)*rowHeight + footHeight)
	canvas := vgsvg.New(vg.Points(pictureWidth), height)
	dc := draw.New(canvas)
	fill(dc, rgb(0xffffff))
	drawHead(dc, b)

	panels := make([][]*plot.Plot, rows)
	top := axisTop(b)
	for i := range b.Results {
		last := i == rows-1
		left, err := servedPanel(b.Scenario, &b.Results[i].Runs[0], top, last)
		if err != nil {
			return nil, err
		}
		panels[i] = []*plot.Plot{left, successPanel(b.Scenario, &b.Results[i].Runs[0], last)}
	}
	tiles := draw.Tiles{
		Rows: rows, Cols: 2, PadX: vg.Points(16), PadY: vg.Points(captionSpace),
		PadTop: vg.Points(headHeight + captionSpace), PadBottom: vg.Points(footHeight), PadLeft: vg.Points(margin), PadRight: vg.Points(margin),
	}
	spaces := plot.Align(panels, tiles, dc)
	for i := range panels {
		for j := range panels[i] {
			panels[i][j].Draw(spaces[i][j])
		}
		top := spaces[i][0].Max.Y + vg.Points(6)
		drawName(dc, vg.Point{X: panels[i][0].DataCanvas(spaces[i][0]).Min.X, Y: top}, b.Scenario, &b.Results[i])
		drawFigures(dc, vg.Point{X: panels[i][1].DataCanvas(spaces[i][1]).Min.X, Y: top}, &b.Results[i])
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("flashcrowd: picture: %w", err)
	}
	return finish(out.Bytes(), headline(b.Scenario)), nil
}

// finish gives the picture fonts that every machine has something like, and a
// title for those who do not see it.
func finish(svg []byte, title string) []byte {
	svg = bytes.ReplaceAll(svg, []byte(svgFamily), []byte(svgFamilies))
	return bytes.Replace(svg, []byte("<g "), []byte("<title>"+html.EscapeString(title)+"</title>\n<g "), 1)
}

// axisTop leaves room above the capacity, and cuts off what the spike asks for:
// drawn to scale, all else would be flat.
func axisTop(b *block) float64 {
	top := 1.35 * b.Scenario.Backend.Capacity()
	for i := range b.Results {
		lines := stacked(&b.Results[i].Runs[0])
		for _, xy := range lines[len(lines)-1] {
			top = max(top, 1.1*xy.Y)
		}
	}
	return top
}

func servedPanel(sc spike.Scenario, r *run, top float64, last bool) (*plot.Plot, error) {
	p := newPanel(sc, "answers per second", top, last)
	p.Add(shade{sc.Start.Seconds(), sc.End.Seconds()}, grid())
	lines := stacked(r)
	for i := range seawall.NumPriorities {
		area, err := plotter.NewPolygon(between(lines[i], lines[i+1]))
		if err != nil {
			return nil, fmt.Errorf("flashcrowd: picture: %w", err)
		}
		area.Color, area.LineStyle.Width = priorityColors[i], 0
		p.Add(area)
	}
	offered := &plotter.Line{XYs: offeredLine(r), LineStyle: offeredStyle}
	capacity := &plotter.Line{XYs: capacityLine(sc), LineStyle: capacityStyle}
	p.Add(clipped{offered}, clipped{capacity})
	if text := askedFor(sc, r, top); text != "" {
		p.Add(remark{(sc.Start + sc.End).Seconds() / 2, text})
	}
	pin(p, sc, top)
	return p, nil
}

func successPanel(sc spike.Scenario, r *run, last bool) *plot.Plot {
	const top = 108 // so that a line at 100 is not cut in half
	p := newPanel(sc, "success, %", top, last)
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 25}, {Value: 50, Label: "50"}, {Value: 75}, {Value: 100, Label: "100"}}
	p.Add(shade{sc.Start.Seconds(), sc.End.Seconds()}, grid())
	for i := seawall.NumPriorities - 1; i >= 0; i-- { // the highest on top
		line := successLine(r, i)
		if len(line) == 0 {
			continue
		}
		p.Add(clipped{&plotter.Line{XYs: line, LineStyle: draw.LineStyle{Color: priorityColors[i], Width: vg.Points(1.8)}}})
	}
	pin(p, sc, top)
	return p
}

func newPanel(sc spike.Scenario, label string, top float64, last bool) *plot.Plot {
	p := plot.New()
	pin(p, sc, top)
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = 0
		axis.LineStyle.Color = quietInk
		axis.Tick.LineStyle.Color = quietInk
		axis.Tick.Length = vg.Points(3)
		at := axis.Tick.Label
		axis.Tick.Label = style(8.5, quietInk, false)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = at.XAlign, at.YAlign
		at = axis.Label.TextStyle
		axis.Label.TextStyle = style(8.5, quietInk, false)
		axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = at.XAlign, at.YAlign
		axis.Label.Padding = vg.Points(3)
	}
	p.X.Tick.Marker = plot.ConstantTicks(secondTicks(sc.Load.Duration.Seconds()))
	p.Y.Label.Text = label
	if last {
		p.X.Label.Text = "seconds"
	}
	return p
}

// pin sets the ranges: what is added to a panel widens them.
func pin(p *plot.Plot, sc spike.Scenario, top float64) {
	p.X.Min, p.X.Max = 0, sc.Load.Duration.Seconds()
	p.Y.Min, p.Y.Max = 0, top
}

func grid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal = draw.LineStyle{Color: gridColor, Width: vg.Points(0.5)}
	return g
}

// shade colours the spike.
type shade struct{ from, to float64 }

// Plot implements plot.Plotter.
func (s shade) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	from, to := max(x(s.from), c.Min.X), min(x(s.to), c.Max.X)
	c.FillPolygon(spikeColor, []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
}

// clipped is a line without a say in the range of its panel.
type clipped struct{ line *plotter.Line }

// Plot implements plot.Plotter.
func (l clipped) Plot(c draw.Canvas, p *plot.Plot) { l.line.Plot(c, p) }

// remark is a word at the top of a panel.
type remark struct {
	x    float64
	text string
}

// Plot implements plot.Plotter.
func (m remark) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	words := style(8.5, quietInk, false)
	words.XAlign, words.YAlign = draw.XCenter, draw.YTop
	c.FillText(words, vg.Point{X: x(m.x), Y: c.Max.Y - vg.Points(3)}, m.text)
}

func fill(c draw.Canvas, with interface{ RGBA() (r, g, b, a uint32) }) {
	c.SetColor(with)
	c.Fill(c.Rectangle.Path())
}
