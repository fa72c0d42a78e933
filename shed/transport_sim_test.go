package shed_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
	"github.com/seawall-go/seawall/spike"
)

// direct is a RoundTripper that calls a handler, as a network without loss and
// delay would.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &reply{header: make(http.Header), done: make(chan struct{})}
	in := r.Clone(r.Context())
	in.RemoteAddr = "10.0.0.7:999"
	go func() {
		defer close(w.done)
		d.handler.ServeHTTP(w, in)
	}()
	select {
	case <-w.done:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: max(w.status, http.StatusOK), Header: w.header, Body: http.NoBody,
		ProtoMajor: 1, ProtoMinor: 1, Request: r,
	}, nil
}

// reply is a ResponseWriter that keeps the header and the status.
type reply struct {
	header http.Header
	status int
	done   chan struct{}
}

func (w *reply) Header() http.Header         { return w.header }
func (w *reply) Write(p []byte) (int, error) { return len(p), nil }
func (w *reply) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// through is a target that asks by way of rt, under the class of each request,
// and tells ended what became of it.
func through(rt http.RoundTripper, ended func(*spike.Request, spike.Outcome)) spike.Target {
	return func(ctx context.Context, r *spike.Request) (o spike.Outcome) {
		defer func() { ended(r, o) }()
		class := seawall.Class{Priority: r.Priority, User: seawall.ID(r.User + 1)}
		hr, err := http.NewRequestWithContext(seawall.WithClass(ctx, class), http.MethodGet, "http://feed.internal/", nil)
		if err != nil {
			return spike.Failed
		}
		resp, err := rt.RoundTrip(hr)
		switch {
		case refusedHere(err):
			return spike.Rejected
		case err != nil:
			return spike.TimedOut
		case resp.StatusCode == http.StatusOK:
			return spike.Success
		default:
			return spike.Rejected
		}
	}
}

// encounter is what one run came to.
type encounter struct {
	figures  spike.Figures
	served   map[uint64]bool // requests within the spike, by ID
	atServer uint64          // refused by the Shedder in the spike
	atCaller uint64          // refused by the Transport in the spike
	late     uint64          // refused by the Transport later than 2 s after it
}

// meet plays a scenario against a Shedder, with a Transport in front or without.
func meet(t *testing.T, sc spike.Scenario, callers int) (c encounter) {
	synctest.Test(t, func(t *testing.T) {
		b := seawall.Must(spike.NewBackend(sc.Backend))
		s := start(t, shed.Config{
			Classify:  func(r *http.Request) seawall.Class { c, _ := seawall.ClassFrom(r.Context()); return c },
			TellFloor: seawall.Must(seawall.FromPeers(ofTen...)),
		})
		server := direct{s.Middleware(b.Handler())}
		c.served = make(map[uint64]bool)
		var mu sync.Mutex
		ended := func(r *spike.Request, o spike.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if o == spike.Success && r.Intended >= sc.Start && r.Intended < sc.End {
				c.served[r.ID] = true
			}
		}
		target := through(server, ended)
		var transports []*shed.Transport
		if callers > 0 {
			targets := make([]spike.Target, callers)
			for i := range targets {
				tr := seawall.Must(shed.NewTransport(shed.TransportConfig{Base: server}))
				transports = append(transports, tr)
				targets[i] = through(tr, ended)
			}
			target = func(ctx context.Context, r *spike.Request) spike.Outcome {
				return targets[r.User%uint64(callers)](ctx, r)
			}
		}
		here := func() (n uint64) {
			for _, tr := range transports {
				for _, p := range tr.Stats().Priorities {
					n += p.Floored + p.Throttled
				}
			}
			return n
		}
		there := func() (n uint64) {
			for _, p := range s.Stats().Priorities {
				n += p.Refused
			}
			return n
		}
		go func() {
			time.Sleep(sc.Start)
			h, th := here(), there()
			time.Sleep(sc.End - sc.Start)
			c.atCaller, c.atServer = here()-h, there()-th
			time.Sleep(2 * time.Second)
			h = here()
			time.Sleep(sc.Load.Duration - sc.End - 2*time.Second)
			c.late = here() - h
		}()
		rec, stats, err := sc.Run(t.Context(), b, spike.Against(target), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.figures = spike.Analyze(rec, sc, stats)
		synctest.Wait()
	})
	return c
}

// TestTransportInACrowd: with Transports at the callers most refusals cost the
// server nothing, and the same are served as without them.
func TestTransportInACrowd(t *testing.T) {
	if raceEnabled {
		t.Skip("a simulation; the same code is raced elsewhere")
	}
	for _, name := range []string{"3x", "10x"} {
		t.Run(name, func(t *testing.T) {
			var with, without encounter
			same, most := 0, 0
			var ours, others []spike.Figures
			for seed := range uint64(3) {
				sc := scenario(t, name, spike.ScenarioConfig{Seed: seed + 1})
				b, a := meet(t, sc, 0), meet(t, sc, 3)
				for id := range a.served {
					if b.served[id] {
						same++
					}
				}
				most += max(len(a.served), len(b.served))
				with.atCaller += a.atCaller
				with.atServer += a.atServer
				with.late += a.late
				without.atServer += b.atServer
				ours, others = append(ours, a.figures), append(others, b.figures)
			}
			f, o := spike.Median(ours), spike.Median(others)
			f.Contender, o.Contender = "with", "without"
			share := float64(with.atCaller) / float64(with.atCaller+with.atServer)
			overlap := float64(same) / float64(most)
			for _, c := range []struct {
				what       string
				is, lo, hi float64
			}{
				{"share refused at the caller", share, 0.7, 1},
				{"refused at the server, over that without", float64(with.atServer) / float64(without.atServer), 0, 0.3},
				{"served in both", overlap, 0.88, 1},
				{"goodput less that without", float64(f.Goodput - o.Goodput), -0.03, 0.03},
				{"Critical less that without", float64(f.Critical - o.Critical), -0.005, 1},
				{"Critical in the first second less that without", float64(f.CriticalFirst - o.CriticalFirst), -0.01, 1},
				{"Normal less that without", float64(f.Normal - o.Normal), -0.03, 0.03},
				{"success before", float64(f.Before), 1, 1},
				{"success afterwards", float64(f.After), 0.9, 1},
				{"recovered after", float64(f.Recover), 0, 1},
				// Mostly 0. In one crowd of sixteen the house is full once more two seconds
				// after it, in one play of four: 28 of 400 refused at most.
				{"refused at the caller 2 s later", float64(with.late), 0, 60},
			} {
				if !(c.is >= c.lo && c.is <= c.hi) {
					t.Errorf("%s: %.3f, want %.3f to %.3f", c.what, c.is, c.lo, c.hi)
				}
			}
			if t.Failed() || testing.Verbose() {
				t.Logf("%.1f %% refused at the caller, %.1f %% served in both\n%s", 100*share, 100*overlap, spike.Table([]spike.Figures{f, o}))
			}
		})
	}
}
