package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/seawall-go/seawall"

	stdfont "golang.org/x/image/font"
)

func rgb(hex uint32) color.Color {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

// Colours that can be told apart without red and green, on white.
var (
	inkColor   = rgb(0x24292f)
	quietInk   = rgb(0x6e7781)
	gridColor  = rgb(0xe4e7eb)
	spikeColor = rgb(0xfdf1e3)

	// Highest priority first.
	priorityColors = [seawall.NumPriorities]color.Color{rgb(0x0b4f8a), rgb(0x2a9d8f), rgb(0xe9b44c), rgb(0xb0b7bf)}
)

// Lines of the left panels.
var (
	capacityStyle = draw.LineStyle{Color: inkColor, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
	offeredStyle  = draw.LineStyle{Color: quietInk, Width: vg.Points(0.8)}
)

// style is a text style in the one family of the picture.
func style(size float64, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = stdfont.WeightBold
	}
	return text.Style{Color: c, Font: font.From(f, vg.Points(size)), Handler: plot.DefaultTextHandler}
}

// svgFamily is what the library writes, svgFamilies what is wanted: a picture
// is looked at on machines that do not have these fonts.
const (
	svgFamily   = "font-family:Liberation Sans;"
	svgFamilies = "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"
)
