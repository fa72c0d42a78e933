package shed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// tally is what the callers themselves count, by priority.
type tally struct {
	offered, admitted, refused [seawall.NumPriorities]atomic.Int64
	left, late                 [seawall.NumPriorities]atomic.Int64
	inside                     atomic.Int64
}

func (c *tally) compare(t *testing.T, s *shed.Shedder) {
	t.Helper()
	st := s.Stats()
	waiting := int64(0)
	for i, p := range st.Priorities {
		if p.Priority != seawall.Priorities()[i] {
			t.Fatalf("priority %d is %v", i, p.Priority)
		}
		if int64(p.Offered) != c.offered[i].Load() || int64(p.Admitted) != c.admitted[i].Load() || int64(p.Refused) != c.refused[i].Load() {
			t.Fatalf("%v: %+v; the callers count %d offered, %d admitted, %d refused", p.Priority, p,
				c.offered[i].Load(), c.admitted[i].Load(), c.refused[i].Load())
		}
		if int64(p.Left) != c.left[i].Load() || int64(p.Late) != c.late[i].Load() ||
			p.Refused != p.Floored+p.Full+p.Expired+p.Left+p.Late+p.Draining {
			t.Fatalf("%v: %+v; the callers count %d who left, %d too late", p.Priority, p, c.left[i].Load(), c.late[i].Load())
		}
		waiting += int64(p.Offered - p.Admitted - p.Refused)
	}
	if int64(st.Waiting) != waiting || int64(st.InFlight+st.Shadow) != c.inside.Load() {
		t.Fatalf("%d wait, %d + %d inside; the callers count %d and %d", st.Waiting, st.InFlight, st.Shadow, waiting, c.inside.Load())
	}
}

// busy sends requests of all kinds, and has look called at random moments at
// which nobody is in the middle of something.
func busy(t *testing.T, s *shed.Shedder, c *tally, look func(step int)) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	for step := range 3000 {
		for range r.IntN(6) {
			i := r.IntN(seawall.NumPriorities)
			class := seawall.Class{Priority: seawall.Priorities()[i], User: seawall.ID(r.IntN(50))}
			hold, patience := time.Duration(r.IntN(40))*time.Millisecond, time.Duration(r.IntN(300))*time.Millisecond
			try, drop, leaves := r.IntN(5) == 0, r.IntN(5) == 0, r.IntN(5) == 0
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if leaves {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(patience, cancel)
				}
				defer cancel()
				c.offered[i].Add(1)
				acquire := func() (shed.Permit, error) { return s.Acquire(ctx, class) }
				if try {
					acquire = func() (shed.Permit, error) { return s.TryAcquire(ctx, class) }
				}
				p, err := acquire()
				if err != nil {
					c.refused[i].Add(1)
					switch refusal(t, err, err.(*seawall.Rejection).Reason).Reason { //nolint:exhaustive // there are no others
					case seawall.Canceled:
						c.left[i].Add(1)
					case seawall.DeadlineExceeded:
						c.late[i].Add(1)
					}
					return
				}
				c.admitted[i].Add(1)
				c.inside.Add(1)
				time.Sleep(hold)
				c.inside.Add(-1)
				if drop {
					p.Drop()
				}
				p.Release()
			}()
		}
		time.Sleep(time.Duration(r.IntN(5000)) * time.Microsecond)
		synctest.Wait()
		look(step)
	}
}

