package shed

import (
	"fmt"
	"net/http"
	"time"

	"github.com/seawall-go/seawall"
)

// TransportConfig sets up a Transport. The zero value is a good one.
type TransportConfig struct {
	// Base sends the requests. Default http.DefaultTransport.
	Base http.RoundTripper
	// Name tells this instance from others in events, errors and on pages.
	// Default "outbound".
	Name string
	// Classify tells the class of a request. Default: that of the request it is
	// made for, by seawall.ClassFrom on its context; without one Normal, of
	// nobody known.
	Classify func(*http.Request) seawall.Class
	// Sticky must be what Config.Sticky is at the hosts, so that both agree on
	// who is served. At least 30 s. Default 5 min.
	Sticky time.Duration
	// K is how many requests are sent for each one that a host accepts, if it
	// tells no floor and refuses or fails the rest. For Sheddable and Background
	// it is 0.75 K, but at least 1.1. From 1.1 to 100; Off never throttles.
	// Default 2.
	K float64
	// Window is how long an answer counts for K, from 1 s to 1 h. Default 30 s.
	Window time.Duration
	// MaxHosts bounds the hosts that are remembered; the one that was used
	// least recently makes room. At most 65,536. Default 1024.
	MaxHosts int
	// Propagate tells the hosts the priority of each request in
	// Seawall-Priority, if its class is known, and the remaining time of its
	// context in Request-Timeout, in seconds with three decimals, unless the
	// request has these fields already. For services of your own only, which
	// believe it: see seawall.ClassifierConfig.Peers. It costs a copy of the
	// request and of its header. Default false.
	Propagate bool
	// Observer is told of every decision: Admitted is sent. Default none.
	Observer seawall.Observer
}

const (
	lowestK  = 1.1
	highestK = 100
	maxHosts = 1 << 16
)

// resolve fills in the defaults, or names the field and the value that cannot be.
func (c TransportConfig) resolve() (TransportConfig, error) {
	if c.Sticky == 0 {
		c.Sticky = 5 * time.Minute
	}
	if c.Window == 0 {
		c.Window = 30 * time.Second
	}
	if c.K == 0 {
		c.K = 2
	}
	if c.MaxHosts == 0 {
		c.MaxHosts = 1024
	}
	bad := func(field, must string, got any) error {
		return fmt.Errorf("seawall/shed: TransportConfig.%s must be %s (got %v)", field, must, got)
	}
	switch {
	case c.Sticky < minSticky || c.Sticky > 24*time.Hour:
		return c, bad("Sticky", "between 30s and 24h", c.Sticky)
	case c.Window < time.Second || c.Window > time.Hour:
		return c, bad("Window", "between 1s and 1h", c.Window)
	case c.K != seawall.Off && !(c.K >= lowestK && c.K <= highestK): // NaN, too
		return c, bad("K", "between 1.1 and 100, or Off", c.K)
	case c.MaxHosts < 1 || c.MaxHosts > maxHosts:
		return c, bad("MaxHosts", "between 1 and 65536", c.MaxHosts)
	}
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	if c.Name == "" {
		c.Name = "outbound"
	}
	return c, nil
}
