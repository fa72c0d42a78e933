package shed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// TestTransportCountsAccepts: which answers make a host one that refuses.
func TestTransportCountsAccepts(t *testing.T) {
	status := func(code int) base {
		return func(*http.Request) (*http.Response, error) { return answers(code) }
	}
	fails := func(err error) base { return func(*http.Request) (*http.Response, error) { return nil, err } }
	untilDone := base(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, fmt.Errorf("dial: %w", r.Context().Err())
	})
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		return ctx, cancel
	}
	late := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Millisecond)
	}
	for name, c := range map[string]struct {
		host    base
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		refuses bool
	}{
		"200":                  {host: status(200)},
		"404":                  {host: status(404)},
		"500":                  {host: status(500)},
		"504":                  {host: status(504)},
		"429":                  {host: status(429), refuses: true},
		"503":                  {host: status(503), refuses: true},
		"error":                {host: fails(errors.New("connection refused")), refuses: true},
		"time-out":             {host: untilDone, ctx: late, refuses: true},
		"the caller left":      {host: untilDone, ctx: cancelled},
		"refused on this side": {host: fails(fmt.Errorf("pool: %w", &seawall.Rejection{Component: "breaker", Reason: seawall.CircuitOpen}))},
		"against the rules":    {host: func(*http.Request) (*http.Response, error) { return nil, nil }}, //nolint:nilnil // just that
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := outbound(t, shed.TransportConfig{Base: c.host})
			here := 0
			for range 500 {
				ctx, cancel := seawall.WithClass(t.Context(), background), context.CancelFunc(func() {})
				if c.ctx != nil {
					ctx, cancel = c.ctx(ctx)
				}
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://a/", nil)
				if _, err := tr.RoundTrip(r); refusedHere(err) {
					here++
				}
				cancel()
			}
			if c.refuses && here < 400 || !c.refuses && here > 0 {
				t.Errorf("%s: %d of 500 are refused", name, here)
			}
		})
	}
}

// limited is a host that serves so many requests a second, those of a priority
// only, and refuses the others.
func limited(rate int) base {
	next := time.Now()
	return func(r *http.Request) (*http.Response, error) {
		if c, _ := seawall.ClassFrom(r.Context()); strings.HasPrefix(r.URL.Host, "picky") && c.Priority == seawall.Background {
			return answers(http.StatusServiceUnavailable)
		}
		now := time.Now()
		if now.Before(next) {
			return answers(http.StatusServiceUnavailable)
		}
		next = next.Add(max(time.Second/time.Duration(rate), now.Sub(next)-time.Second))
		return answers(http.StatusOK)
	}
}

// TestTransportThrottles: a host that tells no floor and accepts 50 a second of
// 500 gets about K times as many, and all again when it recovers.
func TestTransportThrottles(t *testing.T) {
	if raceEnabled {
		t.Skip("a simulation")
	}
	for _, c := range []struct {
		k        float64
		priority seawall.Priority
		lo, hi   float64 // sent for each that is accepted
	}{
		{2, seawall.Normal, 1.8, 2.2},
		{2, seawall.Sheddable, 1.4, 1.65},
		{4, seawall.Background, 2.7, 3.3},
		{1.1, seawall.Background, 1, 1.25},
		{2, seawall.Critical, 9.9, 10.1},
		{seawall.Off, seawall.Normal, 9.9, 10.1},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := outbound(t, shed.TransportConfig{K: c.k, Base: limited(50)})
			accepted, sent := 0, 0
			for i := range 120 * 500 {
				time.Sleep(2 * time.Millisecond)
				resp, err := ask(t, tr, of(c.priority), "a")
				if i < 60*500 { // until the windows are full
					continue
				}
				if err == nil {
					sent++
					if resp.StatusCode == http.StatusOK {
						accepted++
					}
				}
			}
			if ratio := float64(sent) / float64(accepted); !(ratio >= c.lo && ratio <= c.hi) || accepted < 45*60 {
				t.Errorf("K %v, %v: %d sent, %d accepted: %.2f, want %.2f to %.2f", c.k, c.priority, sent, accepted, ratio, c.lo, c.hi)
			}
			st := tr.Stats()
			if p := st.Priorities[seawall.Critical-c.priority]; p.Sent+p.Throttled != 120*500 || p.Floored != 0 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestTransportThrottlesByPriority: a host that has no room for Background has
// room for Normal.
func TestTransportThrottlesByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := outbound(t, shed.TransportConfig{Base: limited(1000)})
		for range 2000 {
			time.Sleep(2 * time.Millisecond)
			ask(t, tr, background, "picky")
			if _, err := ask(t, tr, of(seawall.Normal), "picky"); err != nil {
				t.Fatal("Normal is refused for what Background was")
			}
		}
		st := tr.Stats()
		if h := st.Hosts[0]; h.Background < 0.9 || h.Normal != 0 || h.Throttled < 1800 || tr.Snapshot().State != "refusing" {
			t.Errorf("%+v", h)
		}
		for _, host := range []string{"other", "picky:81"} {
			if _, err := ask(t, tr, background, host); err != nil {
				t.Errorf("%s is refused for what picky was", host)
			}
		}
	})
}

// TestTransportRecovers: a host that failed altogether gets one in a hundred,
// and all when the failures have left the window.
func TestTransportRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		tr := outbound(t, shed.TransportConfig{Window: 10 * time.Second, Base: base(func(*http.Request) (*http.Response, error) {
			if down {
				return nil, errors.New("connection refused")
			}
			return answers(http.StatusOK)
		})})
		run := func(seconds int) (sent int) {
			for range seconds * 200 {
				time.Sleep(5 * time.Millisecond)
				if _, err := ask(t, tr, of(seawall.Normal), "a"); !refusedHere(err) {
					sent++
				}
			}
			return sent
		}
		run(10)
		if sent := run(20); sent < 15 || sent > 90 {
			t.Errorf("%d of 4000 are sent to a host that is down", sent)
		}
		down = false
		run(60)
		if sent := run(5); sent != 1000 {
			t.Errorf("%d of 1000 are sent to a host that is up", sent)
		}
		if st := tr.Snapshot(); st.State != "open" {
			t.Errorf("the state is %s", st.State)
		}
	})
}

// TestTransportFloorIsNoFailure: the refusals of a host that tells its floor do
// not throttle it afterwards.
func TestTransportFloorIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fields, code := []string{}, http.StatusServiceUnavailable
		tr := outbound(t, shed.TransportConfig{Base: base(func(*http.Request) (*http.Response, error) { return answers(code, fields...) })})
		for range 30 {
			ask(t, tr, of(seawall.Normal), "a") // full, and no floor yet
		}
		fields = []string{"Seawall-Floor: sheddable/0"}
		ask(t, tr, of(seawall.Critical), "a")
		for range 300 {
			time.Sleep(10 * time.Millisecond)
			ask(t, tr, of(seawall.Critical), "a")
			if _, err := ask(t, tr, of(seawall.Normal), "a"); err != nil {
				t.Fatal("throttled under a floor")
			}
		}
		fields, code = nil, http.StatusOK
		time.Sleep(time.Millisecond)
		ask(t, tr, of(seawall.Critical), "a")
		for range 1000 {
			if _, err := ask(t, tr, of(seawall.Normal), "a"); err != nil {
				t.Fatal("throttled after a floor")
			}
		}
	})
}
