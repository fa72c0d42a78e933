package shed

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// model is what the queue should be: a sorted slice.
type model struct{ items []*waiter }

func (m *model) push(w *waiter) {
	i, _ := slices.BinarySearchFunc(m.items, w, func(a, b *waiter) int {
		if before(a, b) {
			return -1
		}
		return 1
	})
	m.items = slices.Insert(m.items, i, w)
}

func (m *model) remove(w *waiter) bool {
	i := slices.Index(m.items, w)
	if i < 0 {
		return false
	}
	m.items = slices.Delete(m.items, i, i+1)
	return true
}

func (m *model) first() *waiter {
	if len(m.items) == 0 {
		return nil
	}
	return m.items[0]
}

func (m *model) last() *waiter {
	if len(m.items) == 0 {
		return nil
	}
	return m.items[len(m.items)-1]
}

// TestQueueAgainstModel does 100,000 random things to the queue and to a sorted
// slice. Few ranks make for many ties; long tides empty it and let it grow.
func TestQueueAgainstModel(t *testing.T) {
	const steps = 100_000
	r := rand.New(rand.NewPCG(1, 2))
	var q queue
	var m model
	var gone []*waiter // have left, and may be asked to leave again
	longest := 0
	for step := range steps {
		ranks := 3
		if step%20_000 > 10_000 {
			ranks = 1 << 30
		}
		pushes := 40 + 30*(step/5_000%2) // 40 or 70 of 100
		switch dice := r.IntN(100); {
		case dice < pushes:
			w := &waiter{rank: rank(r.IntN(ranks)), best: -1, worst: -1}
			if len(gone) > 0 && dice%2 == 0 { // a pooled one
				w = gone[len(gone)-1]
				gone = gone[:len(gone)-1]
				w.rank = rank(r.IntN(ranks))
			}
			q.push(w)
			m.push(w)
		case dice < pushes+14:
			got, want := q.popBest(), m.first()
			if got != want {
				t.Fatalf("step %d: popBest %v, want %v", step, got, want)
			}
			if got != nil {
				m.remove(want)
				gone = append(gone, got)
			}
		case dice < pushes+22:
			if worst := q.peekWorst(); worst != nil {
				if !q.remove(worst) {
					t.Fatalf("step %d: the worst is not inside", step)
				}
				m.remove(worst)
				gone = append(gone, worst)
			}
		case dice < pushes+28 && len(m.items) > 0: // somebody's client leaves
			w := m.items[r.IntN(len(m.items))]
			if !q.remove(w) {
				t.Fatalf("step %d: one who waits is not inside", step)
			}
			m.remove(w)
			gone = append(gone, w)
		case len(gone) > 0:
			if q.remove(gone[r.IntN(len(gone))]) {
				t.Fatalf("step %d: one who has left leaves again", step)
			}
		}
		if q.len() != len(m.items) {
			t.Fatalf("step %d: length %d, want %d", step, q.len(), len(m.items))
		}
		if q.peekWorst() != m.last() || q.best.first() != m.first() {
			t.Fatalf("step %d: best %v, worst %v; want %v, %v", step, q.best.first(), q.peekWorst(), m.first(), m.last())
		}
		longest = max(longest, q.len())
		if step%1000 == 0 {
			checkHeaps(t, &q)
		}
	}
	if longest < 1000 {
		t.Errorf("the queue never held more than %d: the test is too tame", longest)
	}
	for want := m.first(); want != nil; want = m.first() {
		if got := q.popBest(); got != want {
			t.Fatalf("emptying: %v, want %v", got, want)
		}
		m.remove(want)
	}
	if q.popBest() != nil || q.peekWorst() != nil || q.len() != 0 {
		t.Error("an empty queue holds somebody")
	}
}

// checkHeaps: everybody is where they believe to be, in both heaps, and no
// removed waiter is kept alive by the arrays behind them.
func checkHeaps(t *testing.T, q *queue) {
	t.Helper()
	for _, h := range []*heap{&q.best, &q.worst} {
		for i, w := range h.items {
			if *h.at(w) != i {
				t.Fatalf("%v is at %d, and believes to be at %d", w, i, *h.at(w))
			}
			if i > 0 && h.less(w, h.items[(i-1)/2]) {
				t.Fatalf("%v stands below a worse one", w)
			}
		}
		for _, w := range h.items[len(h.items):cap(h.items)] {
			if w != nil {
				t.Fatalf("%v is kept alive", w)
			}
		}
	}
}

func TestQueueIsFirstComeFirstServedWithinARank(t *testing.T) {
	var q queue
	var all []*waiter
	for i := range 300 {
		w := &waiter{rank: rank(i % 3)}
		all = append(all, w)
		q.push(w)
	}
	for i := range 300 {
		want := all[i%100*3+i/100] // all of rank 0 in their order, then 1, then 2
		if got := q.popBest(); got != want {
			t.Fatalf("number %d is %+v, want %+v", i, got, want)
		}
	}
}

// The last of the worst rank is the one who has to go: who came first has waited
// longest.
func TestQueueEvictsTheLatestOfTheWorst(t *testing.T) {
	var q queue
	var all []*waiter
	for range 10 {
		w := &waiter{rank: 7}
		all = append(all, w)
		q.push(w)
	}
	q.push(&waiter{rank: 6})
	for i := 9; i >= 0; i-- {
		if got := q.peekWorst(); got != all[i] {
			t.Fatalf("the worst is %+v, want %+v", got, all[i])
		}
		q.remove(all[i])
	}
}
