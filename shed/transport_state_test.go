package shed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// TestTransportHosts: the one that was used least recently is forgotten, and
// nobody else.
func TestTransportHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := outbound(t, shed.TransportConfig{MaxHosts: 3, Base: base(func(*http.Request) (*http.Response, error) {
			return answers(http.StatusOK, "Seawall-Floor: normal/0")
		})})
		var want []string // the latest first
		dice := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			host := string(rune('a' + dice.IntN(6)))
			_, err := ask(t, tr, background, host)
			if known := slices.Contains(want, host); known != refusedHere(err) {
				t.Fatalf("%s: %v, known are %v", host, err, want)
			}
			want = slices.DeleteFunc(want, func(s string) bool { return s == host })
			want = append([]string{host}, want...)[:min(3, len(want)+1)]
			var got []string
			for _, h := range tr.Stats().Hosts {
				got = append(got, h.Host)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("known are %v, want %v", got, want)
			}
			time.Sleep(time.Microsecond)
		}
		if _, err := ask(t, tr, background, strings.Repeat("x", 1<<16)); err != nil {
			t.Fatal(err)
		}
		if st := tr.Stats(); st.HostCount != 3 || len(st.Hosts[0].Host) > 300 {
			t.Errorf("%d hosts, a name of %d bytes", st.HostCount, len(st.Hosts[0].Host))
		}
	})
}

func TestTransportSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		tr := outbound(t, shed.TransportConfig{Name: "feed", Observer: rec, Base: base(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "full" {
				return answers(http.StatusOK, "Seawall-Floor: sheddable/37")
			}
			return answers(http.StatusOK)
		})})
		if s := tr.Snapshot(); s.Component != "shed" || s.Name != "feed" || s.State != "open" || s.DryRun || !s.At.Equal(time.Now()) {
			t.Errorf("%+v", s)
		}
		class := seawall.Class{Priority: seawall.Background, User: 7, Route: "sync"}
		ask(t, tr, class, "idle")
		ask(t, tr, class, "full")
		ask(t, tr, class, "full")
		ask(t, tr, of(seawall.Critical), "full")
		for i := range 120 {
			ask(t, tr, class, fmt.Sprint("idle", i))
		}
		ask(t, tr, class, "full")

		s := tr.Snapshot()
		metrics := map[string]float64{}
		for _, m := range s.Metrics {
			name := m.Name
			for _, l := range m.Labels {
				name += " " + l.Value
			}
			if _, twice := metrics[name]; twice {
				t.Errorf("%s comes twice", name)
			}
			metrics[name] = m.Value
		}
		for name, want := range map[string]float64{
			"outbound_sent_total background": 122, "outbound_sent_total critical": 1, "outbound_probes_total background": 0,
			"outbound_refused_total background floor": 2, "outbound_refused_total background throttle": 0, "outbound_refused_total normal floor": 0,
			"outbound_hosts": 122, "outbound_hosts_spared": 1,
		} {
			if got, ok := metrics[name]; !ok || got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		st, ok := s.Detail.(shed.TransportStats)
		if !ok || s.State != "refusing" || st.HostCount != 122 || len(st.Hosts) != 100 {
			t.Fatalf("%s with %T, %d hosts of %d", s.State, s.Detail, len(st.Hosts), st.HostCount)
		}
		if h, want := st.Hosts[0], (shed.HostStats{Host: "full", Floor: "sheddable", Cohort: 37, Sent: 2, Floored: 2}); h != want {
			t.Errorf("%+v, want %+v", h, want)
		}
		if text, err := json.Marshal(s); err != nil || !strings.Contains(string(text), `"floor":"sheddable","cohort":37,"sent":2`) {
			t.Errorf("%v: %.500s", err, text)
		}

		events := rec.take()
		if len(events) != 125 {
			t.Fatalf("%d events", len(events))
		}
		sent := seawall.Event{Component: "shed", Name: "feed", Outcome: seawall.Admitted, Priority: seawall.Background, Route: "sync", User: 7}
		refused := sent
		refused.Outcome, refused.Reason, refused.RetryAfter = seawall.Rejected, seawall.Overloaded, time.Second
		if events[1] != sent || events[2] != refused || events[3].Outcome != seawall.Admitted || events[124] != refused {
			t.Errorf("%+v", events[:4])
		}
		time.Sleep(time.Second)
		if s := tr.Snapshot(); s.State != "open" {
			t.Errorf("a second later it is %s", s.State)
		}
	})
}

