package seawall_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

func TestWithClass(t *testing.T) {
	type key struct{}
	base, cancel := context.WithTimeoutCause(context.WithValue(t.Context(), key{}, "kept"), time.Hour, errors.New("late"))
	if c, ok := seawall.ClassFrom(base); ok || c != (seawall.Class{}) {
		t.Errorf("a plain context has class %+v", c)
	}
	want := seawall.Class{Priority: seawall.Critical, User: 7, Tenant: 8, Route: "login", Cost: 2, Budget: time.Second, Track: true}
	ctx := seawall.WithClass(base, want)
	inner := seawall.WithClass(context.WithValue(ctx, key{}, "new"), seawall.Class{User: 9})
	for name, c := range map[string]struct {
		ctx   context.Context
		want  seawall.Class
		value string
	}{
		"itself":   {ctx, want, "kept"},
		"child":    {context.WithoutCancel(ctx), want, "kept"},
		"inner":    {inner, seawall.Class{User: 9}, "new"},
		"the zero": {seawall.WithClass(inner, seawall.Class{}), seawall.Class{}, "new"},
	} {
		got, ok := seawall.ClassFrom(c.ctx)
		if !ok || got != c.want {
			t.Errorf("%s: %+v, %t, want %+v", name, got, ok, c.want)
		}
		if v := c.ctx.Value(key{}); v != c.value {
			t.Errorf("%s: the value around it is %v", name, v)
		}
	}
	want1, _ := base.Deadline()
	if got, ok := ctx.Deadline(); !ok || got != want1 {
		t.Errorf("the deadline is %v, want %v", got, want1)
	}
	child, stop := context.WithCancel(ctx)
	defer stop()
	cancel()
	select {
	case <-child.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the end of the parent does not reach a child")
	}
	if !errors.Is(child.Err(), context.Canceled) || context.Cause(child) != context.Cause(base) {
		t.Errorf("a child ends with %v, cause %v", child.Err(), context.Cause(child))
	}
}
