// Package tally counts what happens all the time on all processors.
package tally

import (
	"sync/atomic"
	"unsafe"
)

// Tally counts what happens all the time on all processors. It is exact, and
// mostly a processor counts on a cache line that is its own: a goroutine keeps to
// one part, which its stack picks. (A part drawn at random for each count costs
// the draw, and each time a line that another processor has written last.)
type Tally struct {
	parts [tallyParts]struct {
		_ [64]byte // nor with what stands before it
		atomic.Uint64
		_ [56]byte // lines are fetched in pairs
	}
}

const (
	tallyBits  = 5
	tallyParts = 1 << tallyBits
)

// Add counts one.
func (t *Tally) Add() {
	var here byte
	// Stacks begin at multiples of 2 KiB. The multiplier is that of Fibonacci
	// hashing (Knuth), 2^64 divided by the golden ratio.
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 11 * 0x9e3779b97f4a7c15 //nolint:gosec // never made a pointer again
	t.parts[at>>(64-tallyBits)].Add(1)
}

// Total is how many there were.
func (t *Tally) Total() (n uint64) {
	for i := range t.parts {
		n += t.parts[i].Load()
	}
	return n
}
