package cache

// sizeClass stub
func sizeClass(n int64) int64 { return (n + 15) &^ 15 }
