package shed

// waiter is a request that waits for a seat. It belongs to the queue while
// inside it, and to its own goroutine otherwise.
type waiter struct {
	rank  rank
	seats int64  // wanted, and after it has been granted, had
	seq   uint64 // first come first served within a rank
	best  int    // index in each heap
	worst int
	// ready tells the outcome, once. It has room for it, so that nobody
	// blocks while he holds the lock.
	ready chan verdict
}

type verdict uint8

const (
	granted verdict = iota
	evicted
	closed
	expired // no more patience
	left    // the client is gone
)

// queue is the waiters in the order of their ranks, from both ends: a seat
// goes to the best, and when there is no room the worst has to go. Two heaps
// with positions do each in O(log n). The caller locks.
type queue struct {
	best  heap
	worst heap
	seq   uint64
	seats int64 // all together
}

func (q *queue) len() int { return len(q.best.items) }

func (q *queue) push(w *waiter) {
	if q.best.items == nil {
		q.best = heap{less: before, at: func(w *waiter) *int { return &w.best }}
		q.worst = heap{less: func(a, b *waiter) bool { return before(b, a) }, at: func(w *waiter) *int { return &w.worst }}
	}
	q.seq++
	w.seq = q.seq
	q.seats += w.seats
	q.best.push(w)
	q.worst.push(w)
}

func before(a, b *waiter) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return a.seq < b.seq
}

// peekBest returns the next to be served, or nil.
func (q *queue) peekBest() *waiter { return q.best.first() }

// peekWorst returns the one who would have to go, or nil.
func (q *queue) peekWorst() *waiter { return q.worst.first() }

// popBest removes and returns the next to be served, or nil.
func (q *queue) popBest() *waiter {
	w := q.best.first()
	if w != nil {
		q.remove(w)
	}
	return w
}

// remove takes w out. It reports false if w was no longer inside.
func (q *queue) remove(w *waiter) bool {
	if w.best < 0 {
		return false
	}
	q.seats -= w.seats
	q.best.removeAt(w.best)
	q.worst.removeAt(w.worst)
	return true
}

// heap is a binary heap whose items know where they are.
type heap struct {
	items []*waiter
	less  func(a, b *waiter) bool
	at    func(*waiter) *int
}

func (h *heap) first() *waiter {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *heap) push(w *waiter) {
	h.items = append(h.items, w)
	h.up(len(h.items)-1, w)
}

func (h *heap) removeAt(i int) {
	*h.at(h.items[i]) = -1
	n := len(h.items) - 1
	last := h.items[n]
	h.items[n] = nil
	h.items = h.items[:n]
	if i == n {
		return
	}
	h.up(i, last)
	h.down(*h.at(last), last)
}

func (h *heap) up(i int, w *waiter) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(w, h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, w)
}

func (h *heap) down(i int, w *waiter) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if child+1 < len(h.items) && h.less(h.items[child+1], h.items[child]) {
			child++
		}
		if !h.less(h.items[child], w) {
			break
		}
		h.set(i, h.items[child])
		i = child
	}
	h.set(i, w)
}

func (h *heap) set(i int, w *waiter) {
	h.items[i] = w
	*h.at(w) = i
}
