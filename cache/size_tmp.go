package cache

func sizer[T any]() func(*T) int64 { return func(*T) int64 { return 0 } }
func sizeClass(n int64) int64 { return n }
