package otterstore_test

import (
	"math"
	"math/rand/v2"
	"slices"
)

// trace is a sequence of keys, always the same for the same name and length.
type trace struct {
	name  string
	sizes []int // of caches that are of interest
	brief int   // how many of the sizes the short form does
	keys  func(n int) []uint64
}

// traceKeys is among how many keys the popularities are shared out.
const traceKeys = 100_000

var traces = []trace{
	{"zipf", []int{1000, 100, 10_000, 25_000}, 2, zipfTrace},
	{"zipf+scan", []int{1000, 10_000}, 1, scanTrace},
	{"loop", []int{3000, 1000, 5000}, 1, loopTrace},
	{"shift", []int{1000, 10_000}, 2, shiftTrace},
	{"jump", []int{1000, 10_000}, 1, jumpTrace},
	{"flash", []int{100, 1000}, 2, flashTrace},
	{"recent", []int{1000, 5000}, 1, recentTrace},
}

// zipf draws ranks whose popularity falls with about one over the rank.
type zipf struct {
	sums []float64
	r    *rand.Rand
}

func newZipf(n int, s float64, r *rand.Rand) *zipf {
	z := &zipf{sums: make([]float64, n), r: r}
	sum := 0.0
	for i := range z.sums {
		sum += math.Pow(float64(i+1), -s)
		z.sums[i] = sum
	}
	return z
}

func (z *zipf) next() int {
	i, _ := slices.BinarySearch(z.sums, z.r.Float64()*z.sums[len(z.sums)-1])
	return min(i, len(z.sums)-1)
}

func draw(n int, next func(i int) uint64) []uint64 {
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = next(i)
	}
	return keys
}

func generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20)) }

// zipfTrace: popularity stays as it is.
func zipfTrace(n int) []uint64 {
	z := newZipf(traceKeys, 0.99, generator(1))
	return draw(n, func(int) uint64 { return uint64(z.next()) })
}

// scanTrace: after every 20,000 accesses somebody reads 10,000 keys once.
func scanTrace(n int) []uint64 {
	z := newZipf(traceKeys, 0.99, generator(2))
	return draw(n, func(i int) uint64 {
		if i%30_000 >= 20_000 {
			return 1<<40 + uint64(i)
		}
		return uint64(z.next())
	})
}

// loopTrace: 6000 keys, one after another, over and over.
func loopTrace(n int) []uint64 {
	return draw(n, func(i int) uint64 { return uint64(i % 6000) })
}

// shiftTrace: what is popular moves on, by 50 keys for 2000 accesses.
func shiftTrace(n int) []uint64 {
	z := newZipf(traceKeys, 0.99, generator(3))
	return draw(n, func(i int) uint64 { return uint64(z.next() + i/2000*50) })
}

// jumpTrace: every 100,000 accesses all that was popular is over.
func jumpTrace(n int) []uint64 {
	z := newZipf(traceKeys, 0.99, generator(4))
	return draw(n, func(i int) uint64 { return uint64(z.next() + i/100_000*traceKeys) })
}

// flashTrace: in every other stretch of 50,000 accesses six of ten go to 200 keys
// that nobody had heard of.
func flashTrace(n int) []uint64 {
	r := generator(5)
	z, crowd := newZipf(traceKeys, 0.99, r), newZipf(200, 0.8, r)
	return draw(n, func(i int) uint64 {
		if stretch := i / 50_000; stretch%2 == 1 && r.IntN(10) < 6 {
			return 1<<40 + uint64(stretch*1000+crowd.next())
		}
		return uint64(z.next())
	})
}

// recentTrace: seven of ten accesses go to what was accessed a while ago, which
// may be 1 to 20,000 accesses and is as often below 140 as above it; the others
// to something new.
func recentTrace(n int) []uint64 {
	r := generator(6)
	past := make([]uint64, 0, n)
	return draw(n, func(i int) uint64 {
		key := uint64(i)
		if back := int(math.Pow(20_000, r.Float64())); back <= len(past) && r.IntN(10) < 7 {
			key = past[len(past)-back]
		}
		past = append(past, key)
		return key
	})
}
