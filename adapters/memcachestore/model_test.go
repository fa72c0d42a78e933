package memcachestore

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall/cache"
)

// The model runs the Store of several clients over a memcached in which nothing
// happens until the test says which of the pending steps is next. It goes through
// all orders of them, but for those that lead to a state it has seen.

// server is one memcached. V and L are on two of them.
type server struct {
	items map[string]memcache.Item
	cas   uint64
}

// step is what a client, or the database, is about to do.
type step struct {
	who, what string
	do        func() string // what the client sees of it
	done      chan struct{}
}

// world is one order of steps.
type world struct {
	servers [2]server
	pending []*step
	seen    map[string]string // what each client has seen: its state
	over    bool
	truth   int             // what the database holds
	fresh   map[string]bool // whose reading of it no Set or Delete has followed
	filling map[string]bool // between the two steps of a Fill
	drops   int             // how many items may still be evicted or expire
	anew    int             // how many times the first server may start anew
	wins    int
	faults  []string
}

func newWorld() *world {
	w := &world{seen: map[string]string{}, truth: 1, fresh: map[string]bool{}, filling: map[string]bool{}}
	for i := range w.servers {
		w.servers[i].items = map[string]memcache.Item{}
	}
	return w
}

func (w *world) faultf(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) at(name string) *server {
	if strings.HasPrefix(name, "~l") {
		return &w.servers[1]
	}
	return &w.servers[0]
}

// put writes an item and checks that it may be written.
func (w *world) put(who string, it memcache.Item, filled bool) {
	s := w.at(it.Key)
	old, was := s.items[it.Key]
	s.cas++
	it.CasID = s.cas
	value := s == &w.servers[0] && it.Flags != promised
	if value {
		it.Flags = 2 * uint32(it.Value[0]-'0') // drawn at random otherwise
		if filled && !w.fresh[who] {
			w.faultf("%s stored %s, read before a write that has been done since", who, it.Value)
		}
	}
	if v, ok := w.servers[0].items["k"]; ok && was && s == &w.servers[1] && it.Expiration != expired && bytes.HasPrefix(old.Value, leaseOn(&v, "")) {
		w.faultf("%s took a lease that %s has", who, old.Value)
	}
	if it.Expiration == expired {
		delete(s.items, it.Key)
		return
	}
	s.items[it.Key] = it
}

// changed is a Set or a Delete.
func (w *world) changed() { clear(w.fresh) }

// node is the client of one process.
type node struct {
	w   *world
	who string
	mu  chan struct{}

	fills bool
}

// do waits for its turn.
func (n *node) do(what string, f func() string) {
	n.mu <- struct{}{}
	s := &step{who: n.who, what: what, do: f, done: make(chan struct{})}
	if n.w.over {
		<-n.mu
		return
	}
	n.w.pending = append(n.w.pending, s)
	<-n.mu
	<-s.done
}

func (n *node) Get(key string) (it *memcache.Item, err error) {
	n.do("get "+key, func() string {
		if n.fills && n.w.at(key) == &n.w.servers[0] {
			n.w.filling[n.who] = true
		}
		got, ok := n.w.at(key).items[key]
		if !ok {
			err = memcache.ErrCacheMiss
			return "-"
		}
		it = &got
		return fmt.Sprint(got.Flags, got.CasID, string(got.Value))
	})
	if it == nil {
		return nil, memcache.ErrCacheMiss
	}
	return it, err
}

// GetMulti reads one after another in any order, as several servers do.
func (n *node) GetMulti(keys []string) (map[string]*memcache.Item, error) {
	found := map[string]*memcache.Item{}
	all := make(chan *memcache.Item)
	for _, key := range keys {
		go func() {
			it, _ := n.Get(key)
			all <- it
		}()
	}
	for range keys {
		if it := <-all; it != nil {
			found[it.Key] = it
		}
	}
	return found, nil
}

func (n *node) Set(it *memcache.Item) error {
	n.do("set "+it.Key, func() string {
		n.w.changed()
		n.w.put(n.who, *it, false)
		return ""
	})
	return nil
}

func (n *node) Add(it *memcache.Item) (err error) {
	n.do("add "+it.Key, func() string {
		if _, ok := n.w.at(it.Key).items[it.Key]; ok {
			err = memcache.ErrNotStored
			return "not stored"
		}
		n.w.put(n.who, *it, it.Flags != promised)
		return "stored"
	})
	return err
}

