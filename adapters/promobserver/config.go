package promobserver

import (
	"fmt"
	"math"
	"slices"
)

// Config sets up an Observer. The zero value is a good one.
type Config struct {
	// Routes are the values of the label route; whatever else an event says
	// is "other". At most 500, and each multiplies the number of series.
	// Default none: there is no such label.
	Routes []string
	// MaxInstances is how many pairs of component and name are told apart;
	// more are counted as "other". Each takes 8 KiB beside its series.
	// At most 10,000. Default 100.
	MaxInstances int
	// Buckets are the upper bounds of seawall_wait_seconds, in seconds, for
	// servers that do not ask for native histograms; at most 100. Default from
	// 1 ms to 5 s, in twelve steps.
	Buckets []float64
}

var defaultBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}

// resolve returns the configuration with its defaults filled in, or an error
// that names the field and the value.
func (c Config) resolve() (Config, error) {
	if len(c.Routes) > 500 {
		return c, fmt.Errorf("seawall/promobserver: Routes must be at most 500 (got %d)", len(c.Routes))
	}
	for i, route := range c.Routes {
		if route == "" || route != label(route) {
			return c, fmt.Errorf("seawall/promobserver: Routes[%d] must be 1 to %d bytes of UTF-8 (got %.64q)", i, maxLabel, route)
		}
		if slices.Contains(c.Routes[:i], route) {
			return c, fmt.Errorf("seawall/promobserver: Routes[%d] must not be there twice (got %.64q)", i, route)
		}
	}
	switch {
	case c.MaxInstances == 0:
		c.MaxInstances = 100
	case c.MaxInstances < 1 || c.MaxInstances > 10_000:
		return c, fmt.Errorf("seawall/promobserver: MaxInstances must be between 1 and 10000 (got %d)", c.MaxInstances)
	}
	if len(c.Buckets) == 0 {
		c.Buckets = defaultBuckets
	}
	if len(c.Buckets) > 100 {
		return c, fmt.Errorf("seawall/promobserver: Buckets must be at most 100 (got %d)", len(c.Buckets))
	}
	before := 0.0
	for i, b := range c.Buckets {
		if !(b > before) || math.IsInf(b, 0) { // NaN is not greater than anything
			return c, fmt.Errorf("seawall/promobserver: Buckets[%d] must be finite and above %g (got %g)", i, before, b)
		}
		before = b
	}
	c.Routes, c.Buckets = slices.Clone(c.Routes), slices.Clone(c.Buckets)
	return c, nil
}
