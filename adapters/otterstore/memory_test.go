package otterstore_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/otterstore"
	"github.com/seawall-go/seawall/cache"
)

// TestMemory: what a full cache takes on the heap is within a tenth of what it was
// told, whatever the size of the values, and after a flood of keys, too.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const maxBytes = 16 << 20
	values := map[string]func(i int) string{
		"50 B":  func(int) string { return strings.Repeat("x", 50) },
		"1 KiB": func(int) string { return strings.Repeat("x", 1024) },
		"mixed": func(i int) string { return strings.Repeat("x", 10+(i*7919)%5000) },
	}
	engines := map[string]func() cache.L1[string, string]{
		"Ristretto": func() cache.L1[string, string] { return nil },
		"otterstore": func() cache.L1[string, string] {
			return seawall.Must(otterstore.New[string, string](otterstore.Config{MaxBytes: maxBytes}))
		},
	}
	floods := 50_000
	if long() {
		floods = 10_000_000
	}
	for engine, open := range engines {
		for name, value := range values {
			t.Run(engine+"/"+name, func(t *testing.T) {
				before := heap()
				config := cache.Config[string, string]{MaxBytes: maxBytes}
				if l1 := open(); l1 != nil {
					config = cache.Config[string, string]{L1: l1}
				}
				c := seawall.Must(cache.New(config))
				defer c.Close(context.Background())
				for i := range max(floods, 2*maxBytes/len(value(1))) {
					key := fmt.Sprintf("product:%010d", i)
					if err := c.Set(context.Background(), key, value(i)); err != nil {
						t.Fatal(err)
					}
					// Some are used again at once, and some later.
					for _, back := range []int{0, 100, 5000} {
						if i%3 == 0 && i >= back {
							c.Peek(fmt.Sprintf("product:%010d", i-back))
						}
					}
				}
				entries := c.Stats().Entries
				taken := int64(heap() - before)
				runtime.KeepAlive(c)
				t.Logf("%d entries take %.1f %% of MaxBytes", entries, 100*float64(taken)/maxBytes)
				if taken < maxBytes*9/10 || taken > maxBytes*11/10 {
					t.Errorf("%d bytes on the heap, want %d within a tenth", taken, maxBytes)
				}
			})
		}
	}
}

func heap() uint64 {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }
