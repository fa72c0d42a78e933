package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seawall-go/seawall/spike"
)

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

// percent never rounds up to a hundred what is less, nor down to nothing what
// is more.
func percent(v float64) string {
	p := 100 * v
	switch {
	case p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p > 0 && p < 0.05:
		return "0.1 %"
	case p < 100 && p >= 99.95:
		return strconv.FormatFloat(min(p, 99.99), 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// whole is a percentage without decimals, for the live display.
func whole(v float64) string { return strconv.FormatFloat(100*v, 'f', 0, 64) + " %" }

func factor(v float64) string  { return strconv.FormatFloat(v, 'f', 2, 64) + "x" }
func seconds(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + " s" }

func points(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) + " points" }
func ratio(v float64) string  { return strconv.FormatFloat(v, 'f', 3, 64) + "x" }

// thousands writes 2790.4 as 2,790.
func thousands(v float64) string {
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	var b strings.Builder
	if v < 0 && digits != "0" {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// plural is "1 crowd" or "3 crowds".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
