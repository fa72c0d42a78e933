package cache

import (
	"strconv"
	"sync"
	"time"
)

// storeClock is what a process knows of L2's clock. All times in L2 are by that,
// so that a process whose own clock is wrong, or is set, harms nobody.
type storeClock struct {
	mu      sync.Mutex
	learned bool
	none    bool  // the store does not tell its time
	offset  int64 // what L2's clock says is the Cache's and this; all in microseconds
	wrong   int64 // by how much at most
	at      int64 // since when, in nanoseconds of the Cache's clock
	asked   int64 // when somebody asked the last time, by the same
}

const (
	// unknownWrong is taken for stores that do not tell their time: that of this
	// process is taken for it, as it was when it began, or that of the process whose
	// clock is ahead of all.
	unknownWrong = 5000
	// furthestAhead is how far a clock may be ahead of this one; more is taken for
	// garbage.
	furthestAhead = 25 * time.Hour
	// askEvery is how often a store is asked for its time.
	askEvery = int64(time.Second)
)

// due says whether it is time to ask; then it is not for a while, whatever comes of
// it. Until something is known everybody asks.
func (s *storeClock) due(at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.learned && (s.none || at-s.asked <= askEvery) {
		return false
	}
	s.asked = at
	return true
}

// says takes in what L2's clock said at some moment between two of this process.
// It believes what it learned by a shorter trip, unless that is long ago. Jumped
// says that L2's clock was set.
func (s *storeClock) says(now time.Time, began, ended int64) (jumped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.IsZero() {
		if !s.learned {
			s.learned, s.none, s.wrong, s.at = true, true, unknownWrong, ended
		}
		return false
	}
	offset, wrong := now.UnixMicro()-(began+ended)/2e3, (ended-began)/2e3+1
	drift := (ended - s.at) / 1e3 / 10_000 // clocks differ by less than 0.1 ms a second
	known := s.wrong + drift
	jumped = s.learned && !s.none && max(offset-s.offset, s.offset-offset) > wrong+known
	if !s.learned || s.none || wrong <= known || jumped {
		s.learned, s.none, s.offset, s.wrong, s.at = true, false, offset, wrong, ended
	}
	return jumped
}

// saw takes in a time that another process has written. Where the store does not
// tell its own, all go by the clock that is ahead.
func (s *storeClock) saw(us, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ahead := us - at/1e3 - s.offset; s.none && ahead > 0 && ahead < furthestAhead.Microseconds() {
		s.offset += ahead
	}
}

func (s *storeClock) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learned
}

func (s *storeClock) get() (offset, wrong int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offset, s.wrong
}

// tolerance is by how much two times of L2 may differ here and be the same, in
// nanoseconds.
func (s *storeClock) tolerance() int64 {
	_, wrong := s.get()
	return 2*wrong*1e3 + ms
}

// createdInStore is a time of this process by L2's clock, in microseconds since
// 1970, rather too early; so that it is older than what was invalidated after it.
func (r *remote[K, V]) createdInStore(at int64) int64 {
	offset, wrong := r.clock.get()
	return floorDiv(at, 1e3) + offset - wrong
}

// epochInStore is the same, rather too late.
func (r *remote[K, V]) epochInStore(at int64) int64 {
	offset, wrong := r.clock.get()
	return floorDiv(at, 1e3) + 1 + offset + wrong
}

// createdHere is a time of L2's clock by that of this process, rather too early.
func (r *remote[K, V]) createdHere(us int64) int64 {
	offset, wrong := r.clock.get()
	return (us - offset - wrong) * 1e3
}

// epochHere is the same, rather too late, but not in the future: what was made
// invalid before L2's clock was set back is so until now.
func (r *remote[K, V]) epochHere(us int64) int64 {
	offset, wrong := r.clock.get()
	now := r.c.clock.Exact()
	if us-offset+wrong > now/1e3 {
		return now
	}
	return (us - offset + wrong) * 1e3
}

// clockSet is for when L2's clock was set: what happened meanwhile is not known.
func (r *remote[K, V]) clockSet() {
	r.allRead.Store(0)
	c := r.c
	c.tags.mu.Lock()
	if c.tags.lru != nil {
		for _, t := range c.tags.lru.Values() {
			t.known.Store(0)
		}
	}
	c.tags.mu.Unlock()
	c.gapped()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// learnClock asks for L2's clock, before the first thing is written by it.
func (r *remote[K, V]) learnClock() error {
	if r.clock.known() {
		return nil
	}
	_, err := r.get(r.c.ctx, []string{r.allKey})
	return err
}

// Times of invalidation are kept as decimals.
func encodeEpoch(us int64) []byte { return strconv.AppendInt(nil, us, 10) }

func (r *remote[K, V]) decodeEpoch(data []byte) (us int64, ok bool) {
	us, err := strconv.ParseInt(string(data), 10, 64)
	if err == nil {
		r.clock.saw(us, r.c.clock.Exact())
	}
	return us, err == nil
}
