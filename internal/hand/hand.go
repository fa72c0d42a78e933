// Package hand is what an operator has set: values of controls that hold until
// they are taken back or their time ends.
package hand

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seawall-go/seawall"
)

// Auto is the value of a control that nobody has set.
const Auto = "auto"

// Hand keeps them. Its fields are set before it is used.
type Hand struct {
	// Package begins the texts of errors.
	Package string
	// Controls are those with a list of options. Where one is set, Apply is called
	// under a lock, with what is set of all of them.
	Controls []seawall.Control
	Apply    func(is func(control, value string) bool)

	mu     sync.Mutex
	closed bool
	set    map[string]*setting
}

type setting struct {
	seawall.Control

	end *time.Timer
}

// List returns the controls with their present values.
func (h *Hand) List() []seawall.Control {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := slices.Clone(h.Controls)
	for i := range out {
		if out[i].Options != nil {
			out[i].Value = Auto
		}
		if s := h.set[out[i].Name]; s != nil {
			out[i] = s.Control
		}
	}
	return out
}

// Set carries out an override of one of Controls, or says what is wrong with it.
func (h *Hand) Set(o seawall.Override) error {
	i := slices.IndexFunc(h.Controls, func(x seawall.Control) bool { return x.Name == o.Control })
	if i < 0 {
		return fmt.Errorf("%s: there is no control %.80q", h.Package, o.Control)
	}
	control := h.Controls[i]
	if o.For < 0 {
		return fmt.Errorf("%s: override of %s: For must not be negative (got %v)", h.Package, o.Control, o.For)
	}
	if o.Value != "" && !slices.Contains(control.Options, o.Value) {
		return fmt.Errorf("%s: override of %s must be one of %s (got %.80q)", h.Package, o.Control, strings.Join(control.Options, ", "), o.Value)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.set[o.Control]; old != nil {
		if old.end != nil {
			old.end.Stop()
		}
		delete(h.set, o.Control)
	}
	if h.set == nil {
		h.set = make(map[string]*setting)
	}
	if o.Value != "" && !h.closed {
		control.Value, control.Overridden, control.By, control.Why = o.Value, true, o.By, o.Why
		next := &setting{Control: control}
		if o.For > 0 {
			next.Until = time.Now().Add(o.For)
			next.end = time.AfterFunc(o.For, func() { h.expire(o.Control, next) })
		}
		h.set[o.Control] = next
	}
	h.apply()
	return nil
}

func (h *Hand) expire(name string, s *setting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set[name] == s {
		delete(h.set, name)
		h.apply()
	}
}

func (h *Hand) apply() {
	h.Apply(func(control, value string) bool { return h.set[control] != nil && h.set[control].Value == value })
}

// Release ends all timers; what is set from now on has no effect.
func (h *Hand) Release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.set {
		if s.end != nil {
			s.end.Stop()
		}
	}
}
