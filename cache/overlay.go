package cache

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// cell is an entry with its place. All but use stays as it is while readers can
// find it in the index.
type cell[K comparable, V any] struct {
	key        K
	entry      *Entry[V]
	hash       uint64
	cost       int64 // with overhead
	prev, next *cell[K, V]
	use        atomic.Uint32
	place      place // under the window's lock
	refused    bool  // not in ristretto, though it was offered
}

// The parts of cell.use.
const (
	useCount     = 0x0f          // hits of which ristretto was told in this epoch
	useAgain     = 1 << 7        // hit since it came into the window
	useEpoch     = ^uint32(0xff) // epochs come from misses: counters that nobody misses need no aging
	useEpochStep = 1 << 8
)

// place is where a cell counts.
type place uint8

const (
	inWindow place = iota
	leaving        // for ristretto, which has not decided yet
	inMain         // in ristretto
	nowhere
)

// window is a queue of cells in the order in which they came. Those that were
// used again get another chance when their turn has come, so that it works as
// an LRU does, and a hit changes no order.
type window[K comparable, V any] struct {
	sync.Mutex
	root       cell[K, V] // next is the newest, prev the oldest
	used, room int64
}

func (w *window[K, V]) init(room int64) {
	w.root.prev, w.root.next, w.room = &w.root, &w.root, room
}

func (w *window[K, V]) push(c *cell[K, V]) {
	c.place = inWindow
	c.prev, c.next = &w.root, w.root.next
	c.prev.next, c.next.prev = c, c
	w.used += c.cost
}

func (w *window[K, V]) remove(c *cell[K, V]) {
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
	w.used -= c.cost
}

// shrink makes room in the window, which is locked. What was used again is
// offered to ristretto, and anything as long as ristretto is not full. It returns a chain of those that have to leave the index.
func (l *ristrettoL1[K, V]) shrink() *cell[K, V] {
	var gone *cell[K, V]
	w := &l.window
	for w.used > w.room {
		c := w.root.prev
		w.remove(c)
		if c.use.Load()&useAgain != 0 || l.feed.hasRoom(c) {
			c.place = leaving
			l.feed.offer(c)
			continue
		}
		c.place = nowhere
		c.next, gone = gone, c
	}
	return gone
}

// forget takes cells out of the index. Nothing may be locked.
func (l *ristrettoL1[K, V]) forget(gone *cell[K, V]) {
	for c := gone; c != nil; {
		next := c.next
		c.next = nil
		s := l.shard(c.hash)
		s.Lock()
		if s.cells[c.key] == c {
			delete(s.cells, c.key)
		}
		s.Unlock()
		c = next
	}
}

// drop ends a cell that has just left the index. Its shard and the window are
// locked.
func (l *ristrettoL1[K, V]) drop(c *cell[K, V]) {
	switch c.place {
	case inWindow:
		l.window.remove(c)
	case inMain:
		l.feed.settled -= c.cost + mainBytes
		l.feed.withdraw(c)
	case leaving, nowhere:
	}
	c.place = nowhere
	c.entry = nil // what ristretto holds for a while is small
}

// cellBytes is what an entry takes beside its cost: the cell, and a slot of the
// index, which is two thirds full on average.
func cellBytes[K comparable, V any]() int64 {
	var key K
	slot := int64(unsafe.Sizeof(key)+unsafe.Sizeof(uintptr(0))) + 1
	return sizeClass(int64(unsafe.Sizeof(cell[K, V]{}))) + slot*3/2
}

// mainBytes is what an entry takes in ristretto: a slot of 56 bytes in its store
// and one of 16 in its policy.
const mainBytes = (56+1)*3/2 + (16+1)*3/2
