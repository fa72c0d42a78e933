package shed

import (
	"maps"
	"math"
	"sync"
)

// Where some routes take much longer than others, throughput and latency vary
// with the mix of the moment, and the knee computed from them with both. So a
// completion counts as much work as its route usually takes, and its latency as
// that much less: both vary no more than within a route, and their product is
// the knee all the same.

const (
	// maxRoutes is how many are told apart; what comes later has the weight 1.
	maxRoutes = 32
	// doneOne is a completion of weight 1 in shard.done.
	doneOne = 256
	// maxWeight bounds weights, either way.
	maxWeight = 64.0
	// routeSamples are needed of a route before its weight counts, and
	// routeMemory is how many it is known by.
	routeSamples = 8
	routeMemory  = 200
	// mixMemory is over how many seconds the mix is taken.
	mixMemory = 60.0
)

// routes learns what each route takes at a harmless concurrency.
type routes struct {
	mu    sync.Mutex // guards names; only ever tried on the way of a request
	names map[string]uint32
	table routeTable // under the law's lock
	known [maxRoutes]struct {
		count, mean float64 // samples and seconds
		share       float64 // of the samples, over mixMemory
	}
}

// routeTable is what a request needs to know of it, published with the gate.
type routeTable struct {
	index  map[string]uint32
	weight [maxRoutes]uint32 // in doneOne; 0 is 1
	active bool              // there are weights
}

// of is the route's number, 0 when it has none. A new one is noted and known
// from the next tick on.
func (t *routeTable) of(s *Shedder, name string) uint32 {
	if name == "" {
		return 0
	}
	if i, ok := t.index[name]; ok {
		return i
	}
	if r := &s.routes; len(t.index) < maxRoutes-1 && r.mu.TryLock() {
		if r.names == nil {
			r.names = make(map[string]uint32)
		}
		if _, ok := r.names[name]; !ok && len(r.names) < maxRoutes-1 {
			r.names[name] = uint32(len(r.names) + 1)
		}
		r.mu.Unlock()
	}
	return 0
}

// weightOf is what a completion of the route counts, in doneOne.
func (t *routeTable) weightOf(route uint32) uint64 {
	if w := t.weight[route]; w > 0 {
		return uint64(w)
	}
	return doneOne
}

// learn takes the samples of a tick in and returns the table to publish.
func (r *routes) learn(shards []shard, dt float64) *routeTable {
	r.count(shards, dt)
	r.mu.Lock()
	grown := len(r.names) != len(r.table.index)
	if grown {
		r.table.index = maps.Clone(r.names) // a new one: readers have the old
	}
	r.mu.Unlock()
	r.weigh()
	t := r.table
	return &t
}

func (r *routes) count(shards []shard, dt float64) {
	keep := math.Exp(-dt / mixMemory)
	for i := range r.known {
		k := &r.known[i]
		k.share *= keep
		var n, sum float64
		for s := range shards {
			if v := shards[s].routes[i].Load(); v != 0 {
				v = shards[s].routes[i].Swap(0)
				n += float64(v & countMask)
				sum += float64(v>>countBits) * unit
			}
		}
		if n == 0 {
			continue
		}
		k.count += n
		k.mean += (sum/n - k.mean) * min(1, n/min(k.count, routeMemory))
		k.share += n
	}
}

// weigh computes the weights: with one route, or while only one is known well
// enough, all are 1.
func (r *routes) weigh() {
	var work, share float64
	n := 0
	for i := range r.known {
		if k := &r.known[i]; k.count >= routeSamples && k.mean > 0 {
			work += k.share * k.mean
			share += k.share
			n++
		}
	}
	r.table.weight, r.table.active = [maxRoutes]uint32{}, false
	if n < 2 || !(work > 0) {
		return
	}
	mean := work / share
	r.table.active = true
	for i := range r.known {
		if k := &r.known[i]; k.count >= routeSamples && k.mean > 0 {
			r.table.weight[i] = uint32(math.Round(doneOne * clamp(k.mean/mean, 1/maxWeight, maxWeight)))
		}
	}
}