// At every moment offered = admitted + refused + waiting, and all of it is what
// the callers count.
func TestStatsAreExact(t *testing.T) {
	for name, cfg := range map[string]shed.Config{"plain": {}, "small": {MinLimit: 1, MaxLimit: 6}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c tally
				s := start(t, cfg)
				busy(t, s, &c, func(step int) {
					switch step % 500 {
					case 100:
						override(t, s, "limit", "5", 0)
					case 300:
						override(t, s, "limit", "", 0)
					case 350: // from now on waits are all that differs
						update(t, s, shed.Config{MinLimit: 1, MaxLimit: 6, CriticalWait: time.Second})
					}
					synctest.Wait() // for those who were granted a seat by that
					c.compare(t, s)
				})
				time.Sleep(5 * time.Second)
				synctest.Wait()
				c.compare(t, s)
				shut(t, s)
				if p := s.Stats().Priorities; p[0].Waited == 0 || p[3].Floored+p[3].Full == 0 || p[1].Expired == 0 || p[1].Left == 0 || p[1].Late == 0 {
					t.Errorf("the test is too tame: %+v", p)
				}
			})
		})
	}
}

var metricName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c tally
		s := start(t, shed.Config{Name: "front", MinLimit: 1, MaxLimit: 6})
		units := []string{"_total", "_seconds", "_per_second", "_ratio", "limit", "in_flight", "waiting", "shadow", "detached", "state"}
		labels := map[string][]string{
			"priority": {"critical", "normal", "sheddable", "background"},
			"outcome":  {"admitted", "rejected"},
			"reason":   {"overloaded", "canceled", "deadline_exceeded", "draining"},
			"state":    {"open", "climb", "converge", "hold"},
		}
		last := map[string]float64{}
		busy(t, s, &c, func(step int) {
			if step%20 > 0 {
				return
			}
			snap := s.Snapshot()
			st, ok := snap.Detail.(shed.Stats)
			if snap.Component != "shed" || snap.Name != "front" || !snap.At.Equal(time.Now()) || snap.State != st.State || !ok {
				t.Fatalf("%+v", snap)
			}
			values := map[string]float64{}
			states := 0.0
			for _, m := range snap.Metrics {
				key := m.Name
				for _, l := range m.Labels {
					key += " " + l.Value
					if !slices.Contains(labels[l.Name], l.Value) {
						t.Fatalf("label %+v of %s", l, m.Name)
					}
				}
				if _, twice := values[key]; twice {
					t.Fatalf("%q is there twice", key)
				}
				values[key] = m.Value
				if !metricName.MatchString(m.Name) || !hasUnit(m.Name, units) {
					t.Fatalf("a metric is named %q", m.Name)
				}
				if counter := strings.HasSuffix(m.Name, "_total"); counter != (m.Kind == seawall.Counter) || !counter && m.Kind != seawall.Gauge {
					t.Fatalf("%q is a %s", m.Name, m.Kind)
				}
				if m.Kind == seawall.Counter && m.Value < last[key] {
					t.Fatalf("%q falls from %v to %v", key, last[key], m.Value)
				}
				if m.Value < 0 || m.Value != m.Value {
					t.Fatalf("%q is %v", key, m.Value)
				}
				if m.Name == "state" {
					states += m.Value
				}
			}
			if states != 1 || values["state "+snap.State] != 1 {
				t.Fatalf("state %s, but %v", snap.State, values)
			}
			for i, p := range st.Priorities {
				name := p.Priority.String()
				rejected := func(reason string) float64 { return values["requests_total "+name+" rejected "+reason] }
				if values["requests_total "+name+" admitted"] != float64(c.admitted[i].Load()) ||
					rejected("canceled") != float64(c.left[i].Load()) || rejected("deadline_exceeded") != float64(c.late[i].Load()) ||
					rejected("overloaded") != float64(c.refused[i].Load()-c.left[i].Load()-c.late[i].Load()) || rejected("draining") != 0 ||
					values["wait_seconds_total "+name] != p.WaitTotal.Seconds() {
					t.Fatalf("%v is %+v, but %v", p.Priority, p, values)
				}
			}
			if values["limit"] != float64(st.Limit) || values["in_flight"] != float64(c.inside.Load()) || values["waiting"] != float64(st.Waiting) {
				t.Fatalf("%+v, but %v", st, values)
			}
			last = values
			if step%200 == 0 {
				readBack(t, snap)
			}
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		shut(t, s)
	})
}

