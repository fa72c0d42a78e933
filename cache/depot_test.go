package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// depot is an L2 in memory, with leases, a bus, a clock of its own, and every fault
// that a store over a network has.
type depot struct {
	fault atomic.Int32
	deaf  atomic.Bool  // the bus drops what is published, and says so afterwards
	shift atomic.Int64 // of its clock, against that of this process
	mute  atomic.Bool  // it does not tell its time
	way   atomic.Int64 // how long each way takes at most
	gets  atomic.Int64 // keys read

	mu     sync.Mutex
	values map[string]deposit
	leases map[string]deposit
	ears   []*listening
	late   []func() // what lies in its buffers while it is frozen
	thawed chan struct{}
}

type deposit struct {
	value []byte
	until time.Time
}

const (
	sound   int32 = iota
	down          // refuses at once
	gone          // answers nothing, and carries out nothing
	frozen        // answers nothing; when it is back it carries out what it was told, in any order
	slow          // answers too late, and carries it out
	unheard       // carries it out, and the answer is lost, mostly
	faults
)

var errDepot = errors.New("the depot is closed")

func newDepot() *depot {
	d := &depot{values: make(map[string]deposit), leases: make(map[string]deposit), thawed: make(chan struct{})}
	d.way.Store(int64(time.Millisecond))
	return d
}

// breaks begins a fault, sound ends it.
func (d *depot) breaks(fault int32) {
	d.fault.Store(fault)
	if fault == frozen {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rand.Shuffle(len(d.late), func(i, j int) { d.late[i], d.late[j] = d.late[j], d.late[i] })
	for _, do := range d.late {
		do()
	}
	d.late = nil
	close(d.thawed)
	d.thawed = make(chan struct{})
}

// travel takes a way, or less.
func (d *depot) travel(ctx context.Context) error {
	if way := d.way.Load(); way > 0 {
		select {
		case <-time.After(time.Duration(rand.Int64N(way))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// trip carries out do under the lock, as the fault of the moment has it.
func (d *depot) trip(ctx context.Context, do func()) error {
	if err := d.travel(ctx); err != nil {
		return err
	}
	now := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		do()
	}
	switch d.fault.Load() {
	case down:
		return errDepot
	case gone:
		<-ctx.Done()
		return ctx.Err()
	case frozen:
		d.mu.Lock()
		d.late = append(d.late, do)
		thawed := d.thawed
		d.mu.Unlock()
		select {
		case <-thawed:
		case <-ctx.Done():
			return ctx.Err()
		}
	case slow:
		select {
		case <-time.After(time.Duration(60+rand.IntN(300)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		now()
	case unheard:
		now()
		if rand.IntN(3) > 0 {
			return errDepot
		}
	default:
		now()
	}
	return d.travel(ctx)
}

func (d *depot) time() time.Time { return time.Now().Add(time.Duration(d.shift.Load())) }

func (d *depot) Get(ctx context.Context, keys []string, values [][]byte) (time.Time, error) {
	keys, got, now := slices.Clone(keys), make([][]byte, len(keys)), time.Time{} // it may be carried out after this has returned
	err := d.trip(ctx, func() {
		d.gets.Add(int64(len(keys)))
		for i, k := range keys {
			if v, ok := d.values[k]; ok && time.Now().Before(v.until) {
				got[i] = slices.Clone(v.value)
			}
		}
		now = d.time()
	})
	if err != nil {
		return time.Time{}, err
	}
	copy(values, got)
	if d.mute.Load() || rand.IntN(3) == 0 && !strings.HasSuffix(keys[len(keys)-1], ":a") {
		now = time.Time{} // not asked this time
	}
	return now, nil
}

func (d *depot) put(it cache.Item) {
	d.values[it.Key] = deposit{slices.Clone(it.Value), time.Now().Add(it.TTL)}
}

func (d *depot) Set(ctx context.Context, items []cache.Item) error {
	items = slices.Clone(items)
	return d.trip(ctx, func() {
		for _, it := range items {
			delete(d.leases, it.Key)
			d.put(it)
		}
	})
}

func (d *depot) Delete(ctx context.Context, keys []string) error {
	keys = slices.Clone(keys)
	return d.trip(ctx, func() {
		for _, k := range keys {
			delete(d.leases, k)
			delete(d.values, k)
		}
	})
}

// flush forgets all.
func (d *depot) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.values)
	clear(d.leases)
}

// leasing is a depot that gives leases.
type leasing struct{ *depot }

func (d leasing) Lease(ctx context.Context, keys []string, token string, ttl time.Duration, won []bool) error {
	keys, got := slices.Clone(keys), make([]bool, len(keys))
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

func (d leasing) Fill(ctx context.Context, items []cache.Item, token string) error {
	items = slices.Clone(items)
	return d.trip(ctx, func() {
		for _, it := range items {
			if l := d.leases[it.Key]; string(l.value) == token && time.Now().Before(l.until) {
				delete(d.leases, it.Key)
				d.put(it)
			}
		}
	})
}

func (d leasing) Release(ctx context.Context, keys []string, token string) error {
	keys = slices.Clone(keys)
	return d.trip(ctx, func() {
		for _, k := range keys {
			if string(d.leases[k].value) == token {
				delete(d.leases, k)
			}
		}
	})
}

// listening is somebody on the bus. A nil message says that some were missed.
type listening struct {
	messages chan []byte
	missed   bool
}

func (d *depot) Publish(ctx context.Context, message []byte) error {
	message = slices.Clone(message)
	return d.trip(ctx, func() {
		for _, e := range d.ears {
			if d.deaf.Load() {
				e.missed = true
				continue
			}
			e.messages <- message
		}
	})
}

// hears lets the bus work again.
func (d *depot) hears() {
	d.deaf.Store(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.ears {
		if e.missed {
			e.missed = false
			e.messages <- nil
		}
	}
}

func (d *depot) Listen(ctx context.Context, heard func([]byte), lost func()) {
	e := &listening{messages: make(chan []byte, 100_000)}
	d.mu.Lock()
	d.ears = append(d.ears, e)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ears = slices.DeleteFunc(d.ears, func(x *listening) bool { return x == e })
	}()
	lost()
	for {
		select {
		case m := <-e.messages:
			if d.travel(ctx) != nil {
				return
			}
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
