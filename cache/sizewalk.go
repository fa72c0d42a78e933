package cache

import "reflect"

// walkSteps bounds the walk through one value. What is not reached is not counted:
// set Config.Size for values that are larger than that.
const walkSteps = 4096

// walkSize adds up what a value holds, each block once, so that it comes to an
// end in a circle, too.
func walkSize(v reflect.Value) int64 {
	w := sizeWalk{left: walkSteps}
	return w.held(v, 0)
}

type sizeWalk struct {
	left int
	seen map[block]struct{}
}

// block is what a pointer points to. A struct and its first field have the same
// address.
type block struct {
	at uintptr
	t  reflect.Type
}

// first reports whether the block has not been counted.
func (w *sizeWalk) first(at uintptr, t reflect.Type) bool {
	b := block{at, t}
	if _, ok := w.seen[b]; ok {
		return false
	}
	if w.seen == nil {
		w.seen = make(map[block]struct{})
	}
	w.seen[b] = struct{}{}
	return true
}

// held returns what v holds beyond its inline size. Depth is how far inside the
// value it is.
func (w *sizeWalk) held(v reflect.Value, depth int) int64 {
	if w.left--; w.left < 0 || !v.IsValid() || isShared(v.Type()) {
		return 0
	}
	switch v.Kind() {
	case reflect.String:
		return sizeClass(int64(v.Len()))
	case reflect.Slice:
		if v.Cap() == 0 || !w.first(v.Pointer(), v.Type()) {
			return 0
		}
		elem := v.Type().Elem()
		return blockSize(int64(v.Cap())*int64(elem.Size()), !isFlat(elem)) + w.list(v, depth)
	case reflect.Array:
		return w.list(v, depth)
	case reflect.Struct:
		sum := int64(0)
		for i := range v.NumField() {
			sum += w.held(v.Field(i), depth+1)
		}
		return sum
	case reflect.Pointer:
		return w.pointer(v, depth)
	case reflect.Interface:
		return w.boxed(v.Elem(), depth)
	case reflect.Map:
		return w.table(v, depth)
	default:
		return 0
	}
}

func (w *sizeWalk) pointer(v reflect.Value, depth int) int64 {
	elem := v.Type().Elem()
	if v.IsNil() || (depth > 0 && isMachinery(elem)) || !w.first(v.Pointer(), elem) {
		return 0
	}
	return blockSize(int64(elem.Size()), !isFlat(elem)) + w.held(v.Elem(), depth+1)
}

// boxed is what an interface holds: a pointer as it is, anything else in a block.
func (w *sizeWalk) boxed(v reflect.Value, depth int) int64 {
	if !v.IsValid() {
		return 0
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return w.held(v, depth)
	default:
		return blockSize(int64(v.Type().Size()), !isFlat(v.Type())) + w.held(v, depth)
	}
}

func (w *sizeWalk) list(v reflect.Value, depth int) int64 {
	if isFlat(v.Type().Elem()) {
		return 0
	}
	return elements(v, func(e reflect.Value) int64 { return w.held(e, depth) })
}

// table is a map: slots in groups of eight with a byte each, at least half of them
// in use, and a header. Long keys and elements stand in blocks of their own.
func (w *sizeWalk) table(v reflect.Value, depth int) int64 {
	if v.IsNil() || !w.first(v.Pointer(), v.Type()) {
		return 0
	}
	n := int64(v.Len())
	slot, blocks := int64(1), int64(0)
	flat := true
	for _, t := range []reflect.Type{v.Type().Key(), v.Type().Elem()} {
		size := int64(t.Size())
		if size > 128 {
			blocks += blockSize(size, !isFlat(t))
			size = 8
		}
		slot += size
		flat = flat && isFlat(t)
	}
	slots := int64(8)
	if n > 8 {
		slots = n * 3 / 2
	}
	sum := 48 + sizeClass(slots*slot) + n*blocks
	if flat || n == 0 {
		return sum
	}
	inside, seen := int64(0), int64(0)
	for it := v.MapRange(); seen < sampled && it.Next(); seen++ {
		inside += w.held(it.Key(), depth) + w.held(it.Value(), depth)
	}
	return sum + inside*n/seen
}

// isMachinery reports a struct with a lock or a channel or a function in it: a
// client, a pool, a description of a type. Values have pointers to such things,
// which many share, and others change what is in them.
func isMachinery(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		f := t.Field(i).Type
		switch {
		case f.Kind() == reflect.Chan, f.Kind() == reflect.Func:
			return true
		case f.PkgPath() == "sync", f.PkgPath() == "sync/atomic":
			return true
		}
	}
	return false
}