type idler struct {
	base
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestTransportCloseIdleConnections(t *testing.T) {
	b := &idler{}
	(&http.Client{Transport: outbound(t, shed.TransportConfig{Base: b})}).CloseIdleConnections()
	if b.closed != 1 {
		t.Errorf("passed on %d times", b.closed)
	}
	outbound(t, shed.TransportConfig{Base: b.base}).CloseIdleConnections() // it has none
}

// TestTransportRace: many callers, hosts that come and go, floors that do.
func TestTransportRace(t *testing.T) {
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(3, 4))
	seen := 0
	tr := outbound(t, shed.TransportConfig{
		MaxHosts: 4, Window: time.Second, Propagate: true,
		Observer: seawall.ObserverFunc(func(context.Context, seawall.Event) { mu.Lock(); seen++; mu.Unlock() }),
		Base: base(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			n := dice.IntN(8)
			mu.Unlock()
			switch n {
			case 0:
				return nil, context.DeadlineExceeded
			case 1:
				return answers(http.StatusServiceUnavailable, "Retry-After: 3")
			case 2, 3:
				return answers(http.StatusOK, "Seawall-Floor: normal/64")
			case 4:
				panic(http.ErrAbortHandler)
			}
			return answers(http.StatusOK)
		}),
	})
	const workers, each = 8, 1000
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				func() {
					defer func() {
						if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
							panic(p)
						}
					}()
					class := seawall.Class{Priority: seawall.Priorities()[i%4], User: seawall.ID(i % 50)}
					ask(t, tr, class, string(rune('a'+(i+w)/20%7)))
				}()
				if i%100 == 0 {
					tr.Snapshot()
				}
			}
		})
	}
	wg.Wait()
	st := tr.Stats()
	var all, refused uint64
	for _, p := range st.Priorities {
		all += p.Sent + p.Floored + p.Throttled
		refused += p.Floored + p.Throttled
	}
	if all != workers*each || seen != workers*each || refused == 0 || st.HostCount != 4 || st.Priorities[0].Floored+st.Priorities[0].Throttled != 0 {
		t.Errorf("%d of %d, %d events, %d refused: %+v", all, workers*each, seen, refused, st.Priorities)
	}
}

// TestAllocTransport: what the Transport adds to a request is no garbage.
func TestAllocTransport(t *testing.T) {
	var resp *http.Response
	var fail error
	b := base(func(*http.Request) (*http.Response, error) { return resp, fail })
	ctx := seawall.WithClass(t.Context(), seawall.Class{Priority: seawall.Background, User: 7})
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://a/", nil)
	critical, _ := http.NewRequestWithContext(seawall.WithClass(ctx, of(seawall.Critical)), http.MethodGet, "http://a/", nil)
	plain, _ := answers(http.StatusOK)
	full, _ := answers(http.StatusServiceUnavailable)
	tells, _ := answers(http.StatusOK)
	line := []string{"normal/0"}
	tr := outbound(t, shed.TransportConfig{Base: b})
	resp = plain
	allocates(t, "sent", func() bool { _, err := tr.RoundTrip(r); return err == nil })
	resp = tells
	tell := func(r *http.Request) bool {
		tells.Header["Seawall-Floor"] = line
		_, err := tr.RoundTrip(r)
		return err == nil
	}
	tell(critical)
	refused := 0
	allocates(t, "floored", func() bool {
		if _, err := tr.RoundTrip(r); refusedHere(err) {
			refused++
		}
		return tell(critical)
	})
	if refused != 991 { // of 1001; the others are probes
		t.Errorf("%d are refused", refused)
	}
	allocates(t, "under a floor", func() bool { return tell(critical) })

	tr = outbound(t, shed.TransportConfig{Base: b})
	resp = full
	allocates(t, "throttled", func() bool { _, err := tr.RoundTrip(r); return err == nil || refusedHere(err) })
	if st := tr.Stats(); st.Priorities[3].Throttled < 900 && !raceEnabled {
		t.Errorf("%+v", st.Priorities[3])
	}
}
