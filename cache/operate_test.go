package cache_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// calm keeps loads back.
var calm = seawall.Override{Control: "loads", Value: "when_empty"}

// TestOverrideLoads: when_empty keeps all loads back but those of what is not
// there, and ends by itself.
func TestOverrideLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := closing(t, cache.Config[string, string]{Load: src.load, TTL: time.Second, Early: -1, StaleIfError: time.Hour})
		get(t, c, "a", "a-1")
		set := seawall.Override{Control: "loads", Value: "when_empty", For: time.Minute, By: "ops", Why: "the database is busy"}
		if err := c.Override(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		for range 59 {
			get(t, c, "a", "a-1")
			time.Sleep(time.Second)
		}
		get(t, c, "b", "b-2")
		if s := c.Snapshot(); s.State != "calm" {
			t.Error(s.State)
		}
		i := slices.IndexFunc(c.Controls(), func(x seawall.Control) bool { return x.Name == "loads" })
		if o := c.Controls()[i]; !o.Overridden || o.Value != "when_empty" || o.By != "ops" || o.Why == "" || !o.Until.Equal(time.Now().Add(time.Second)) {
			t.Errorf("%+v", o)
		}
		time.Sleep(time.Second + time.Millisecond)
		if o := c.Controls()[i]; o.Overridden || o.Value != "auto" {
			t.Errorf("%+v", o)
		}
		get(t, c, "a", "a-3")
		// One that follows another replaces it, with its time; none ends it.
		c.Override(t.Context(), set)
		set.For = 0
		c.Override(t.Context(), set)
		time.Sleep(10 * time.Minute)
		get(t, c, "a", "a-3")
		set.Value = ""
		c.Override(t.Context(), set)
		get(t, c, "a", "a-4")
	})
}

// TestOverrideRefuses: what is no control or no value is an error that says so.
func TestOverrideRefuses(t *testing.T) {
	c := closing(t, cache.Config[string, string]{})
	for _, o := range []seawall.Override{
		{Control: "nonsense", Value: "auto"}, {Control: "loads", Value: "nonsense"}, {Control: "loads", Value: "auto", For: -1}, {Control: "l2", Value: "off"},
	} {
		if err := c.Override(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "seawall/cache: ") || !strings.Contains(err.Error(), o.Control) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if got := c.Controls(); len(got) != 2 {
		t.Errorf("without an L2: %+v", got)
	}
}

// TestOverrideStore: l2 off is as if it were away, also for what is to be told, and
// is made good afterwards. Purge reaches all processes.
func TestOverrideStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepot()
		a, b, now := pair(t, leasing{d}, d, nil)
		sees(t, a, 0)
		time.Sleep(10 * time.Millisecond)
		sees(t, b, 0)
		if err := a.Override(t.Context(), seawall.Override{Control: "l2", Value: "off", For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		n := d.gets.Load()
		now.Store(1)
		a.Delete(t.Context(), "a")
		sees(t, a, 1)
		a.Get(t.Context(), "other")
		if d.gets.Load() != n || a.Snapshot().State != "l2_down" {
			t.Error("L2 was asked, or the state is wrong:", a.Snapshot().State)
		}
		time.Sleep(70 * time.Second)
		if s := a.Stats().L2; s.Pending != 0 || !s.Up {
			t.Errorf("%+v", *s)
		}
		sees(t, b, 1)
		for i, value := range []string{"all", "*"} {
			time.Sleep(100 * time.Millisecond)
			now.Add(1)
			if err := a.Override(t.Context(), seawall.Override{Control: "purge", Value: value}); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Millisecond)
			sees(t, a, int64(i)+2)
			sees(t, b, int64(i)+2)
		}
	})
}

// TestSnapshot: the metrics are named as exporters want them, once each, and say
// what Stats says.
func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepot()
		a, _, _ := pair(t, leasing{d}, d, func(c *cache.Config[string, int64]) { c.Name = "posts" })
		sees(t, a, 0)
		sees(t, a, 0)
		s := a.Snapshot()
		if s.Component != "cache" || s.Name != "posts" || s.State != "ok" || s.Detail.(cache.Stats).Hits != 1 {
			t.Errorf("%+v", s)
		}
		seen := map[string]seawall.MetricKind{}
		values := map[string]float64{}
		for _, m := range s.Metrics {
			name := m.Name
			for _, l := range m.Labels {
				name += "," + l.Name + "=" + l.Value
			}
			if _, twice := values[name]; twice {
				t.Errorf("%s is there twice", name)
			}
			values[name] = m.Value
			if kind, ok := seen[m.Name]; ok && kind != m.Kind {
				t.Errorf("%s is of two kinds", m.Name)
			}
			seen[m.Name] = m.Kind
			if strings.HasSuffix(m.Name, "_total") != (m.Kind == seawall.Counter) || strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz_2") != "" {
				t.Errorf("%s is a bad name for a %s", m.Name, m.Kind)
			}
		}
		for name, want := range map[string]float64{
			"gets_total,result=hit": 1, "gets_total,result=miss": 1, "loads_total": 1, "entries": 1, "l2_up": 1, "l2_gets_total,result=miss": 1, "bus_gaps_total": 1,
		} {
			if got, ok := values[name]; !ok || got < want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}

// TestCloseHung: Close waits for a load that does not end until its context ends;
// who waits for that load is told at once.
func TestCloseHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limited{takes: time.Minute, ignoresEnd: true}
		c, err := cache.New(cache.Config[int, int]{Load: l.load, LoadTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := c.Get(t.Context(), 1); !errors.Is(err, cache.ErrClosed) || time.Since(began) != time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		waiting.Wait()
		if err := c.Close(t.Context()); err != nil || time.Since(began) != time.Minute {
			t.Errorf("the second: %v after %v", err, time.Since(began))
		}
	})
}
