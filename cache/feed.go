package cache

import (
	"math/bits"
	"runtime"
	"sync"
)

// batchSize is for how many cells together ristretto is waited for: a switch of
// goroutines costs as much as some of its decisions.
const batchSize = 32

// feed is the way into ristretto. Its buffer drops what comes too fast, and it
// does not say what has become of the rest; so cells go there in batches, one
// batch at a time, and whoever has filled one waits until it is decided.
type feed[K comparable, V any] struct {
	flushing sync.Mutex

	// What follows is under the window's lock, and in the order in which it has to
	// be done for each key.
	queue      []order[K, V]
	spare      []order[K, V]
	bytes      int64 // of the offers in the queue
	batchBytes int64
	settled    int64 // bytes in ristretto
	mainRoom   int64
}

// order is to put a cell into ristretto or to take it out.
type order[K comparable, V any] struct {
	c        *cell[K, V]
	withdraw bool
}

func (f *feed[K, V]) offer(c *cell[K, V]) {
	f.queue = append(f.queue, order[K, V]{c: c})
	f.bytes += c.cost + mainBytes
}

// hasRoom reports that ristretto would take the cell without refusing or evicting
// anything.
func (f *feed[K, V]) hasRoom(c *cell[K, V]) bool {
	return f.settled+f.bytes+c.cost+mainBytes <= f.mainRoom
}

func (f *feed[K, V]) withdraw(c *cell[K, V]) {
	f.queue = append(f.queue, order[K, V]{c: c, withdraw: true})
}

func (f *feed[K, V]) due() bool {
	return len(f.queue) >= batchSize || f.bytes >= f.batchBytes
}

// late is when nobody may add more without waiting.
func (f *feed[K, V]) late() bool {
	return len(f.queue) >= 4*batchSize || f.bytes >= 4*f.batchBytes
}

// flush has ristretto decide about a batch. Nothing may be locked.
func (l *ristrettoL1[K, V]) flush() {
	if !l.feed.flushing.TryLock() {
		l.window.Lock()
		late := l.feed.late()
		l.window.Unlock()
		if !late {
			return
		}
		l.feed.flushing.Lock()
	}
	defer l.feed.flushing.Unlock()
	if l.closed {
		return
	}
	batch := l.take()
	if len(batch) == 0 {
		return
	}
	for i := range batch {
		c := batch[i].c
		if batch[i].withdraw {
			l.main.Del(c.hash)
		} else if !l.main.Set(c.hash, c, c.cost+mainBytes) {
			c.refused = true
		}
	}
	l.main.Wait()
	l.settle(batch)
}

// take returns a batch, if one is due, without the cells that are gone.
func (l *ristrettoL1[K, V]) take() []order[K, V] {
	l.window.Lock()
	defer l.window.Unlock()
	f := &l.feed
	if !f.due() {
		return nil
	}
	batch := f.queue[:0]
	for _, o := range f.queue {
		if o.withdraw || o.c.place == leaving {
			batch = append(batch, o)
		}
	}
	clear(f.queue[len(batch):])
	f.queue, f.spare, f.bytes = f.spare[:0], nil, 0
	return batch
}

// settle gives each cell of a decided batch its place. What ristretto refused has
// been used again in the window, and may stay for another turn.
func (l *ristrettoL1[K, V]) settle(batch []order[K, V]) {
	l.window.Lock()
	for i := range batch {
		c := batch[i].c
		switch {
		case batch[i].withdraw:
		case c.place == nowhere:
			if !c.refused {
				l.feed.withdraw(c)
			}
		case c.refused:
			c.refused = false
			c.use.Store(0)
			l.window.push(c)
		default:
			c.place = inMain
			l.feed.settled += c.cost + mainBytes
		}
	}
	gone := l.shrink()
	clear(batch)
	l.feed.spare = batch[:0]
	l.window.Unlock()
	l.forget(gone)
}

// rejected is called by ristretto's goroutine, before Wait returns.
func (l *ristrettoL1[K, V]) rejected(c *cell[K, V]) {
	if c != nil {
		c.refused = true
	}
}

// evicted is called by ristretto's goroutine.
func (l *ristrettoL1[K, V]) evicted(c *cell[K, V]) {
	if c == nil || l.muted.Load() {
		return
	}
	l.window.Lock()
	c.refused = true
	switch c.place {
	case nowhere:
		l.window.Unlock()
		return
	case inMain:
		l.feed.settled -= c.cost + mainBytes
	case inWindow, leaving:
	}
	c.place = nowhere
	l.window.Unlock()
	l.forget(c)
}

// empty takes all away and gives each shard another index. Nothing is on its
// way into ristretto, as feed.flushing is held.
func (l *ristrettoL1[K, V]) empty(index func() map[K]*cell[K, V]) {
	l.muted.Store(true)
	defer l.muted.Store(false)
	for i := range l.shards {
		s := &l.shards[i]
		s.Lock()
		l.window.Lock()
		for _, c := range s.cells {
			l.drop(c)
		}
		l.window.Unlock()
		s.cells = index()
		s.Unlock()
	}
	l.main.Clear()

	// What is ordered to be taken out is out; what has come since may stay.
	l.window.Lock()
	defer l.window.Unlock()
	f := &l.feed
	rest := f.queue[:0]
	f.bytes = 0
	for _, o := range f.queue {
		if !o.withdraw && o.c.place == leaving {
			rest = append(rest, o)
			f.bytes += o.c.cost + mainBytes
		}
	}
	clear(f.queue[len(rest):])
	f.queue = rest
}

func (l *ristrettoL1[K, V]) Close() {
	l.feed.flushing.Lock()
	defer l.feed.flushing.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.empty(func() map[K]*cell[K, V] { return nil })
	// Its Get must not run beside its Close: nobody is in a shard that finds
	// something, and whoever comes later sees that there is no index.
	l.muted.Store(true)
	l.main.Close()
}

// fixedBytes is what ristretto takes before there is an entry: a buffer of 32768
// pointers, 256 maps, the collected accesses, a sketch of four rows of half bytes,
// and a Bloom filter of ten bits a counter; the last two are rounded up to powers
// of two.
func fixedBytes(counters int64) int64 {
	pow2 := func(n int64) int64 { return 1 << bits.Len64(uint64(n-1)) }
	return 32768*8 + 256*(120+8*57) + indexShards*512 +
		recordBuffer(counters)*8*int64(runtime.GOMAXPROCS(0)) +
		2*pow2(counters) + pow2(counters*96/10)/8
}
