package spike_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// A load against an HTTP server: ten seconds at 100 requests a second would be
// usual, a fifth of a second is enough for an example.
func ExampleLoad_Run() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	}))
	defer srv.Close()
	target, err := spike.NewHTTPTarget(spike.HTTPConfig{URL: srv.URL})
	if err != nil {
		panic(err)
	}
	defer target.Close()

	load := spike.Load{
		Profile:  spike.Flash(50, 500, 50*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond),
		Duration: 200 * time.Millisecond,
		Timeout:  10 * time.Second,
	}
	rec, err := load.Run(context.Background(), target.Do, nil)
	if err != nil {
		panic(err)
	}
	good := 0
	for _, s := range rec.Samples {
		if s.Outcome == spike.Success {
			good++
		}
	}
	fmt.Println("all answered:", good == len(rec.Samples))
	// Output: all answered: true
}

// A flash crowd against a server that has no protection, and against one that
// knows its capacity. Within a testing/synctest bubble the same lines take no
// time: see the package's own tests.
func ExampleScenario_Run() {
	scenarios, err := spike.Scenarios(spike.ScenarioConfig{
		Backend:  spike.BackendConfig{Slots: 8, Service: spike.LogNormal(10*time.Millisecond, 0.6)},
		Duration: time.Second,
	})
	if err != nil {
		panic(err)
	}
	step := scenarios[2] // 10x
	var figures []spike.Figures
	for _, contender := range []string{"bare", "oracle"} {
		backend, err := spike.NewBackend(step.Backend)
		if err != nil {
			panic(err)
		}
		var guard spike.Guard
		if contender == "oracle" {
			oracle, err := spike.NewOracle(spike.OracleConfig{Slots: 8})
			if err != nil {
				panic(err)
			}
			guard = oracle.Guard
		}
		rec, stats, err := step.Run(context.Background(), backend, spike.Against(backend.Target(guard)), nil)
		if err != nil {
			panic(err)
		}
		f := spike.Analyze(rec, step, stats)
		f.Contender = contender
		figures = append(figures, f)
	}
	table := spike.Table(figures) // print it
	fmt.Println(strings.Fields(table)[:3])
	fmt.Println("the oracle serves more:", figures[1].Critical > figures[0].Critical)
	// Output:
	// [10x bare oracle]
	// the oracle serves more: true
}

// The load runs in a process of its own when main begins with ChildMain.
func ExampleRunChild() {
	main := func() {
		spike.ChildMain()

		load := spike.Load{Profile: spike.Steady(1000), Duration: 10 * time.Second}
		rec, err := spike.RunChild(context.Background(), load, "http://127.0.0.1:8080", func(p spike.Progress) {
			fmt.Fprintln(os.Stderr, p.At, p.Success)
		})
		if err != nil {
			panic(err)
		}
		fmt.Println("p99 of the send lag:", rec.LagQuantile(0.99))
	}
	_ = main
}

// InChild is RunChild for a scenario.
func ExampleInChild() {
	play := func(ctx context.Context, sc spike.Scenario, b *spike.Backend) (spike.Figures, error) {
		srv := httptest.NewServer(b.Handler())
		defer srv.Close()
		rec, stats, err := sc.Run(ctx, b, spike.InChild(srv.URL), nil)
		if err != nil {
			return spike.Figures{}, err
		}
		return spike.Analyze(rec, sc, stats), nil
	}
	_ = play
}

// A recorded load, as a monitoring system exports it.
func ExampleReadProfile() {
	p, err := spike.ReadProfile(strings.NewReader("seconds,rate\n0,100\n10,100\n11,900\n60,100\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Rate(5*time.Second), p.Rate(10500*time.Millisecond), p.Peak())
	// Output: 100 500 900
}

func ExampleProfile() {
	for _, p := range []spike.Profile{
		spike.Steady(100),
		spike.Step(100, 1000, 2*time.Second, 5*time.Second),
		spike.Ramp(100, 1000, 0, 6*time.Second),
		spike.Sine(100, 0.5, 12*time.Second),
	} {
		fmt.Println(p.Rate(0), p.Rate(3*time.Second), p.Rate(9*time.Second))
	}
	// Output:
	// 100 100 100
	// 100 1000 100
	// 100 550 1000
	// 100 150 50
}

func ExampleBackend() {
	b, err := spike.NewBackend(spike.BackendConfig{Slots: 2, Service: spike.Constant(time.Millisecond)})
	if err != nil {
		panic(err)
	}
	fmt.Println(b.Capacity(), "requests a second")
	lift, err := b.Inject(spike.FaultErrors, 1)
	if err != nil {
		panic(err)
	}
	fmt.Println(b.Serve(context.Background()))
	lift()
	fmt.Println(b.Serve(context.Background()), b.Stats().Served)
	// Output:
	// 2000 requests a second
	// seawall/spike: injected error
	// <nil> 1
}

func ExampleOracle_Middleware() {
	o, err := spike.NewOracle(spike.OracleConfig{Slots: 24})
	if err != nil {
		panic(err)
	}
	h := o.Middleware(spike.PriorityFromPath, spike.UserFromCookie)(http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/critical", nil))
	fmt.Println(w.Code)
	// Output: 404
}

func ExampleOracle_Acquire() {
	o, err := spike.NewOracle(spike.OracleConfig{Slots: 1, Waits: [4]time.Duration{3: seawall.Off}})
	if err != nil {
		panic(err)
	}
	release, _ := o.Acquire(context.Background(), seawall.Critical, 1)
	_, err = o.Acquire(context.Background(), seawall.Background, 2)
	fmt.Println(err)
	release()
	// Output: seawall/spike: refused by the oracle
}

func ExampleHandlerTarget() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if spike.PriorityFromPath(r) != seawall.Critical {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	target := spike.HandlerTarget(h, nil)
	for _, p := range seawall.Priorities() {
		fmt.Println(p, target(context.Background(), &spike.Request{Priority: p}))
	}
	// Output:
	// critical success
	// normal rejected
	// sheddable rejected
	// background rejected
}

func ExampleTable() {
	var figures []spike.Figures
	for _, contender := range []string{"bare", "seawall"} {
		f := spike.Analyze(&spike.Record{}, spike.Scenario{Name: "10x"}, spike.BackendStats{})
		f.Contender = contender
		f.Goodput = map[string]spike.Number{"bare": 0.069, "seawall": 0.985}[contender]
		figures = append(figures, f)
	}
	fmt.Print(spike.Table(figures))
	// Output:
	// 10x                           bare  seawall
	// -------------------------------------------
	// goodput                      6.9 %     98 %
	// 80 % of the possible after   never    never
	// requests                         0        0
	// attempts                         0        0
	// dropped by the generator         0        0
	// send lag p99                0.0 ms   0.0 ms
}

func ExampleMedian() {
	m := spike.Median([]spike.Figures{{Goodput: 0.97}, {Goodput: 0.99}, {Goodput: 0.90}})
	fmt.Println(m.Goodput)
	// Output: 0.97
}

func ExampleTimeline() {
	rec := &spike.Record{Load: spike.Load{Duration: 200 * time.Millisecond}, Samples: []spike.Sample{
		{Intended: 20 * time.Millisecond, Latency: 10 * time.Millisecond},
		{Intended: 150 * time.Millisecond, Outcome: spike.Rejected},
	}}
	for _, b := range spike.Timeline(rec, 0) {
		fmt.Println(b.At, b.Offered, b.Success(), b.Rejected, b.P99)
	}
	// Output:
	// 0s 1 1 0 10ms
	// 100ms 1 0 1 0s
}
