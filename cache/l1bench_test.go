package cache_test

import (
	"testing"

	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seawall-go/seawall/cache"
)

// BenchmarkL1 is one access to each engine and to the library it stands on: a hit
// (scattered over 10,000 keys), and three of four hits with a Set as the fourth.
func BenchmarkL1(b *testing.B) {
	const keys = 10_000
	e := new(cache.Entry[int])
	type contender struct {
		name string
		get  func(uint64) bool
		set  func(uint64)
	}
	var contenders []contender
	for name, l1 := range engines(b) {
		contenders = append(contenders, contender{
			name,
			func(k uint64) bool { _, ok := l1.Get(k); return ok },
			func(k uint64) { l1.Set(k, e, 100) },
		})
	}
	bareLRU, err := lru.New[uint64, *cache.Entry[int]](keys)
	if err != nil {
		b.Fatal(err)
	}
	bareRistretto, err := ristretto.NewCache(&ristretto.Config[uint64, *cache.Entry[int]]{
		NumCounters: 10 * keys, MaxCost: keys, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer bareRistretto.Close()
	contenders = append(contenders,
		contender{
			"bare-lru",
			func(k uint64) bool { _, ok := bareLRU.Get(k); return ok },
			func(k uint64) { bareLRU.Add(k, e) },
		},
		contender{
			"bare-ristretto",
			func(k uint64) bool { _, ok := bareRistretto.Get(k); return ok },
			func(k uint64) { bareRistretto.Set(k, e, 1) },
		})
	for _, c := range contenders {
		for k := range uint64(keys) {
			c.set(k)
		}
		bareRistretto.Wait()
		b.Run("hit/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for k := uint64(0); pb.Next(); k += 7919 {
					c.get(k % keys)
				}
			})
		})
		b.Run("mix-75-25/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := 0
				for k := uint64(0); pb.Next(); k += 7919 {
					if i++; i%4 == 0 {
						c.set(k % keys)
					} else {
						c.get(k % keys)
					}
				}
			})
		})
	}
}
