package promobserver_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/adapters/promobserver"
	"github.com/seawall-go/seawall/shed"
)

// crowd sends a calm second, then five with far more than the backend serves.
// All of it is over when it returns.
func crowd(ctx context.Context, s *shed.Shedder) {
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	r := rand.New(rand.NewPCG(3, 4))
	for ms := range 6000 {
		if ms < 1000 && ms%10 != 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		for range 2 {
			class := seawall.Class{Priority: seawall.Background + seawall.Priority(r.IntN(4)), User: seawall.ID(1 + r.IntN(500))}
			work, patience := time.Duration(10+r.IntN(20))*time.Millisecond, time.Duration(20+r.IntN(2000))*time.Millisecond
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				p, err := s.Acquire(ctx, class)
				if err != nil {
					return
				}
				defer p.Release()
				slots <- struct{}{}
				time.Sleep(work)
				<-slots
			})
		}
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
}

// The Observer's counts, the Collector's and the Shedder's own are the same.
func TestShedder(t *testing.T) {
	for name, dry := range map[string]bool{"enforced": false, "dry run": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newObserver(t, promobserver.Config{})
				s := seawall.Must(shed.New(shed.Config{Name: "api", Observer: o, DryRun: dry}))
				c := newCollector(t, s)
				reg := registry(t, o, c)
				if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
					t.Errorf("%v, %v", problems, err)
				}
				crowd(t.Context(), s)
				synctest.Wait()

				if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
					t.Errorf("%v, %v", problems, err)
				}
				f, st := scrape(t, reg), s.Stats()
				refused, waited := uint64(0), 0.0
				for _, p := range st.Priorities {
					priority := p.Priority.String()
					if p.Admitted > 0 {
						f.want(t, float64(p.Admitted), "seawall_decisions_total", "priority", priority, "outcome", "admitted")
						f.want(t, float64(p.Admitted), "seawall_shed_requests_total", "priority", priority, "outcome", "admitted", "name", "api")
					}
					if p.Refused > 0 {
						f.want(t, float64(p.Refused), "seawall_decisions_total", "priority", priority, "outcome", "rejected")
						f.want(t, float64(p.Refused), "seawall_shed_requests_total", "priority", priority, "outcome", "rejected", "name", "api")
					}
					refused += p.Refused
					waited += float64(p.Waited)
				}
				dryRun := map[bool]string{false: "false", true: "true"}[dry]
				f.want(t, float64(refused), "seawall_decisions_total", "component", "shed", "name", "api", "outcome", "rejected", "dry_run", dryRun)
				f.want(t, float64(st.Limit), "seawall_shed_limit", "name", "api")
				f.want(t, 0, "seawall_shed_in_flight", "name", "api")
				f.want(t, map[bool]float64{true: 1}[dry], "seawall_shed_dry_run", "name", "api")
				f.want(t, 0, skipped)
				if refused < 1000 || f.sum("seawall_state_changes_total", "component", "shed", "name", "api") < 1 ||
					f.sum("seawall_limit_changes_total", "name", "api") < 1 {
					t.Errorf("the crowd was too tame: %+v", st)
				}
				if !dry && !(waited > 0 && f.sum("seawall_wait_seconds") > 0) {
					t.Errorf("nobody waited: %+v", st)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
