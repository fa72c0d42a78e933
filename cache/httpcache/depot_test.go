package httpcache

//house:sleep the tests that use it are in bubbles

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// depot is an L2 in memory, with leases, a bus, and the faults that matter to a
// request.
type depot struct {
	fault atomic.Int32
	way   atomic.Int64 // how long each way takes
	calls atomic.Int64

	mu     sync.Mutex
	values map[string]deposit
	leases map[string]deposit
	ears   map[int]chan []byte
	next   int
}

type deposit struct {
	value []byte
	until time.Time
}

const (
	sound  int32 = iota
	dead         // refuses at once
	frozen       // answers nothing
	slow         // answers after the patience of all who wait
)

var errDepot = errors.New("the depot is closed")

func newDepot() *depot {
	d := &depot{values: make(map[string]deposit), leases: make(map[string]deposit), ears: make(map[int]chan []byte)}
	d.way.Store(int64(time.Millisecond))
	return d
}

// trip carries out do, as the fault of the moment has it.
func (d *depot) trip(ctx context.Context, do func()) error {
	d.calls.Add(1)
	way := time.Duration(d.way.Load())
	switch d.fault.Load() {
	case dead:
		return errDepot
	case frozen:
		<-ctx.Done()
		return ctx.Err()
	case slow:
		way = time.Second
	}
	select {
	case <-time.After(way):
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
	return nil
}

func (d *depot) Get(ctx context.Context, keys []string, values [][]byte) (now time.Time, err error) {
	got := make([][]byte, len(keys))
	if err = d.trip(ctx, func() {
		now = time.Now()
		for i, k := range keys {
			if v, ok := d.values[k]; ok && now.Before(v.until) {
				got[i] = slices.Clone(v.value)
			}
		}
	}); err == nil {
		copy(values, got)
	}
	return now, err
}

func (d *depot) put(it cache.Item) {
	d.values[it.Key] = deposit{slices.Clone(it.Value), time.Now().Add(it.TTL)}
}

func (d *depot) Set(ctx context.Context, items []cache.Item) error {
	return d.trip(ctx, func() {
		for _, it := range items {
			delete(d.leases, it.Key)
			d.put(it)
		}
	})
}

func (d *depot) Delete(ctx context.Context, keys []string) error {
	return d.trip(ctx, func() {
		for _, k := range keys {
			delete(d.leases, k)
			delete(d.values, k)
		}
	})
}

func (d *depot) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	got := make([]bool, len(keys))
	err := d.trip(ctx, func() {
		for i, k := range keys {
			if l, held := d.leases[k]; !held || time.Now().After(l.until) {
				d.leases[k] = deposit{[]byte(token), time.Now().Add(ttl)}
				got[i] = true
			}
		}
	})
	if err == nil {
		copy(won, got)
	}
	return err
}

func (d *depot) Fill(ctx context.Context, items []cache.Item, token string) error {
	return d.trip(ctx, func() {
		for _, it := range items {
			if l := d.leases[it.Key]; string(l.value) == token && time.Now().Before(l.until) {
				delete(d.leases, it.Key)
				d.put(it)
			}
		}
	})
}

func (d *depot) Release(ctx context.Context, keys []string, token string) error {
	return d.trip(ctx, func() {
		for _, k := range keys {
			if string(d.leases[k].value) == token {
				delete(d.leases, k)
			}
		}
	})
}

func (d *depot) Publish(ctx context.Context, message []byte) error {
	return d.trip(ctx, func() {
		for _, ear := range d.ears {
			ear <- slices.Clone(message)
		}
	})
}

func (d *depot) Listen(ctx context.Context, heard func([]byte), lost func()) {
	ear := make(chan []byte, 10_000)
	d.mu.Lock()
	n := d.next
	d.next++
	d.ears[n] = ear
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.ears, n)
	}()
	lost()
	for {
		select {
		case m := <-ear:
			if m == nil {
				lost()
			} else {
				heard(m)
			}
		case <-ctx.Done():
			return
		}
	}
}

// hangUp lets all who listen know that they may have missed something.
func (d *depot) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ear := range d.ears {
		ear <- nil
	}
}

// flush loses all that lies there.
func (d *depot) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.values)
	clear(d.leases)
}

// each calls f with all that lies there, and puts back what it returns.
func (d *depot) each(f func(key string, value []byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, v := range d.values {
		if strings.Contains(k, ":v:") {
			v.value = f(k, v.value)
			d.values[k] = v
		}
	}
}

// node is one process in front of a site of its own.
type node struct {
	*Cache
	front http.Handler
	site  *origin
}

// site answers by f, and counts for all nodes.
type site struct {
	calls atomic.Int64
	f     http.HandlerFunc
}

// nodes opens n processes over one depot, all in front of one site.
func nodes(t *testing.T, n int, d *depot, s *site, cfg Config) []*node {
	t.Helper()
	all := make([]*node, n)
	for i := range all {
		all[i] = opens(t, d, s, cfg)
	}
	time.Sleep(2 * time.Second) // until they know its clock and hear each other
	return all
}

func opens(t *testing.T, d *depot, s *site, cfg Config) *node {
	t.Helper()
	cfg.Name = "pages"
	cfg.Shared.L2 = d
	a := &node{Cache: newCache(t, cfg)}
	a.site = &origin{f: func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		s.f(w, r)
	}}
	a.front = a.Middleware(a.site)
	return a
}

// get asks for a path of the site, and fails the test if another body comes.
func (a *node) get(t *testing.T, path, want string, fields ...string) *http.Response {
	t.Helper()
	got := ask(a.front, "GET", "http://site.example"+path, fields...)
	if b := body(got); want != "" && b != want {
		t.Errorf("%s: got %q, want %q (%s)", path, b, want, got.Header.Get("Cache-Status"))
	}
	return got
}

// asked fails the test if the site was asked another number of times since then.
func (s *site) asked(t *testing.T, want int64) {
	t.Helper()
	if n := s.calls.Swap(0); n != want {
		t.Errorf("the site was asked %d times, want %d", n, want)
	}
}

// edition is a site whose pages say which edition they are of.
type edition struct {
	site
	n      atomic.Int64
	fields atomic.Pointer[[]string] // names and values
	status atomic.Int64
	takes  atomic.Int64
}

func newEdition(fields ...string) *edition {
	e := &edition{}
	e.fields.Store(&fields)
	e.n.Store(1)
	e.f = func(w http.ResponseWriter, r *http.Request) {
		n, status := e.n.Load(), e.status.Load()
		if d := e.takes.Load(); d > 0 {
			time.Sleep(time.Duration(d))
		}
		if status != 0 {
			w.WriteHeader(int(status))
			return
		}
		fields := *e.fields.Load()
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
		if !strings.HasPrefix(r.URL.Path, "/shop/") {
			w.Header().Del("Surrogate-Key")
		}
		tag := fmt.Sprintf(`"%d"`, n)
		if w.Header().Get("Etag") == "yes" {
			w.Header().Set("Etag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		fmt.Fprintf(w, "%s%s of %d", r.URL.Path, r.Header.Get("Accept-Language"), n)
	}
	return e
}