func (n *node) CompareAndSwap(it *memcache.Item) (err error) {
	n.do("cas "+it.Key, func() string {
		delete(n.w.filling, n.who)
		old, ok := n.w.at(it.Key).items[it.Key]
		switch {
		case !ok:
			err = memcache.ErrCacheMiss
		case old.CasID != it.CasID:
			err = memcache.ErrCASConflict
		default:
			n.w.put(n.who, *it, true)
		}
		return fmt.Sprint(err)
	})
	return err
}

func (n *node) Delete(key string) (err error) {
	n.do("delete "+key, func() string {
		n.w.changed()
		if _, ok := n.w.at(key).items[key]; !ok {
			err = memcache.ErrCacheMiss
		}
		delete(n.w.at(key).items, key)
		return fmt.Sprint(err)
	})
	return err
}

// load takes a lease, reads the database and fills, or releases.
func (n *node) load(t *testing.T, fill bool) {
	s := newStore(n)
	won := make([]bool, 1)
	if err := s.Lease(t.Context(), []string{"k"}, n.who, time.Second, won); err != nil || !won[0] {
		return
	}
	read := 0
	n.do("read", func() string {
		n.w.wins++
		n.w.fresh[n.who] = true
		read = n.w.truth
		return fmt.Sprint(read)
	})
	if !fill {
		s.Release(t.Context(), []string{"k"}, n.who)
		return
	}
	n.fills = true
	s.Fill(t.Context(), []cache.Item{{Key: "k", Value: fmt.Append(nil, read), TTL: time.Hour}}, n.who)
	n.mu <- struct{}{}
	delete(n.w.filling, n.who)
	<-n.mu
}

// write changes the database and then deletes or sets.
func (n *node) write(t *testing.T, set bool) {
	s := newStore(n)
	n.do("write", func() string { n.w.truth = 2; return "" })
	if set {
		s.Set(t.Context(), []cache.Item{{Key: "k", Value: []byte("2"), TTL: time.Hour}})
	} else {
		s.Delete(t.Context(), []string{"k"})
	}
}

// choices are what may happen next.
func (w *world) choices() (all []*step) {
	slices.SortFunc(w.pending, func(a, b *step) int {
		return cmp.Or(cmp.Compare(a.who, b.who), cmp.Compare(a.what, b.what))
	})
	all = slices.Clone(w.pending)
	if len(all) == 0 {
		return nil
	}
	for i := range w.servers {
		for name := range w.servers[i].items { // one at most
			if w.drops > 0 {
				all = append(all, &step{who: "~", what: "drop " + name, do: func() string {
					w.drops--
					delete(w.servers[i].items, name)
					return ""
				}})
			}
		}
	}
	// Between the two steps of one Fill no server starts anew: that takes longer.
	if w.anew > 0 && len(w.filling) == 0 {
		all = append(all, &step{who: "~", what: "restart", do: func() string {
			w.anew--
			w.servers[0] = server{items: map[string]memcache.Item{}}
			return ""
		}})
	}
	return all
}

// state is all that what comes next depends on.
func (w *world) state() string {
	var b strings.Builder
	fmt.Fprint(&b, w.truth, w.drops, w.anew, w.fresh, w.filling, w.servers, w.seen)
	for _, s := range w.pending {
		fmt.Fprint(&b, s.who, s.what)
	}
	return b.String()
}

// scenario is some processes at work on one key.
type scenario struct {
	value       bool // there is one already, of the database's former state
	set, remove bool // whether one process writes
	release     bool // whether the second loader releases instead of filling
	loaders     int
	drops, anew int
	long        bool // takes ten seconds
}

