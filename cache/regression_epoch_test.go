package cache

import (
	"context"
	"testing"
)

// TestManyInvalidations: after 2^31 invalidations, without a gap, nothing that is
// looked at again counts as older than one.
func TestManyInvalidations(t *testing.T) {
	c, err := New(Config[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	c.epoch.Store(1<<30 - 1)
	c.InvalidateTags(context.Background(), "t")
	c.epoch.Store(1<<31 - 1)
	if err := c.Set(context.Background(), "a", "v"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c.InvalidateTags(context.Background(), "t")
		c.Peek("a")
	}
	if _, state, _ := c.Peek("a"); state != Fresh {
		t.Error(state)
	}
}
