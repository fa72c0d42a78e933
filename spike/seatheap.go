package spike

// seat is one who waits for a seat.
type seat struct {
	rank    uint64 // lower is better: class, then the user's place in the order
	arrived uint64
	given   chan bool // room for the one answer: a seat, or evicted
	index   int       // in the heap, -1 when no longer
}

func (s *seat) before(t *seat) bool {
	if s.rank != t.rank {
		return s.rank < t.rank
	}
	return s.arrived < t.arrived
}

// seatHeap has the best seat first. Its own few lines, as container/heap would
// box every element.
type seatHeap []*seat

func (h *seatHeap) push(s *seat) {
	s.index = len(*h)
	*h = append(*h, s)
	h.up(s.index)
}

// pop takes the best. The heap must not be empty.
func (h *seatHeap) pop() *seat {
	s := (*h)[0]
	h.remove(s)
	return s
}

// remove reports whether s was still there.
func (h *seatHeap) remove(s *seat) bool {
	i, last := s.index, len(*h)-1
	if i < 0 {
		return false
	}
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	if i < last {
		h.up(i)
		h.down(i)
	}
	s.index = -1
	return true
}

// worst looks at the leaves only: nobody is worse than all of them.
func (h seatHeap) worst() *seat {
	w := h[len(h)-1]
	for _, s := range h[len(h)/2:] {
		if w.before(s) {
			w = s
		}
	}
	return w
}

func (h seatHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h seatHeap) up(i int) {
	for i > 0 && h[i].before(h[(i-1)/2]) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h seatHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
