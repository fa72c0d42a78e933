package peers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
)

// The cases of caches. Keys are asked for as Zipf has them (0.99).
const (
	// Hit reads ten thousand keys that are all there. They are numbers, the values
	// strings. In HitString the keys are strings, too, which are equal to the
	// cache's and not the same.
	Hit       Case = "hit"
	HitString Case = "hit-string"
	// Mix is Hit with one Set for three Gets.
	Mix Case = "mix-75-25"
	// Aside has room for ten thousand of a hundred thousand keys: Get, and after a
	// miss Set. Load is the same by the library's own loader, which is a function
	// that returns at once: one load a key, whoever leaves.
	Aside Case = "aside"
	Load  Case = "load"
	// TwoTierHit is a product of about 500 bytes of JSON, which is there in the
	// local one of two tiers.
	TwoTierHit Case = "two-tier-hit"
)

// Cache compares caches inside the process, and those that have one before a
// Redis.
func Cache() Suite {
	twoTiers := []Case{TwoTierHit}
	return Suite{
		Name:    "cache",
		Crowded: true,
		Rounds:  [][]Case{{Hit, HitString}, {Mix}, {Aside}, {Load}, {TwoTierHit}},
		Libraries: []Library{
			{Name: "seawall-lru", build: seawallCache(onLRU)},
			{Name: "seawall-ristretto", build: seawallCache(onRistretto)},
			{Name: "seawall-otter", build: seawallCache(onOtter)},
			{Name: "lru", build: stored(lruStore[uint64], lruStore[string]), lacks: append(twoTiers, Load)},
			{Name: "ristretto", build: stored(ristrettoStore[uint64], ristrettoStore[string]), lacks: append(twoTiers, Load)},
			{Name: "otter", build: stored(otterStore[uint64], otterStore[string]), lacks: twoTiers},
			{Name: "theine", build: stored(theineStore[uint64], theineStore[string]), lacks: twoTiers},
			{Name: "ttlcache", build: stored(ttlcacheStore[uint64], ttlcacheStore[string]), lacks: twoTiers},
			{Name: "goredis-cache", build: goredisScene, lacks: []Case{Hit, HitString, Mix, Aside, Load}},
		},
	}
}

const (
	cached   = 10_000 // keys that are all there, and the room that there is for the others
	uncached = 10 * cached
	asked    = 1 << 18 // how often, until the order begins anew
)

// room is for how many entries a library is set up: nobody has to be exact about
// the last one.
func (c Case) room() int {
	if c == Aside || c == Load {
		return cached
	}
	return 2 * cached
}

// store is a library that is measured.
type store[K comparable] struct {
	get func(K) (string, bool)
	set func(K, string) bool
	// load is get by the library's own loader, which is source.
	load func(K) (string, bool)
	// settle waits until what was set can be found.
	settle func()
	// count is how many gets were fresh hits, if the library knows.
	count func() uint64
	stop  func()
}

// source is what loaders load from.
func source[K comparable](loads *atomic.Uint64) func(K) string {
	return func(K) string {
		loads.Add(1)
		return aValue
	}
}

const aValue = "a value of twenty-four B"

// stored makes the scenes of a library by its stores of either kind of keys.
func stored(numbers func(Case, *atomic.Uint64) (*store[uint64], error), texts func(Case, *atomic.Uint64) (*store[string], error)) func(Case) (*Scene, error) {
	return func(c Case) (*Scene, error) {
		loads := new(atomic.Uint64)
		if c == HitString {
			s, err := texts(c, loads)
			if err != nil {
				return nil, err
			}
			order := popular(cached)
			names := make([]string, cached)
			for i := range names {
				names[i] = strconv.Itoa(1_000_000_000 + i)
			}
			return s.scene(c, names, inOrder(order), loads)
		}
		s, err := numbers(c, loads)
		if err != nil {
			return nil, err
		}
		n := cached
		if c == Aside || c == Load {
			n = uncached
		}
		all := make([]uint64, n)
		for i := range all {
			all[i] = uint64(i)
		}
		return s.scene(c, all, popular(n), loads)
	}
}

