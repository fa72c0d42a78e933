package shed

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/seawall-go/seawall"
)

// Config sets up a Shedder. The zero value is a good one: the capacity is
// found, not configured.
type Config struct {
	// Name tells this instance from others in events and on pages. Default
	// "default".
	Name string
	// Classify tells the class of a request to Middleware. Default: every
	// request Normal, users told apart by client address.
	Classify seawall.Classifier
	// Budget is how long a client waits for its answer before it gives up:
	// the limit never grows to where a request would spend more than half of
	// it in the handler. Default 1 s, or ten times what the work takes in calm
	// if that is more (up to a minute).
	Budget time.Duration
	// CriticalWait, NormalWait and SheddableWait bound how long a request may
	// wait for a seat, by its priority (Background as Sheddable). Off refuses
	// at once. Defaults 200, 100 and 50 ms.
	CriticalWait, NormalWait, SheddableWait time.Duration
	// MinLimit and MaxLimit bound the limit, in seats: requests in flight, each
	// as often as its Class.Cost. Defaults 4 and 10,000.
	MinLimit, MaxLimit int
	// RunQueue is how many goroutines may wait for each processor, over a tick
	// or two, before requests are refused for that: a server that computes is
	// full when its processors are, which neither latencies nor the number inside
	// tell. Default 8. Off does not look.
	RunQueue int
	// SlowStart is for instances that start with cold caches: for that long after
	// the first request the limit's maximum rises evenly from MinLimit to 32.
	// Default Off: it is 32 from the first request on.
	SlowStart time.Duration
	// Sticky is how long the order of users within a priority stays as it is
	// for a user. Who is served goes on being served, so that journeys of
	// several requests finish; afterwards the dice are thrown again. At least
	// 30 s, the longest Retry-After. Default 5 min.
	Sticky time.Duration
	// DryRun decides, counts and reports, but refuses nobody and lets nobody
	// wait. Default false.
	DryRun bool
	// TellFloor says who is told from which priority and cohort on requests are
	// refused at the door, in the field Seawall-Floor of each response while there
	// is such a floor: services of your own with a Transport, which then do not
	// send what would be refused. See seawall.FromPeers. Nobody else should know,
	// so let nothing that passes responses on for others be told. Default nobody.
	TellFloor func(*http.Request) bool
	// Observer is told of every decision, of each change of state and of the
	// limit. Default none.
	Observer seawall.Observer
	// Respond writes refusals in Middleware. Default seawall.Respond.
	Respond seawall.Responder

	patient bool // Budget was not given
}

// patienceFactor is how many times what its work usually takes a client waits who
// has not said for how long.
const patienceFactor = 10

const minSticky = 30 * time.Second

// resolve returns the configuration with its defaults filled in, or an error
// that names the field and the value.
func (c Config) resolve() (Config, error) {
	c.patient = c.Budget == 0
	durations := []struct {
		name     string
		v        *time.Duration
		fallback time.Duration
		off      bool
	}{
		{"Budget", &c.Budget, time.Second, false},
		{"CriticalWait", &c.CriticalWait, 200 * time.Millisecond, true},
		{"NormalWait", &c.NormalWait, 100 * time.Millisecond, true},
		{"SheddableWait", &c.SheddableWait, 50 * time.Millisecond, true},
		{"SlowStart", &c.SlowStart, 0, true},
		{"Sticky", &c.Sticky, 5 * time.Minute, false},
	}
	for _, d := range durations {
		switch {
		case *d.v == 0:
			*d.v = d.fallback
		case *d.v == seawall.Off && d.off:
			*d.v = 0
		case *d.v < 0:
			return c, fmt.Errorf("seawall/shed: %s must be positive (got %v)", d.name, *d.v)
		case *d.v > 24*time.Hour:
			return c, fmt.Errorf("seawall/shed: %s must be at most 24h (got %v)", d.name, *d.v)
		}
	}
	if c.Budget < 10*time.Millisecond {
		return c, fmt.Errorf("seawall/shed: Budget must be at least 10ms (got %v)", c.Budget)
	}
	if c.Sticky < minSticky {
		return c, fmt.Errorf("seawall/shed: Sticky must be at least %v, the longest Retry-After (got %v)", minSticky, c.Sticky)
	}
	switch {
	case c.RunQueue == 0:
		c.RunQueue = 8
	case c.RunQueue == seawall.Off:
		c.RunQueue = 0
	case c.RunQueue < 0 || c.RunQueue > 1_000_000:
		return c, fmt.Errorf("seawall/shed: RunQueue must be positive and at most 1000000 (got %d)", c.RunQueue)
	}
	if c.MinLimit == 0 {
		c.MinLimit = 4
	}
	if c.MaxLimit == 0 {
		c.MaxLimit = 10_000
	}
	if c.MinLimit < 1 {
		return c, fmt.Errorf("seawall/shed: MinLimit must be positive (got %d)", c.MinLimit)
	}
	if c.MaxLimit < c.MinLimit {
		return c, fmt.Errorf("seawall/shed: MaxLimit must be at least MinLimit, %d (got %d)", c.MinLimit, c.MaxLimit)
	}
	if c.MaxLimit > math.MaxInt32/16 {
		return c, fmt.Errorf("seawall/shed: MaxLimit must be at most %d (got %d)", math.MaxInt32/16, c.MaxLimit)
	}
	if c.Name == "" {
		c.Name = "default"
	}
	if c.Respond == nil {
		c.Respond = seawall.Respond
	}
	if c.Classify == nil {
		classify, err := seawall.NewClassifier(seawall.ClassifierConfig{})
		if err != nil {
			return c, err
		}
		c.Classify = classify
	}
	return c, nil
}

// waitOf is how long a priority may wait.
func (c *Config) waitOf(p seawall.Priority) time.Duration {
	switch p {
	case seawall.Critical:
		return c.CriticalWait
	case seawall.Normal:
		return c.NormalWait
	default:
		return c.SheddableWait
	}
}
