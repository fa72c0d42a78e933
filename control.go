package seawall

import (
	"context"
	"time"
)

// Snapshotter is a component that can be asked how it is. Events alone never
// show the state before the first change.
type Snapshotter interface {
	Snapshot() Snapshot
}

// Snapshot is the state of one component at one moment, in a form that a
// metrics exporter, a debug page or a log line can use without knowing the
// component.
type Snapshot struct {
	// Component is the package, Name the instance.
	Component string    `json:"component"`
	Name      string    `json:"name"`
	At        time.Time `json:"at"`
	// State is one word from the component's own small set.
	State   string   `json:"state"`
	DryRun  bool     `json:"dry_run,omitempty"`
	Metrics []Metric `json:"metrics"`
	// Detail is the component's own typed statistics, for people.
	Detail any `json:"detail,omitempty"`
}

// Metric is one number of a Snapshot. Names are snake_case with the unit last
// ("wait_seconds", "admitted_total"); the exporter puts seawall_ and the
// component in front.
type Metric struct {
	Name string     `json:"name"`
	Kind MetricKind `json:"kind"`
	// Labels have values from small fixed sets.
	Labels []Label `json:"labels,omitempty"`
	Value  float64 `json:"value"`
}

// Label is one name and value of a Metric.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// MetricKind tells a number that goes up and down from one that only grows.
type MetricKind string

// The kinds.
const (
	Gauge   MetricKind = "gauge"
	Counter MetricKind = "counter"
)

// Controllable is a component that an operator may override while it runs.
type Controllable interface {
	Snapshotter
	// Controls lists what can be overridden, with its present value.
	Controls() []Control
	// Override applies one, or returns an error that names the control and
	// the value.
	Override(context.Context, Override) error
}

// Control is one thing an operator may set.
type Control struct {
	// Name is a word such as "limit"; Help says in one line what it does.
	Name string `json:"name"`
	Help string `json:"help"`
	// Value is what is in force now.
	Value string `json:"value"`
	// Options are the values allowed; none means a number.
	Options []string `json:"options,omitempty"`
	// Overridden says that an operator has set it, and Until when that ends
	// by itself (zero: it does not).
	Overridden bool      `json:"overridden"`
	Until      time.Time `json:"until,omitzero"`
	// By and Why are what the Override said.
	By  string `json:"by,omitempty"`
	Why string `json:"why,omitempty"`
}

// Override sets a control for a while. What is forgotten at 3 a.m. should end
// by itself: give For.
type Override struct {
	Control string `json:"control"`
	// Value to set; empty takes the override back.
	Value string `json:"value"`
	// For is how long; zero is until taken back.
	For time.Duration `json:"for_ns,omitempty"`
	// By and Why are kept for the others on call.
	By  string `json:"by,omitempty"`
	Why string `json:"why,omitempty"`
}
