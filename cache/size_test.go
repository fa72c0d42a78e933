package cache

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

type flatValue struct {
	ID    int64
	Price [2]float64
	Sold  bool
}

type product struct {
	ID          uint64
	Name        string
	Description string
	Tags        []string
	Prices      []float64
	Seller      *flatValue
	Since       time.Time
}

type tree struct {
	Name        string
	Left, Right *tree
}

type service struct {
	mu   sync.Mutex
	rows map[string]int
}

type withService struct {
	Name string
	db   *service
}

func bytesOf[T any](v T) int64 { return sizer[T]()(&v) }

func TestSizer(t *testing.T) {
	name := strings.Repeat("n", 33)
	circle := &tree{Name: name}
	circle.Left, circle.Right = circle, circle
	busy := &service{rows: map[string]int{"a": 1}}
	for _, c := range []struct {
		name string
		got  int64
		want int64
	}{
		{"int", bytesOf(1), 0},
		{"flat struct", bytesOf(flatValue{}), 0},
		{"time", bytesOf(time.Now()), 0},
		{"empty string", bytesOf(""), 0},
		{"string", bytesOf(name), 48},
		{"bytes, by their capacity", bytesOf(make([]byte, 1, 1000)), 1024},
		{"nil pointer", bytesOf((*flatValue)(nil)), 0},
		{"pointer", bytesOf(&flatValue{}), 32},
		{"slice", bytesOf(make([]int64, 3, 10)), 80},
		{"strings", bytesOf([]string{name, "", name}), 48 + 48 + 48},
		{"a long list of strings", bytesOf(slicesOf(name, 10_000)), sizeClass(160_000) + 480_000},
		{"array", bytesOf([2]string{name, name}), 96},
		{"large block with pointers", bytesOf(&[128]string{}), 2304},
		{"large flat block", bytesOf(&[256]int64{}), 2048},
		{"above all classes", bytesOf(make([]byte, 40_000)), 40960},
		{"product", bytesOf(product{Name: name, Description: name, Tags: []string{name}, Prices: []float64{1}, Seller: &flatValue{}}), 48 + 48 + 16 + 48 + 8 + 32},
		{"circle, once", bytesOf(circle), 32 + 48},
		{"tree", bytesOf(tree{Name: name, Left: &tree{}, Right: &tree{Name: name}}), 48 + 32 + 32 + 48},
		{"interface of a pointer", bytesOf[any](&flatValue{}), 32},
		{"interface of a value", bytesOf[any](flatValue{}), 32},
		{"interface of a string", bytesOf[any](name), 16 + 48},
		{"nil interface", bytesOf[any](nil), 0},
		{"nil map", bytesOf(map[int]int(nil)), 0},
		{"function", bytesOf(func() {}), 0},
		{"what others use, too", bytesOf(withService{Name: name, db: busy}), 48},
		{"unless it is the value itself", bytesOf(&service{}), sizeClass(16)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

func slicesOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// TestSizerTerminates: neither depth nor width makes a walk long.
func TestSizerTerminates(t *testing.T) {
	chain := &tree{}
	for range 1_000_000 {
		chain = &tree{Left: chain}
	}
	if got := bytesOf(chain); got <= 0 || got > 32*walkSteps {
		t.Errorf("a long chain: %d bytes, want at most those of %d steps", got, walkSteps)
	}
	wide := make(map[int][]map[int]string)
	for i := range 1000 {
		for range 100 {
			wide[i] = append(wide[i], map[int]string{i: "x"})
		}
	}
	if got := bytesOf(wide); got <= 0 {
		t.Errorf("a wide map: %d bytes", got)
	}
}

// TestSizerAgainstHeap compares with what the allocator says.
func TestSizerAgainstHeap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for name, c := range map[string]struct {
		make func(i int) any
		size func(any) int64
	}{
		"strings": heapCase(func(i int) string { return strings.Repeat("x", i%300) }),
		"products": heapCase(func(i int) product {
			return product{Name: strings.Repeat("x", i%40), Tags: slicesOf(strings.Clone("a tag of a product"), 1), Prices: make([]float64, i%9)}
		}),
		"trees": heapCase(func(i int) tree {
			return tree{Name: strings.Repeat("x", i%100), Left: &tree{Name: strings.Repeat("y", 10)}}
		}),
		"small maps": heapCase(func(i int) map[int]string {
			m := map[int]string{}
			for k := range i % 8 {
				m[k] = strings.Repeat("z", 20)
			}
			return m
		}),
		"large maps": heapCase(func(i int) map[string]int {
			m := map[string]int{}
			for k := range 10 + i%300 {
				m[fmt.Sprint("some key ", k)] = k
			}
			return m
		}),
		"any": heapCase(func(i int) any {
			return map[string]any{"name": strings.Repeat("x", i%100), "price": 1.5, "tags": []any{"a", int64(i)}}
		}),
	} {
		const n = 2000
		values := make([]any, n)
		for i := range values {
			values[i] = nil
		}
		before := heap()
		for i := range values {
			values[i] = c.make(i)
		}
		taken := float64(heap() - before)
		told := int64(0)
		for _, v := range values {
			told += c.size(v)
		}
		runtime.KeepAlive(values)
		ratio := float64(told) / taken
		t.Logf("%-10s  heap %8.0f  told %8d  %.2f", name, taken, told, ratio)
		if ratio < 0.8 || ratio > 1.25 {
			t.Errorf("%s: %d bytes told, %.0f on the heap", name, told, taken)
		}
	}
}

// heapCase boxes values behind pointers, and counts those blocks, too.
func heapCase[T any](make func(i int) T) (c struct {
	make func(i int) any
	size func(any) int64
}) {
	size := sizer[*T]()
	c.make = func(i int) any { v := make(i); return &v }
	c.size = func(v any) int64 { p := v.(*T); return size(&p) }
	return c
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestSizerAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := product{Name: "a", Description: "b", Tags: []string{"c", "d"}, Seller: &flatValue{}}
	sizeProduct, sizePointer := sizer[product](), sizer[*product]()
	s, b := "abc", []byte("abc")
	sizeString, sizeBytes := sizer[string](), sizer[[]byte]()
	pp := &p
	for name, f := range map[string]func() int64{
		"product": func() int64 { return sizeProduct(&p) },
		"pointer": func() int64 { return sizePointer(&pp) },
		"string":  func() int64 { return sizeString(&s) },
		"bytes":   func() int64 { return sizeBytes(&b) },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if f() <= 0 {
				t.Fatal("nothing was measured")
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkSizer(b *testing.B) {
	s := "a string"
	p := product{Name: "a", Description: "b", Tags: []string{"c", "d"}, Seller: &flatValue{}}
	tr := tree{Left: &tree{}, Right: &tree{}}
	sizeString, sizeProduct, sizeTree := sizer[string](), sizer[product](), sizer[tree]()
	b.Run("string", func(b *testing.B) {
		for b.Loop() {
			sizeString(&s)
		}
	})
	b.Run("struct", func(b *testing.B) {
		for b.Loop() {
			sizeProduct(&p)
		}
	})
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			sizeTree(&tr)
		}
	})
}
