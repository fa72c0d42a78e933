package shed_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// backend serves slots requests at a time, in the order of their coming. While
// it hangs nobody returns but those whose client gives up.
type backend struct {
	slots   chan struct{}
	service time.Duration
	hangs   atomic.Pointer[chan struct{}] // closed when the hang is over
}

func newBackend(slots int, service time.Duration) *backend {
	return &backend{slots: make(chan struct{}, slots), service: service}
}

func (b *backend) serve(ctx context.Context) error {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.slots }()
	if hang := b.hangs.Load(); hang != nil {
		select {
		case <-*hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	time.Sleep(b.service)
	return ctx.Err()
}

// crowd sends rate requests a second for a while, each with a second of
// patience, and returns how many were served.
func crowd(t *testing.T, s *shed.Shedder, b *backend, rate int, long time.Duration, class func(i int) seawall.Class) int64 {
	var served atomic.Int64
	n := int(long.Seconds() * float64(rate))
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * long / time.Duration(n))))
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			p, err := s.Acquire(ctx, class(i))
			if err != nil {
				return
			}
			if b.serve(ctx) != nil {
				p.Drop()
				return
			}
			p.Release()
			served.Add(1)
		}()
	}
	time.Sleep(time.Until(began.Add(long)))
	return served.Load()
}

func anybody(i int) seawall.Class { return seawall.Class{User: seawall.ID(i%500 + 1)} }

// A backend that hangs for some seconds, while every client gives up, is served
// again when it comes back: nothing that was learned in between may lock the
// door for good.
func TestComesBackAfterAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		b := newBackend(8, 20*time.Millisecond) // 400 a second
		crowd(t, s, b, 200, 3*time.Second, anybody)
		before := crowd(t, s, b, 800, 3*time.Second, anybody)
		hang := make(chan struct{})
		b.hangs.Store(&hang)
		crowd(t, s, b, 800, 5*time.Second, anybody)
		b.hangs.Store(nil)
		close(hang)
		crowd(t, s, b, 800, 5*time.Second, anybody) // at most this long to recover
		after := crowd(t, s, b, 800, 3*time.Second, anybody)
		if before < 1000 || after < 1000 {
			t.Errorf("of 1200 it could serve it served %d before the hang, and %d afterwards; %+v", before, after, s.Stats())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		shut(t, s)
	})
}

// After a pause the floor of the last spike refuses nobody, however unimportant.
func TestForgetsTheFloorInAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		b := newBackend(8, 20*time.Millisecond)
		crowd(t, s, b, 200, 3*time.Second, anybody)
		crowd(t, s, b, 4000, 3*time.Second, anybody)
		if st := s.Stats(); st.Floor == "" {
			t.Fatalf("no floor at ten times the capacity: %+v", st)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		before := s.Stats().Priorities
		for _, p := range []seawall.Priority{seawall.Background, seawall.Sheddable, seawall.Normal, seawall.Critical} {
			enter(t, s, of(p)).Release()
		}
		for i, p := range s.Stats().Priorities {
			if was := before[i]; p.Admitted != was.Admitted+1 || p.Refused != was.Refused || p.Offered != was.Offered+1 {
				t.Errorf("%v: %+v, before the pause %+v; want one more, admitted", p.Priority, p, was)
			}
		}
		time.Sleep(time.Second)
		enter(t, s, of(seawall.Background)).Release()
		for i, p := range s.Stats().Priorities {
			if p.Refused != before[i].Refused {
				t.Errorf("%v: %d refused, before the pause %d", p.Priority, p.Refused, before[i].Refused)
			}
		}
		shut(t, s)
	})
}
