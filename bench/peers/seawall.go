package peers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// seats is how many may be inside where the case is a full house.
const seats = 4

func seawallScene(c Case) (*Scene, error) {
	s, err := shed.New(shed.Config{MinLimit: seats})
	if err != nil {
		return nil, err
	}
	sc := &Scene{stop: func() { _ = s.Close(context.Background()) }}
	switch c {
	case HandlerAdmit, HandlerReject:
		sc.handler = s.Middleware(nothing)
	case RejectFull:
		sc.loop = seawallTry(s, seawall.Critical)
	default:
		sc.loop = seawallAcquire(s)
	}
	switch c {
	case Reject, HandlerReject:
		sc.free, err = fillSeawall(s)
		sc.ready = func() error { return raiseFloor(s) }
		sc.count = func() uint64 { return normal(s).Floored }
	case RejectFull:
		sc.free, err = fillSeawall(s)
		sc.ready = sc.warm
		sc.count = func() uint64 { return s.Stats().Priorities[0].Full }
	default:
		sc.ready = sc.warm
		sc.count = func() uint64 { return normal(s).Admitted }
	}
	return sc, err
}

// warm keeps the shedder busy for two of its ticks. The more comes in, the
// less of it is sampled; after a pause that is all again. See Quiet.
func (s *Scene) warm() error {
	for began := time.Now(); time.Since(began) < 110*time.Millisecond; {
		s.loop(500)
	}
	return nil
}

func normal(s *shed.Shedder) shed.PriorityStats {
	for _, p := range s.Stats().Priorities {
		if p.Priority == seawall.Normal {
			return p
		}
	}
	return shed.PriorityStats{}
}

// seawallAcquire asks as the middleware does, for one known user after the
// other.
func seawallAcquire(s *shed.Shedder) func(int) int {
	return func(n int) (admitted int) {
		ctx := context.Background()
		for i := range n {
			p, err := s.Acquire(ctx, seawall.Class{User: user(i)})
			if err != nil {
				continue
			}
			admitted++
			p.Release()
		}
		return admitted
	}
}

func seawallTry(s *shed.Shedder, priority seawall.Priority) func(int) int {
	return func(n int) (admitted int) {
		for i := range n {
			p, err := s.TryAcquire(context.Background(), seawall.Class{Priority: priority, User: user(i)})
			if err != nil {
				continue
			}
			admitted++
			p.Release()
		}
		return admitted
	}
}

// user is the ID of one of many users, never nobody's.
func user(i int) seawall.ID { return seawall.ID(i%many + 1) }

// fillSeawall takes all seats.
func fillSeawall(s *shed.Shedder) (free func(), err error) {
	if err := pin(s, seats); err != nil {
		return nil, err
	}
	held := make([]shed.Permit, seats)
	for i := range held {
		if held[i], err = s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical}); err != nil {
			return nil, err
		}
	}
	return func() {
		for i := range held {
			held[i].Release()
		}
	}, nil
}

// raiseFloor knocks until everybody Normal is refused at the door. The law
// wants to see two things before it does that: that there are too many, and
// how many the house serves. So somebody goes through it now and then. A floor
// of before a pause is news of yesterday: a tick of 50 ms forgets it, another
// one counts anew.
func raiseFloor(s *shed.Shedder) error {
	began := time.Now()
	last := time.Duration(-1)
	for {
		now := time.Since(began)
		if moment := now / (10 * time.Millisecond); moment != last {
			last = moment
			if err := churn(s); err != nil {
				return err
			}
			st := s.Stats()
			if now > 120*time.Millisecond && st.Floor == seawall.Normal.String() && st.Cohort == 0 {
				return nil
			}
			if now > 5*time.Second {
				return fmt.Errorf("the floor did not rise: %+v", st)
			}
		}
		for i := range 1000 {
			p, err := s.TryAcquire(context.Background(), seawall.Class{User: user(i)})
			if err == nil {
				p.Release()
				return errors.New("somebody got in: the house is not full")
			}
		}
	}
}

// churn lets one more in beside the seats and out again: a completion.
func churn(s *shed.Shedder) error {
	if err := pin(s, seats+1); err != nil {
		return err
	}
	p, err := s.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical})
	if err != nil {
		return err
	}
	p.Release()
	return pin(s, seats)
}

func pin(s *shed.Shedder, limit int) error {
	return s.Override(context.Background(), seawall.Override{Control: "limit", Value: strconv.Itoa(limit)})
}
