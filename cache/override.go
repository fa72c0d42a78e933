package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// The controls an operator has.
const (
	controlLoads = "loads"
	controlL2    = "l2"
	controlPurge = "purge"

	auto      = "auto"
	whenEmpty = "when_empty"
	off       = "off"
)

// hand is what an operator has set.
type hand struct {
	calm atomic.Bool // nothing is loaded anew that may still be shown
	noL2 atomic.Bool

	mu  sync.Mutex
	set map[string]*handOverride
}

type handOverride struct {
	seawall.Control

	end *time.Timer
}

var handControls = []seawall.Control{
	{Name: controlLoads, Help: "when_empty: answer with what is there until StaleIfError ends, load only what is not", Options: []string{auto, whenEmpty}},
	{Name: controlL2, Help: "off: do as if the tier that processes share were away", Options: []string{auto, off}},
	{Name: controlPurge, Help: "make a tag invalid, or * everything, in all processes; there is no way back"},
}

// Controls lists what Override may set.
func (c *Cache[K, V]) Controls() []seawall.Control {
	c.hand.mu.Lock()
	defer c.hand.mu.Unlock()
	out := slices.Clone(handControls)
	if c.remote == nil {
		out = slices.DeleteFunc(out, func(x seawall.Control) bool { return x.Name == controlL2 })
	}
	for i := range out {
		if out[i].Options != nil {
			out[i].Value = auto
		}
		if o := c.hand.set[out[i].Name]; o != nil {
			out[i] = o.Control
		}
	}
	return out
}

// Override sets one of Controls. It implements seawall.Controllable.
func (c *Cache[K, V]) Override(ctx context.Context, o seawall.Override) error {
	if o.For < 0 {
		return fmt.Errorf("seawall/cache: override of %.80q: For must not be negative (got %v)", o.Control, o.For)
	}
	if o.Control == controlPurge {
		return c.purge(ctx, o.Value)
	}
	i := slices.IndexFunc(handControls, func(x seawall.Control) bool { return x.Name == o.Control })
	if i < 0 || o.Control == controlL2 && c.remote == nil {
		return fmt.Errorf("seawall/cache: there is no control %.80q", o.Control)
	}
	control := handControls[i]
	if o.Value != "" && !slices.Contains(control.Options, o.Value) {
		return fmt.Errorf("seawall/cache: override of %s must be one of %s (got %.80q)", o.Control, strings.Join(control.Options, ", "), o.Value)
	}
	h := &c.hand
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.set[o.Control]; old != nil {
		if old.end != nil {
			old.end.Stop()
		}
		delete(h.set, o.Control)
	}
	if h.set == nil {
		h.set = make(map[string]*handOverride)
	}
	if o.Value != "" && c.ctx.Err() == nil {
		control.Value, control.Overridden, control.By, control.Why = o.Value, true, o.By, o.Why
		next := &handOverride{Control: control}
		if o.For > 0 {
			next.Until = time.Now().Add(o.For)
			next.end = time.AfterFunc(o.For, func() { h.expire(o.Control, next) })
		}
		h.set[o.Control] = next
	}
	h.apply()
	return nil
}

func (h *hand) expire(name string, o *handOverride) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set[name] == o {
		delete(h.set, name)
		h.apply()
	}
}

// apply lets what is set take effect; the caller holds h.mu.
func (h *hand) apply() {
	is := func(name, value string) bool { return h.set[name] != nil && h.set[name].Value == value }
	h.calm.Store(is(controlLoads, whenEmpty))
	h.noL2.Store(is(controlL2, off))
}

// release ends all timers.
func (h *hand) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.set {
		if o.end != nil {
			o.end.Stop()
		}
	}
}

func (c *Cache[K, V]) purge(ctx context.Context, tag string) error {
	switch tag {
	case "":
		return nil
	case "*":
		return c.Clear(ctx)
	}
	return c.InvalidateTags(ctx, tag)
}
