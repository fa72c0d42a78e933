// Package otterstore is the fastest engine for a [cache.Cache] inside the
// process: github.com/maypok86/otter/v2 behind the seam cache.L1.
//
//	l1 := seawall.Must(otterstore.New[string, Product](otterstore.Config{MaxBytes: 64 << 20}))
//
// otter keeps by popularity and recency (W-TinyLFU with a window that adapts),
// and its readers take no lock. What it does about times is not used: whether an
// entry is fresh is the Cache's affair.
//
// The tests of this module compare all engines with the libraries they stand on:
// how many of a hundred accesses they find, and what they take on the heap.
//
//	go test -v ./adapters/otterstore                      a few seconds
//	SEAWALL_LONG=1 go test -v ./adapters/otterstore       longer traces, all sizes
//
// It is a module of its own, so that only those have otter in their go.sum who
// use it.
package otterstore
