package main

import (
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// stairs draws windows as they are: level within each, a jump between them. A
// line through their middles would bend the edges of a spike.
func stairs(starts []float64, width float64, values []float64) plotter.XYs {
	var xys plotter.XYs
	for i, x := range starts {
		xys = append(xys, plotter.XY{X: x, Y: values[i]}, plotter.XY{X: x + width, Y: values[i]})
	}
	return xys
}

// between is the area from one line to another above it with the same X.
func between(lower, upper plotter.XYs) plotter.XYs {
	area := append(plotter.XYs(nil), upper...)
	for i := len(lower) - 1; i >= 0; i-- {
		area = append(area, lower[i])
	}
	return area
}

// stacked are the answers in time per second: line k is the sum of the k
// highest priorities.
func stacked(r *run) [seawall.NumPriorities + 1]plotter.XYs {
	var lines [seawall.NumPriorities + 1]plotter.XYs
	starts := make([]float64, len(r.Shares))
	sums := make([]float64, len(r.Shares))
	for i := range r.Shares {
		starts[i] = r.Shares[i].At.Seconds()
	}
	lines[0] = stairs(starts, shareWidth.Seconds(), sums)
	for p := range seawall.NumPriorities {
		for i := range r.Shares {
			sums[i] += float64(r.Shares[i].Success[p]) / shareWidth.Seconds()
		}
		lines[p+1] = stairs(starts, shareWidth.Seconds(), sums)
	}
	return lines
}

// successLine is the success of a priority in percent, nil when nobody asked.
func successLine(r *run, p int) plotter.XYs {
	var starts, values []float64
	for _, s := range r.Shares {
		if s.Offered[p] > 0 {
			starts = append(starts, s.At.Seconds())
			values = append(values, 100*float64(s.Success[p])/float64(s.Offered[p]))
		}
	}
	return stairs(starts, shareWidth.Seconds(), values)
}

// offeredLine is what was asked for per second.
func offeredLine(r *run) plotter.XYs {
	var starts, values []float64
	for _, s := range r.Shares {
		sum := 0
		for _, n := range s.Offered {
			sum += n
		}
		starts, values = append(starts, s.At.Seconds()), append(values, float64(sum)/shareWidth.Seconds())
	}
	return stairs(starts, shareWidth.Seconds(), values)
}

// capacityLine is what the backend can serve per second, faults included.
func capacityLine(sc spike.Scenario) plotter.XYs {
	const step = 100 * time.Millisecond
	var xys plotter.XYs
	for at := time.Duration(0); at < sc.Load.Duration; at += step {
		c := sc.CapacityAt(at)
		xys = append(xys, plotter.XY{X: at.Seconds(), Y: c}, plotter.XY{X: (at + step).Seconds(), Y: c})
	}
	return xys
}
