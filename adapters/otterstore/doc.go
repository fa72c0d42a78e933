// Package otterstore is the fastest engine for a [cache.Cache] inside the
// process: github.com/maypok86/otter/v2 behind the seam cache.L1.
//
//	l1 := seawall.Must(otterstore.New[string, Product](otterstore.Config{MaxBytes: 64 << 20}))
//
// otter keeps by popularity and recency (W-TinyLFU with a window that adapts),
// and its readers take no lock. What it does about times is not used: whether an
// entry is fresh is the Cache's affair.
//
// It is a module of its own, so that only those have otter in their go.sum who
// use it.
package otterstore
