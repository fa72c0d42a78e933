package promobserver

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seawall-go/seawall"
)

const (
	labelComponent = "component"
	labelInstance  = "name"
	// other is the label of what there are too many of.
	other = "other"
	// maxReasons and maxStates bound the reasons of all components together
	// and the states of one instance. The last place is that of "other".
	maxReasons = 32
	maxStates  = 16
	// maxLabel bounds a label's value, in bytes.
	maxLabel = 128

	numOutcomes   = 4 // the last is one that is not known here
	numPriorities = seawall.NumPriorities
)

// knownReasons begin the list of reasons. An admitted request has none.
var knownReasons = []string{
	"", string(seawall.Overloaded), string(seawall.RateLimited), string(seawall.CircuitOpen), string(seawall.QueueFull),
	string(seawall.TenantFull), string(seawall.Expired), string(seawall.Duplicate), string(seawall.DeadlineExceeded),
	string(seawall.Draining), string(seawall.Canceled),
}

type instanceKey struct{ component, name string }

// instance holds the series of one component and name. They are found by small
// numbers, and looked up by their labels only the first time.
type instance struct {
	component, name string // as labels
	decisions       [numOutcomes * numPriorities * 2 * maxReasons]atomic.Pointer[leaf]
	waits           [numOutcomes * numPriorities]atomic.Pointer[histogram]
}

type (
	// leaf has one counter a route, or a single one.
	leaf      struct{ routes []atomic.Pointer[counter] }
	counter   struct{ prometheus.Counter }
	histogram struct{ prometheus.Observer }
)

// instance finds or makes one. The map is copied when one is added, so that
// looking takes no lock.
func (o *Observer) instance(component, name string) *instance {
	all, key := *o.instances.Load(), instanceKey{component, name}
	in := all[key]
	if in == nil && len(all) < o.max {
		in = o.addInstance(key)
	}
	if in == nil {
		o.overName.Inc()
		return o.rest
	}
	return in
}

// addInstance returns nil if there are too many.
func (o *Observer) addInstance(key instanceKey) *instance {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := *o.instances.Load()
	if in := all[key]; in != nil || len(all) >= o.max {
		return in
	}
	in := &instance{component: label(key.component), name: label(key.name)}
	more := maps.Clone(all)
	more[key] = in
	o.instances.Store(&more)
	return in
}

// counter finds or makes the series of a decision.
func (o *Observer) counter(in *instance, outcome, priority, reason int, dry bool, route string) *counter {
	i := (outcome*numPriorities+priority)*2*maxReasons + reason
	if dry {
		i += maxReasons
	}
	l := in.decisions[i].Load()
	if l == nil {
		in.decisions[i].CompareAndSwap(nil, &leaf{routes: make([]atomic.Pointer[counter], max(1, len(o.routeNames)))})
		l = in.decisions[i].Load()
	}
	place := 0
	if o.routes != nil {
		place = o.routes[route]
	}
	if c := l.routes[place].Load(); c != nil {
		return c
	}
	values := []string{in.component, in.name, outcomeName(outcome), o.reasonName(reason), priorityName(priority), strconv.FormatBool(dry)}
	if o.routes != nil {
		values = append(values, o.routeNames[place])
	}
	c := &counter{o.decisions.WithLabelValues(values...)} // whoever comes second gets the same
	l.routes[place].Store(c)
	return c
}

// wait finds or makes the histogram of those who waited.
func (o *Observer) wait(in *instance, outcome, priority int) *histogram {
	i := outcome*numPriorities + priority
	if h := in.waits[i].Load(); h != nil {
		return h
	}
	h := &histogram{o.waits.WithLabelValues(in.component, in.name, outcomeName(outcome), priorityName(priority))}
	in.waits[i].Store(h)
	return h
}

type stateKey struct {
	in *instance
	to string
}

// state finds or makes the counter of changes to a state. They are rare: a lock
// will do.
func (o *Observer) state(in *instance, to string) prometheus.Counter {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.changes[stateKey{in, to}]; c != nil {
		return c
	}
	known := 0
	for k := range o.changes {
		if k.in == in {
			known++
		}
	}
	if known >= maxStates-1 {
		o.overState.Inc()
		return o.states.WithLabelValues(in.component, in.name, other)
	}
	c := o.states.WithLabelValues(in.component, in.name, label(to))
	o.changes[stateKey{in, to}] = c
	return c
}

// reason returns the place of a reason in the list of all.
func (o *Observer) reason(name string) int {
	all := *o.reasons.Load()
	if i := slices.Index(all, name); i >= 0 {
		return i
	}
	if len(all) < maxReasons-1 {
		o.mu.Lock()
		defer o.mu.Unlock()
		all = *o.reasons.Load()
		if i := slices.Index(all, name); i >= 0 {
			return i
		}
		if len(all) < maxReasons-1 {
			more := append(slices.Clone(all), name)
			o.reasons.Store(&more)
			return len(all)
		}
	}
	o.overReason.Inc()
	return maxReasons - 1
}

func (o *Observer) reasonName(i int) string {
	if i == maxReasons-1 {
		return other
	}
	return label((*o.reasons.Load())[i])
}

func outcomeIndex(o seawall.Outcome) int { return min(int(o), numOutcomes-1) }

func outcomeName(i int) string { return seawall.Outcome(i).String() }

// priorityIndex takes what is out of range for the nearest that is in it.
func priorityIndex(p seawall.Priority) int {
	return int(min(max(p, seawall.Background), seawall.Critical) - seawall.Background)
}

func priorityName(i int) string { return (seawall.Background + seawall.Priority(i)).String() }

// label makes a value that Prometheus takes: UTF-8, and not too long.
func label(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel]
	}
	return strings.ToValidUTF8(s, "")
}