// readBack: a snapshot is valid JSON, in snake_case as well.
func readBack(t *testing.T, snap seawall.Snapshot) {
	t.Helper()
	data, err := json.Marshal(snap)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		State  string
		Detail map[string]any
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.State != snap.State || back.Detail["state"] != snap.State || len(back.Detail) < 15 {
		t.Errorf("%s", data)
	}
	for key := range back.Detail {
		if !metricName.MatchString(key) {
			t.Errorf("a key is named %q", key)
		}
	}
}

func hasUnit(name string, units []string) bool {
	return slices.ContainsFunc(units, func(u string) bool { return strings.HasSuffix(name, u) })
}

// Two who scrape while decisions are being made never see a total fall.
func TestTotalsNeverFall(t *testing.T) {
	s := pinned(t, 4, shed.Config{NormalWait: time.Millisecond, SheddableWait: seawall.Off})
	stop := make(chan struct{})
	var callers, scrapers sync.WaitGroup
	var admitted, refused [seawall.NumPriorities]atomic.Int64
	for who := range 16 {
		callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				class := (who + i) % seawall.NumPriorities
				p, err := s.Acquire(context.Background(), of(seawall.Priorities()[class]))
				if err != nil {
					refused[class].Add(1)
				} else {
					admitted[class].Add(1)
				}
				runtime.Gosched()
				p.Release()
			}
		})
	}
	for range 2 {
		scrapers.Go(func() {
			last := map[string]float64{}
			for range 2000 {
				for _, m := range s.Snapshot().Metrics {
					key := fmt.Sprint(m.Name, m.Labels)
					if m.Kind == seawall.Counter && m.Value < last[key] {
						t.Errorf("%s falls from %v to %v", key, last[key], m.Value)
					}
					last[key] = m.Value
				}
			}
		})
	}
	scrapers.Wait()
	close(stop)
	callers.Wait()
	for i, p := range s.Stats().Priorities { // in the end they are exact
		if int64(p.Admitted) != admitted[i].Load() || int64(p.Refused) != refused[i].Load() {
			t.Errorf("%+v; the callers count %d admitted, %d refused", p, admitted[i].Load(), refused[i].Load())
		}
	}
	shut(t, s)
}

// What there is beside admitted and refused.
func TestSnapshotOfTheOthers(t *testing.T) {
	s := pinned(t, 8, shed.Config{DryRun: true})
	inside := fill(t, s, 9)
	inside[0].Detach()
	enter(t, s, seawall.Class{Exempt: true})
	values := func() map[string]float64 {
		all := map[string]float64{}
		for _, m := range s.Snapshot().Metrics {
			key := m.Name
			for _, l := range m.Labels {
				key += " " + l.Value
			}
			all[key] = m.Value
		}
		return all
	}
	if v := values(); v["shadow"] != 1 || v["detached"] != 1 || v["in_flight"] != 7 || v["exempt_total"] != 1 {
		t.Errorf("%v", v)
	}
	for _, p := range inside {
		p.Release()
	}
	shut(t, s)
	_, err := s.TryAcquire(t.Context(), of(seawall.Sheddable))
	refusal(t, err, seawall.Draining)
	if v := values(); v["shadow"] != 0 || v["detached"] != 0 || v["requests_total sheddable rejected draining"] != 1 || v["requests_total sheddable rejected overloaded"] != 0 {
		t.Errorf("%v", v)
	}
}

// What a page shows while nothing happens.
func TestStatsOfAnIdleOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, shed.Config{})
		st := s.Stats()
		if st.State != "open" || st.Limit != shed.FirstLimit || st.Floor != "" || st.Probing || st.Slower || st.DryRun || st.InFlight+st.Waiting+st.Shadow != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(24 * time.Hour)
		if later := s.Stats(); later != st {
			t.Errorf("a day later %+v, before %+v", later, st)
		}
	})
}
