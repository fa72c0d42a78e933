package promobserver

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seawall-go/seawall"
)

const (
	// maxSnapshotters, maxMetrics and maxLabels bound a scrape: components,
	// numbers of one component, and labels of one number.
	maxSnapshotters = 1000
	maxMetrics      = 1000
	maxLabels       = 32

	nameSkipped = "seawall_scrape_skipped_total"
)

// Why a scrape left something out.
const (
	causePanic     = "panic"     // a component's Snapshot
	causeDuplicate = "duplicate" // the same name and labels again
	causeInvalid   = "invalid"   // a counter below zero, a label twice
	causeLimit     = "limit"     // more than maxMetrics numbers of a component
)

// Collector asks components for their Snapshot when it is scraped. Register it
// like any other prometheus.Collector, but only one in a registry: it takes any
// number of components.
//
// A metric becomes seawall_<component>_<metric> with the label name, the
// instance, beside its own labels. If metrics of one name have different
// labels, each gets all of them, empty where it had none. Values that are not
// a number are left out. Nothing that a component does wrong fails the scrape:
// what cannot be shown is counted in seawall_scrape_skipped_total.
type Collector struct {
	skipped *prometheus.CounterVec

	mu  sync.Mutex
	all []seawall.Snapshotter
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a Collector of these components, or the error of Add.
func NewCollector(snapshotters ...seawall.Snapshotter) (*Collector, error) {
	c := &Collector{skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: nameSkipped, Help: "What scrapes had to leave out.",
	}, []string{"cause"})}
	for _, cause := range []string{causePanic, causeDuplicate, causeInvalid, causeLimit} {
		c.skipped.WithLabelValues(cause) // a series that appears with 1 raises no alarm
	}
	if err := c.Add(snapshotters...); err != nil {
		return nil, err
	}
	return c, nil
}

// Add adds components; those it has already are skipped. It adds none and
// returns an error if one is nil or of a type that cannot be compared, or if
// there would be more than 1000.
func (c *Collector) Add(snapshotters ...seawall.Snapshotter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.all)
	for i, s := range snapshotters {
		if v := reflect.ValueOf(s); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return fmt.Errorf("seawall/promobserver: Snapshotter %d must not be nil", i)
		} else if !v.Comparable() {
			return fmt.Errorf("seawall/promobserver: Snapshotter %d must be comparable, such as a pointer (got %T)", i, s)
		}
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if len(all) > maxSnapshotters {
		return fmt.Errorf("seawall/promobserver: Snapshotters must be at most %d (got %d)", maxSnapshotters, len(all))
	}
	c.all = all
	return nil
}

// Remove takes components out again, such as those that have been closed.
func (c *Collector) Remove(snapshotters ...seawall.Snapshotter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []seawall.Snapshotter
	for _, s := range c.all {
		if !slices.ContainsFunc(snapshotters, func(gone seawall.Snapshotter) bool {
			return gone != nil && reflect.TypeOf(gone).Comparable() && gone == s
		}) {
			kept = append(kept, s)
		}
	}
	c.all = kept
}

// Describe implements prometheus.Collector. It names nothing: what components
// have to tell is known only when they are asked.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	all := c.all
	c.mu.Unlock()
	var p page
	for _, s := range all {
		snapshot, err := ask(s)
		if err != nil {
			p.skip(causePanic)
			continue
		}
		p.add(snapshot)
	}
	p.write(ch)
	for cause, n := range p.skipped {
		c.skipped.WithLabelValues(cause).Add(float64(n))
	}
	c.skipped.Collect(ch)
}

var errPanicked = errors.New("seawall/promobserver: Snapshot panicked")

// ask survives a panic: the state of one component must not cost that of all
// others, least of all when something is wrong.
func ask(s seawall.Snapshotter) (snapshot seawall.Snapshot, err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return s.Snapshot(), nil
}
