package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// contender is one way to stand before a backend.
type contender struct {
	name  string
	about string
	// knows: it is told the capacity. These are shown, but nobody is first
	// among those who had to find it out.
	knows bool
	build func(spike.Scenario) (*guard, error)
}

// guard is a contender for one run.
type guard struct {
	middleware func(http.Handler) http.Handler
	// listener, when not nil, stands before the server's own.
	listener func(net.Listener) net.Listener
	// oneRequest: a connection carries one request.
	oneRequest bool
	// oracle, when not nil, is told when slots are lost and come back.
	oracle *spike.Oracle
	// close, when not nil, ends what build has started.
	close func()
}

const (
	seawallName = "seawall"
	oracleName  = "oracle"
)

// contenders in the order in which they run and are shown.
var contenders = []contender{
	{"bare", "nothing in front of the backend", false, newBare},
	{seawallName, "shed, its defaults", false, newSeawall},
	{"failsafe", "failsafe-go adaptive limiter, its defaults", false, newFailsafe},
	{"failsafe-prio", "failsafe-go prioritized limiter, as documented: calibrated every second", false, newFailsafePrio},
	{"failsafe-tuned", "the same, tuned: wider limits, an earlier threshold, bounded waits, calibrated every 100 ms", false, newFailsafeTuned},
	{"gozero", "go-zero adaptive shedder, as its REST server: CPU threshold 90 %", false, newGozero},
	{"kratos", "kratos aegis BBR limiter, its defaults: CPU threshold 80 %", false, newKratos},
	{"rate", "x/time/rate, told the capacity: that many requests a second", true, newRate},
	{"conns", "x/net/netutil.LimitListener, told the capacity: as many connections as slots", true, newConns},
	{oracleName, "a gate that knows the capacity: about the best there can be", true, newOracle},
}

func newBare(spike.Scenario) (*guard, error) {
	return &guard{middleware: seawall.Chain()}, nil
}

// newSeawall is what a user would write: which route is how important, and
// where the session is found.
func newSeawall(spike.Scenario) (*guard, error) {
	routes := map[string]seawall.Class{}
	for _, p := range seawall.Priorities() {
		routes["/"+p.String()] = seawall.Class{Priority: p}
	}
	classify, err := seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: routes,
		User:   seawall.Identity{Cookie: "session"},
	})
	if err != nil {
		return nil, fmt.Errorf("seawall: %w", err)
	}
	shedder, err := shed.New(shed.Config{Classify: classify})
	if err != nil {
		return nil, fmt.Errorf("seawall: %w", err)
	}
	return &guard{middleware: shedder.Middleware}, nil
}

func newOracle(sc spike.Scenario) (*guard, error) {
	oracle, err := spike.NewOracle(spike.OracleConfig{Slots: sc.Backend.Slots, Seed: sc.Load.Seed})
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	return &guard{middleware: oracle.Middleware(nil, nil), oracle: oracle}, nil
}

// pickContenders reads -contenders; all of them when it is empty.
func pickContenders(names string) ([]contender, error) {
	if names == "" {
		return contenders, nil
	}
	asked := strings.Split(names, ",")
	for i, name := range asked {
		if !slices.ContainsFunc(contenders, func(c contender) bool { return c.name == name }) {
			var known []string
			for _, c := range contenders {
				known = append(known, c.name)
			}
			return nil, fmt.Errorf("-contenders: there is no %q (there are %s)", name, strings.Join(known, ", "))
		}
		if slices.Contains(asked[:i], name) {
			return nil, fmt.Errorf("-contenders: %q twice", name)
		}
	}
	var picked []contender
	for _, c := range contenders {
		if slices.Contains(asked, c.name) {
			picked = append(picked, c)
		}
	}
	return picked, nil
}
