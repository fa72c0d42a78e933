package cache

import (
	"math/bits"
	"reflect"
	"slices"
	"sync"
	"time"
)

// sizer returns a function for the bytes that a value holds on the heap beyond
// its own inline size. What it is for is a bound, not an account: memory that
// several values share counts for each of them, a constant string counts as if it
// were on the heap, and what only a library's own machinery can tell is left out.
//
// Types without maps, interfaces and recursion are known beforehand and cost some
// nanoseconds a field and no allocation. Others are walked, up to walkSteps.
func sizer[T any]() func(*T) int64 {
	switch any((*T)(nil)).(type) {
	case *string:
		return func(p *T) int64 { return sizeClass(int64(len(*any(p).(*string)))) } //nolint:forcetypeassert // seen above
	case *[]byte:
		return func(p *T) int64 { return sizeClass(int64(cap(*any(p).(*[]byte)))) } //nolint:forcetypeassert // seen above
	}
	t := reflect.TypeFor[T]()
	plan, simple := planOf(t, nil)
	switch {
	case !simple:
		return func(p *T) int64 { return walkSize(reflect.ValueOf(p).Elem()) }
	case plan == nil:
		return func(*T) int64 { return 0 }
	}
	return func(p *T) int64 { return plan(reflect.ValueOf(p).Elem()) }
}

// sampled is how many elements of a slice or map are looked at; the others are
// taken to be like them.
const sampled = 64

// sizePlan returns what a value of one type holds beyond its inline size. The
// plan of what holds nothing is nil.
type sizePlan func(reflect.Value) int64

// planOf returns a plan, or false where the type alone does not say what there
// is to look at. Outer are the types around it.
func planOf(t reflect.Type, outer []reflect.Type) (sizePlan, bool) {
	if isShared(t) {
		return nil, true
	}
	if slices.Contains(outer, t) {
		return nil, false
	}
	outer = append(slices.Clip(outer), t)
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value) int64 { return sizeClass(int64(v.Len())) }, true
	case reflect.Slice:
		elem, simple := planOf(t.Elem(), outer)
		size, pointers := int64(t.Elem().Size()), !isFlat(t.Elem())
		return func(v reflect.Value) int64 {
			return blockSize(int64(v.Cap())*size, pointers) + elements(v, elem)
		}, simple
	case reflect.Array:
		elem, simple := planOf(t.Elem(), outer)
		if elem == nil {
			return nil, simple
		}
		return func(v reflect.Value) int64 { return elements(v, elem) }, simple
	case reflect.Pointer:
		if len(outer) > 1 && isMachinery(t.Elem()) {
			return nil, true
		}
		elem, simple := planOf(t.Elem(), outer)
		size := blockSize(int64(t.Elem().Size()), !isFlat(t.Elem()))
		return func(v reflect.Value) int64 {
			switch {
			case v.IsNil():
				return 0
			case elem == nil:
				return size
			}
			return size + elem(v.Elem())
		}, simple
	case reflect.Struct:
		return structPlan(t, outer)
	case reflect.Map, reflect.Interface:
		return nil, false
	default:
		return nil, true
	}
}

func structPlan(t reflect.Type, outer []reflect.Type) (sizePlan, bool) {
	var fields []int
	var plans []sizePlan
	for i := range t.NumField() {
		plan, simple := planOf(t.Field(i).Type, outer)
		if !simple {
			return nil, false
		}
		if plan != nil {
			fields, plans = append(fields, i), append(plans, plan)
		}
	}
	if plans == nil {
		return nil, true
	}
	return func(v reflect.Value) int64 {
		sum := int64(0)
		for i, plan := range plans {
			sum += plan(v.Field(fields[i]))
		}
		return sum
	}, true
}

// elements adds up the plan over a slice or array, of a long one over elements
// in equal distances.
func elements(v reflect.Value, elem sizePlan) int64 {
	n := v.Len()
	if elem == nil || n == 0 {
		return 0
	}
	step := (n + sampled - 1) / sampled
	sum, seen := int64(0), int64(0)
	for i := 0; i < n; i += step {
		sum += elem(v.Index(i))
		seen++
	}
	return sum * int64(n) / seen
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	locationType = reflect.TypeFor[*time.Location]()
)

// isShared reports a type whose pointers lead to what all values share.
func isShared(t reflect.Type) bool {
	if t == timeType || t == locationType {
		return true
	}
	switch t.PkgPath() {
	case "sync", "sync/atomic", "unique", "reflect", "internal/abi", "internal/sync":
		return true
	}
	return false
}

// isFlat reports that there is no pointer in a type.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() == 0 || isFlat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isFlat(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.String, reflect.Slice, reflect.Pointer, reflect.Map, reflect.Interface,
		reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	default:
		return true
	}
}

// blockSize is what n bytes take on the heap. In front of blocks with pointers of
// more than 512 bytes stands a word.
func blockSize(n int64, pointers bool) int64 {
	if pointers && n > 512 {
		n += bits.UintSize / 8
	}
	return sizeClass(n)
}

// sizeClass rounds up as the allocator does.
func sizeClass(n int64) int64 {
	if n <= 0 {
		return 0
	}
	classes := sizeClasses()
	if last := classes[len(classes)-1]; n > last {
		const page = 8192
		return (n + page - 1) / page * page
	}
	i, _ := slices.BinarySearch(classes, n)
	return classes[i]
}

// sizeClasses asks the allocator, which gives a growing slice all of its block.
var sizeClasses = sync.OnceValue(func() []int64 {
	var classes []int64
	for n := 1; n <= 32<<10; {
		c := cap(slices.Grow([]byte(nil), n))
		classes = append(classes, int64(c))
		n = c + 1
	}
	return classes
})
