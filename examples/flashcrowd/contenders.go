package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// contender is one way to stand before a backend.
type contender struct {
	name  string
	about string
	build func(spike.Scenario) (*guard, error)
}

// guard is a contender for one run.
type guard struct {
	middleware seawall.Middleware
	// look tells the state, for the record; nil when there is none to tell.
	look func() look
	// oracle, when not nil, is told when slots are lost and come back.
	oracle *spike.Oracle
}

// look is a contender's state at one moment.
type look struct {
	At       time.Duration `json:"at_ns"`
	State    string        `json:"state,omitempty"`
	Limit    int           `json:"limit"`
	InFlight int           `json:"in_flight"`
	Waiting  int           `json:"waiting"`
}

// contenders in the order in which they run.
var contenders = []contender{
	{bareName, "nothing in front of the backend", newBare},
	{seawallName, "load shedding, the capacity unknown to it", newSeawall},
	{oracleName, "a gate that knows the capacity: about the best there can be", newOracle},
}

const (
	bareName    = "bare"
	seawallName = "seawall"
	oracleName  = "oracle"
)

func newBare(spike.Scenario) (*guard, error) {
	return &guard{middleware: seawall.Chain()}, nil
}

// newSeawall is what a user would write: which route is how important, and
// where the session is found. Of the scenario it is told the routes, as a user's
// own mux has them, and nothing else.
func newSeawall(sc spike.Scenario) (*guard, error) {
	routes := map[string]seawall.Class{}
	for _, p := range seawall.Priorities() {
		routes["/"+p.String()] = seawall.Class{Priority: p}
		for i := range sc.Load.Routes {
			route := fmt.Sprintf("r%d", i)
			routes["/"+p.String()+"/"+route] = seawall.Class{Priority: p, Route: route}
		}
	}
	classify, err := seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: routes,
		User:   seawall.Identity{Cookie: "session"},
	})
	if err != nil {
		return nil, fmt.Errorf("flashcrowd: %w", err)
	}
	shedder, err := shed.New(shed.Config{Classify: classify})
	if err != nil {
		return nil, fmt.Errorf("flashcrowd: %w", err)
	}
	return &guard{
		middleware: shedder.Middleware,
		look: func() look {
			s := shedder.Stats()
			return look{State: s.State, Limit: s.Limit, InFlight: s.InFlight, Waiting: s.Waiting}
		},
	}, nil
}

func newOracle(sc spike.Scenario) (*guard, error) {
	slots := sc.Backend.Slots
	oracle, err := spike.NewOracle(spike.OracleConfig{Slots: slots, Seed: sc.Load.Seed})
	if err != nil {
		return nil, fmt.Errorf("flashcrowd: %w", err)
	}
	return &guard{
		middleware: oracle.Middleware(nil, nil),
		oracle:     oracle,
		look: func() look {
			inside, waiting := oracle.Load()
			return look{Limit: slots, InFlight: inside, Waiting: waiting}
		},
	}, nil
}

func pickContenders(names string) ([]contender, error) {
	asked := strings.Split(names, ",")
	for i, name := range asked {
		known := slices.ContainsFunc(contenders, func(c contender) bool { return c.name == name })
		if !known {
			return nil, fmt.Errorf("-contenders: there is no %q (there are bare, seawall and oracle)", name)
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
