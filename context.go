package seawall

import "context"

// WithClass returns a context that carries the class of the request it belongs
// to, so that what the request's handler sends on to other services goes under
// the same priority and the same user. It costs one allocation.
func WithClass(ctx context.Context, c Class) context.Context {
	return &classContext{ctx, c}
}

// ClassFrom returns the class of the innermost WithClass, and false if there is
// none. It allocates nothing.
func ClassFrom(ctx context.Context) (Class, bool) {
	if c, ok := ctx.Value(classKey{}).(*classContext); ok {
		return c.class, true
	}
	return Class{}, false
}

type classKey struct{}

// classContext holds the class itself: context.WithValue would need one
// allocation for the value and one for the context.
type classContext struct {
	context.Context //nolint:containedctx // it is one
	class           Class
}

func (c *classContext) Value(key any) any {
	if _, ok := key.(classKey); ok {
		return c
	}
	return c.Context.Value(key)
}