func (s *store[K]) scene(c Case, all, order []K, loads *atomic.Uint64) (*Scene, error) {
	sc := &Scene{stop: s.stop, count: s.count}
	if c == Aside || c == Load {
		sc.loop, sc.count = s.aside(order, loads), nil
		if c == Load {
			sc.loop = s.loading(order)
		}
		sc.hits = func() float64 { // of as many as the order has, which leaves the cache full
			before := loads.Load()
			sc.loop(len(order))
			return 1 - float64(loads.Load()-before)/float64(len(order))
		}
		sc.hits()
		return sc, nil
	}
	for _, k := range all {
		s.set(k, aValue)
	}
	s.settle()
	for _, k := range all {
		if v, ok := s.get(k); !ok || v != aValue {
			sc.Close()
			return nil, fmt.Errorf("%v is not there (%q)", k, v)
		}
	}
	sc.loop = s.reading(order)
	if c == Mix {
		sc.loop, sc.count = s.mixed(order), nil
	}
	return sc, nil
}

// reading returns how many were there.
func (s *store[K]) reading(order []K) func(int) int {
	return func(n int) (hits int) {
		at := rand.IntN(len(order))
		for i := range n {
			if _, ok := s.get(order[(at+i)%asked]); ok {
				hits++
			}
		}
		return hits
	}
}

// mixed returns how many were there or have been set.
func (s *store[K]) mixed(order []K) func(int) int {
	return func(n int) (done int) {
		at := rand.IntN(len(order))
		for i := range n {
			k, ok := order[(at+i)%asked], false
			if i%4 == 3 {
				ok = s.set(k, aValue)
			} else {
				_, ok = s.get(k)
			}
			if ok {
				done++
			}
		}
		return done
	}
}

// aside counts misses as loads.
func (s *store[K]) aside(order []K, loads *atomic.Uint64) func(int) int {
	return func(n int) (done int) {
		at, misses := rand.IntN(len(order)), uint64(0)
		for i := range n {
			k := order[(at+i)%asked]
			if _, ok := s.get(k); !ok {
				misses++
				s.set(k, aValue)
			}
			done++
		}
		loads.Add(misses)
		return done
	}
}

func (s *store[K]) loading(order []K) func(int) int {
	return func(n int) (done int) {
		at := rand.IntN(len(order))
		for i := range n {
			if v, ok := s.load(order[(at+i)%asked]); ok && len(v) == len(aValue) {
				done++
			}
		}
		return done
	}
}

// orders are made once each.
var orders sync.Map

// popular is in which order n keys are asked for: the i-th most popular one as
// often as i^-0.99 says.
func popular(n int) []uint64 {
	if order, ok := orders.Load(n); ok {
		return order.([]uint64) //nolint:forcetypeassert // see below
	}
	upTo, sum := make([]float64, n), 0.0
	for i := range upTo {
		sum += math.Pow(float64(i+1), -0.99)
		upTo[i] = sum
	}
	r := rand.New(rand.NewPCG(1, 1)) // the same each time
	key, order := r.Perm(n), make([]uint64, asked)
	for i := range order {
		order[i] = uint64(key[min(sort.SearchFloat64s(upTo, r.Float64()*sum), n-1)])
	}
	orders.Store(n, order)
	return order
}

// inOrder makes keys of text, which stand in memory in the order in which they are
// asked for: a real one was parsed a moment ago.
func inOrder(order []uint64) []string {
	var text []byte
	for _, k := range order {
		text = strconv.AppendUint(text, 1_000_000_000+k, 10)
	}
	all, keys := string(text), make([]string, len(order))
	for i := range keys {
		keys[i] = all[i*10 : (i+1)*10]
	}
	return keys
}