// run goes one order: choices first as told, then always the first. It returns how
// many choices there were at each point that no run has seen.
func (sc scenario) run(t *testing.T, told []int, known map[string]bool) (w *world, path []int, options []int) {
	w = newWorld()
	w.drops, w.anew = sc.drops, sc.anew
	mu := make(chan struct{}, 1)
	as := func(who string) *node { return &node{w: w, who: who, mu: mu} }
	if sc.value {
		w.put("before", memcache.Item{Key: "k", Value: []byte("1")}, false)
	}
	for i := range sc.loaders {
		n := as(string(rune('a' + i)))
		go n.load(t, i == 0 || !sc.release)
	}
	if sc.set || sc.remove {
		go as("w").write(t, sc.set)
	}
	for {
		synctest.Wait()
		all := w.choices()
		if len(all) == 0 {
			return w, path, options
		}
		pick := 0
		if len(path) < len(told) {
			pick = told[len(path)]
		} else {
			state := w.state()
			if known[state] {
				break
			}
			known[state] = true
			options = append(options, len(all))
		}
		s := all[pick]
		path = append(path, pick)
		w.seen[s.who] += s.what + "=" + s.do() + ";"
		if len(w.faults) > 0 {
			break
		}
		if s.done != nil {
			w.pending = slices.DeleteFunc(w.pending, func(p *step) bool { return p == s })
			close(s.done)
		}
	}
	// The rest goes on with nothing.
	w.over = true
	for _, s := range w.pending {
		close(s.done)
	}
	synctest.Wait()
	return w, path, options
}

// explore goes through all orders and returns how many runs that took, how many
// loads were won at least and at most, and the first faults.
func (sc scenario) explore(t *testing.T) (runs, most int, faults []string) {
	synctest.Test(t, func(t *testing.T) {
		known := map[string]bool{}
		for todo := [][]int{nil}; len(todo) > 0; {
			told := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			w, path, options := sc.run(t, told, known)
			runs++
			most = max(most, w.wins)
			if w.faults == nil && !w.over {
				sc.atEnd(w)
			}
			if len(w.faults) > 0 {
				faults = slices.Concat(w.faults, []string{fmt.Sprint(w.seen)})
				return
			}
			for i, n := range options {
				for pick := 1; pick < n; pick++ {
					todo = append(todo, append(slices.Clone(path[:len(told)+i]), pick))
				}
			}
		}
	})
	return runs, most, faults
}

// atEnd is what must hold when all are done.
func (sc scenario) atEnd(w *world) {
	v, ok := w.servers[0].items["k"]
	if ok && v.Flags != promised && string(v.Value) != fmt.Sprint(w.truth) && (w.wins > 0 && sc.drops+sc.anew == 0 && !sc.release || w.truth == 2) {
		w.faultf("at the end it is %s and should be %d", v.Value, w.truth)
	}
	if sc.drops+sc.anew == 0 && w.wins == 0 {
		w.faultf("nobody won")
	}
	l, leased := w.servers[1].items["~lk"]
	if sc.drops > 0 {
		return
	}
	if ok && v.Flags == promised {
		w.faultf("the promise of %s stays", v.Value)
	}
	if ok && leased && v.Flags != promised && bytes.HasPrefix(l.Value, leaseOn(&v, "")) {
		w.faultf("the lease of %s stays", l.Value)
	}
}

func TestModel(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if raceEnabled {
		t.Skip("one step runs at a time, and the race detector makes each ten times as long")
	}
	for name, sc := range map[string]scenario{
		"missing":               {loaders: 3},
		"missing, deleted":      {loaders: 2, remove: true},
		"missing, set":          {loaders: 2, set: true},
		"missing, released":     {loaders: 2, remove: true, release: true},
		"missing, evicted":      {loaders: 2, remove: true, drops: 1},
		"missing, restarted":    {loaders: 2, set: true, anew: 1},
		"stale":                 {loaders: 2, value: true},
		"stale, deleted":        {loaders: 2, value: true, remove: true},
		"stale, set":            {loaders: 2, value: true, set: true},
		"stale, released":       {loaders: 2, value: true, set: true, release: true},
		"stale, evicted":        {loaders: 1, value: true, remove: true, drops: 2},
		"stale, evicted, two":   {loaders: 2, value: true, remove: true, drops: 1, long: true},
		"missing, evicted, two": {loaders: 2, set: true, drops: 2, long: true},
		"stale, set, restarted": {loaders: 1, value: true, set: true, anew: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if sc.long && os.Getenv("SEAWALL_LONG") != "1" {
				t.Skip("it takes ten seconds: SEAWALL_LONG=1")
			}
			runs, most, faults := sc.explore(t)
			t.Logf("%d runs, at most %d loads", runs, most)
			if len(faults) > 0 {
				t.Error(strings.Join(faults, "\n"))
			}
		})
	}
}
