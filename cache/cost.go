package cache

import "unsafe"

// entryBytes is what an Entry and its key take, but for what they point to.
func entryBytes[K comparable, V any]() int64 {
	return int64(unsafe.Sizeof(Entry[V]{})) + int64(unsafe.Sizeof(*new(K)))
}

// sizeOf returns what tells the bytes of a key, a value and the Entry around it.
func sizeOf[K comparable, V any](own func(K, V) int64) func(*K, *V) int64 {
	around := entryBytes[K, V]()
	if own != nil {
		return func(k *K, v *V) int64 { return around + max(own(*k, *v), 0) }
	}
	key, value := sizer[K](), sizer[V]()
	return func(k *K, v *V) int64 { return around + key(k) + value(v) }
}
