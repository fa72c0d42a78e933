package cache

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/internal/hand"
)

// The controls an operator has.
const (
	controlLoads = "loads"
	controlL2    = "l2"
	controlPurge = "purge"

	whenEmpty = "when_empty"
	off       = "off"
)

// byHand is what an operator has set.
type byHand struct {
	hand.Hand

	calm atomic.Bool // nothing is loaded anew that may still be shown
	noL2 atomic.Bool
}

func (b *byHand) prepare(withL2 bool) {
	b.Package = "seawall/cache"
	b.Controls = []seawall.Control{
		{Name: controlLoads, Help: "when_empty: answer with what is there until StaleIfError ends, load only what is not", Options: []string{hand.Auto, whenEmpty}},
	}
	if withL2 {
		b.Controls = append(b.Controls,
			seawall.Control{Name: controlL2, Help: "off: do as if the tier that processes share were away", Options: []string{hand.Auto, off}})
	}
	b.Controls = append(b.Controls,
		seawall.Control{Name: controlPurge, Help: "make a tag invalid, or * everything, in all processes; there is no way back"})
	b.Apply = func(is func(control, value string) bool) {
		b.calm.Store(is(controlLoads, whenEmpty))
		b.noL2.Store(is(controlL2, off))
	}
}

// Controls lists what Override may set.
func (c *Cache[K, V]) Controls() []seawall.Control { return c.hand.List() }

// Override sets one of Controls. It implements seawall.Controllable.
func (c *Cache[K, V]) Override(ctx context.Context, o seawall.Override) error {
	if o.Control != controlPurge {
		return c.hand.Set(o)
	}
	if o.For < 0 {
		return fmt.Errorf("seawall/cache: override of purge: For must not be negative (got %v)", o.For)
	}
	switch o.Value {
	case "":
		return nil
	case "*":
		return c.Clear(ctx)
	}
	return c.InvalidateTags(ctx, o.Value)
}
