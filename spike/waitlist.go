package spike

import "time"

// grant is what a waiter is told when its turn comes.
type grant struct {
	work time.Duration
	err  error
}

// waiter is a place in the queue of a Backend. ready has room for the one
// grant it can get, so that whoever grants never waits.
type waiter struct {
	route      int
	ready      chan grant
	prev, next *waiter
	queued     bool
}

// waitList is a first-come queue that can be left from the middle: a doubly
// linked list.
type waitList struct {
	head, tail *waiter
	n          int
}

func (l *waitList) push(w *waiter) {
	w.prev, w.queued = l.tail, true
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	l.n++
}

// pop takes the first. The list must not be empty.
func (l *waitList) pop() *waiter {
	w := l.head
	l.remove(w)
	return w
}

// remove reports whether w was still in the list.
func (l *waitList) remove(w *waiter) bool {
	if !w.queued {
		return false
	}
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	l.n--
	return true
}
