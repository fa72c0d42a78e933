package cache

import "unsafe"

// sizeOf returns what tells the bytes of a key, a value and the Entry around it.
func sizeOf[K comparable, V any](own func(K, V) int64) func(*K, *V) int64 {
	entry := int64(unsafe.Sizeof(Entry[V]{})) - int64(unsafe.Sizeof(*new(V)))
	if own != nil {
		return func(k *K, v *V) int64 { return entry + max(own(*k, *v), 0) }
	}
	key, value := sizer[K](), sizer[V]()
	entry += int64(unsafe.Sizeof(*new(K))) + int64(unsafe.Sizeof(*new(V)))
	return func(k *K, v *V) int64 { return entry + key(k) + value(v) }
}
