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
	offset  int64 // what L2's clock says is the Cache's and this; all in microseconds
	wrong   int64 // by how much at most
	at      int64 // since when, in nanoseconds of the Cache's clock
}

// unknownWrong is taken for stores that do not tell their time: that of this
// process is taken for it, as it was when it began.
const unknownWrong = 5000

// says takes in what L2's clock said at some moment between two of this process.
// It believes what it learned by a shorter trip, unless that is long ago, or L2's
// clock was set.
func (s *storeClock) says(now time.Time, began, ended int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.IsZero() {
		if !s.learned {
			s.learned, s.wrong, s.at = true, unknownWrong, ended
		}
		return
	}
	offset, wrong := now.UnixMicro()-(began+ended)/2e3, (ended-began)/2e3+1
	drift := (ended - s.at) / 1e3 / 10_000 // clocks differ by less than 0.1 ms a second
	known := s.wrong + drift
	if !s.learned || wrong <= known || max(offset-s.offset, s.offset-offset) > wrong+known {
		s.learned, s.offset, s.wrong, s.at = true, offset, wrong, ended
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

// here is a time of L2's clock by that of this process.
func (r *remote[K, V]) here(us int64) int64 {
	offset, _ := r.clock.get()
	return (us - offset) * 1e3
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

func decodeEpoch(data []byte) (us int64, ok bool) {
	us, err := strconv.ParseInt(string(data), 10, 64)
	return us, err == nil
}
