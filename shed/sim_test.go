package shed_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// guard is the Shedder as a contender without HTTP: what Middleware does.
func guard(s *shed.Shedder) spike.Guard {
	return func(ctx context.Context, r *spike.Request) (func(), error) {
		p, err := s.Acquire(ctx, seawall.Class{Priority: r.Priority, User: seawall.ID(r.User)})
		if err != nil {
			return nil, err
		}
		return func() {
			if ctx.Err() != nil {
				p.Drop()
			} else {
				p.Release()
			}
		}, nil
	}
}

func simulate(t *testing.T, sc spike.Scenario, contender string, watch func(*shed.Shedder)) (f spike.Figures) {
	synctest.Test(t, func(t *testing.T) {
		b, err := spike.NewBackend(sc.Backend)
		if err != nil {
			t.Fatal(err)
		}
		var g spike.Guard
		switch contender {
		case "seawall":
			s, err := shed.New(shed.Config{})
			if err != nil {
				t.Fatal(err)
			}
			g = guard(s)
			if watch != nil {
				go watch(s)
			}
		case "oracle":
			o, err := spike.NewOracle(spike.OracleConfig{Slots: sc.Backend.Slots})
			if err != nil {
				t.Fatal(err)
			}
			g = o.Guard
		}
		rec, stats, err := sc.Run(t.Context(), b, spike.Against(b.Target(g)), nil)
		if err != nil {
			t.Fatal(err)
		}
		f = spike.Analyze(rec, sc, stats)
		f.Contender = contender
		synctest.Wait()
	})
	return f
}
