package spike_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// What else a server of 300 requests a second may meet.
func ExampleMoreScenarios() {
	all := seawall.Must(spike.MoreScenarios(spike.ScenarioConfig{}))
	for _, sc := range all[:4] {
		fmt.Printf("%-12s  %s\n", sc.Name, sc.Title)
	}
	for _, at := range []time.Duration{3 * time.Second, 5 * time.Second, 7 * time.Second} {
		fmt.Printf("smaller at %v: %.0f of %.0f can be served\n", at, all[2].CapacityAt(at), all[2].Load.Profile.Rate(at))
	}
	// Output:
	// abusers       3x the capacity, 1 % of the users send 20 % of the single requests
	// abusers-long  the same for twice as long
	// smaller       3x the capacity, two thirds of the slots are lost in the spike
	// return        3x the capacity, a third of the slots at first, then all
	// smaller at 3s: 300 of 210 can be served
	// smaller at 5s: 300 of 900 can be served
	// smaller at 7s: 100 of 900 can be served
}

// The oracle is to know the truth also when it changes.
func ExampleScenario_Follow() {
	sc := spike.Scenario{
		Load:    spike.Load{Profile: spike.Steady(100), Duration: time.Second},
		Backend: spike.BackendConfig{Slots: 4, Service: spike.Constant(10 * time.Millisecond)},
		Faults:  []spike.Fault{{At: 300 * time.Millisecond, For: 300 * time.Millisecond, Kind: spike.FaultCapacity, Value: 3}},
		Start:   300 * time.Millisecond, End: 600 * time.Millisecond,
	}
	backend := seawall.Must(spike.NewBackend(sc.Backend))
	oracle := seawall.Must(spike.NewOracle(spike.OracleConfig{Slots: 4}))
	rec, _, err := sc.Follow(oracle).Run(context.Background(), backend, spike.Against(backend.Target(oracle.Guard)), nil)
	fmt.Println(len(rec.Samples) > 0, err)
	// Output: true <nil>
}

// One user in a hundred sends a fifth of the requests.
func ExampleAbusers() {
	load := spike.Load{
		Profile: spike.Steady(2000), Duration: time.Second,
		Journeys: spike.Journeys{Share: seawall.Off},
		Abusers:  spike.Abusers{Users: 0.01, Load: 0.2},
	}
	ban := func(_ context.Context, r *spike.Request) spike.Outcome {
		if r.Abuser {
			return spike.Rejected
		}
		return spike.Success
	}
	rec, err := load.Run(context.Background(), ban, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	f := spike.Analyze(rec, spike.Scenario{Load: load, End: time.Second}, spike.BackendStats{})
	fmt.Printf("honest %.0f %%, abusers %.0f %%\n", 100*f.Honest, 100*f.Abusers)
	// Output: honest 100 %, abusers 0 %
}

// A server tells the routes of the load apart, as a fast list and a slow search.
func ExampleRouteFromPath() {
	service := spike.Bimodal(5*time.Millisecond, 0.9, 200*time.Millisecond)
	load := spike.Load{Profile: spike.Steady(100), Duration: time.Minute, Routes: service.Shares()}
	fmt.Println(load.Validate())

	r, _ := http.NewRequest(http.MethodGet, "http://localhost/critical/r1", nil)
	fmt.Println(spike.PriorityFromPath(r), spike.RouteFromPath(r))
	// Output:
	// <nil>
	// critical 1
}

// Each route takes as long as its mode.
func ExampleBackend_ServeRoute() {
	backend := seawall.Must(spike.NewBackend(spike.BackendConfig{
		Service: spike.Bimodal(time.Millisecond, 0.9, 50*time.Millisecond),
	}))
	start := time.Now()
	err := backend.ServeRoute(context.Background(), 1)
	fmt.Println(time.Since(start) >= 50*time.Millisecond, err)
	// Output: true <nil>
}

// A third of the requests becomes five times as heavy until lift is called.
func ExampleBackend_InjectFault() {
	backend := seawall.Must(spike.NewBackend(spike.BackendConfig{}))
	lift, err := backend.InjectFault(spike.Fault{Kind: spike.FaultHeavy, Value: 5, Share: 0.33})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lift()
	// Output:
}

// Three instances behind a balancer.
func ExampleBalanced() {
	instance := func(name string) spike.Target {
		return func(context.Context, *spike.Request) spike.Outcome {
			fmt.Print(name, " ")
			return spike.Success
		}
	}
	target := seawall.Must(spike.Balanced(spike.LeastInFlight, instance("a"), instance("b"), instance("c")))
	for range 5 {
		target(context.Background(), &spike.Request{})
	}
	// Output: a b c a b
}

// Two contenders are compared by what their answers are worth.
func ExampleValueRatio() {
	ours, oracle := spike.Figures{Value: 9_400}, spike.Figures{Value: 10_000}
	fmt.Printf("%.2f\n", spike.ValueRatio(ours, oracle))
	// Output: 0.94
}

// The lines of a chart by priority.
func ExampleBucket_Of() {
	load := spike.Load{Profile: spike.Steady(1000), Duration: time.Second, Mix: spike.Mix{Critical: 1}}
	rec, err := load.Run(context.Background(), func(context.Context, *spike.Request) spike.Outcome { return spike.Success }, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, bucket := range spike.Timeline(rec, 500*time.Millisecond) {
		offered, success := bucket.Of(seawall.Critical)
		fmt.Println(offered > 0, success == offered)
	}
	// Output:
	// true true
	// true true
}

// A backend that computes, without a server.
func ExampleBurner() {
	burner := seawall.Must(spike.NewBurner(spike.BurnerConfig{Work: time.Millisecond}))
	burner.Serve(context.Background())
	fmt.Println(burner.Stats().Served, burner.Stats().Busy)
	// Output: 1 1ms
}

// A main function of a program that measures a CPU-bound server: the child
// serves on one processor, its capacity is measured, and then the crowd comes
// from another child.
func ExampleStartServer() {
	spike.ChildMain()
	spike.ServeMain(spike.Sites{"bare": func(arg string) (spike.Site, error) {
		work, err := time.ParseDuration(arg)
		if err != nil {
			return spike.Site{}, err
		}
		burner, err := spike.NewBurner(spike.BurnerConfig{Work: work})
		if err != nil {
			return spike.Site{}, err
		}
		return spike.Site{Handler: burner.Handler(), Stats: burner.Stats}, nil
	}})
	if err := measure(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) error {
	server, err := spike.StartServer(ctx, spike.ServerConfig{Name: "bare", Arg: "2ms"})
	if err != nil {
		return err
	}
	defer server.Close(ctx)
	target, err := spike.NewHTTPTarget(spike.HTTPConfig{URL: server.URL()})
	if err != nil {
		return err
	}
	defer target.Close()
	capacity, err := spike.MeasureCapacity(ctx, target.Do, 4, time.Second)
	if err != nil {
		return err
	}
	backend, err := spike.OneQueue(capacity, 0)
	if err != nil {
		return err
	}
	all, err := spike.Scenarios(spike.ScenarioConfig{Backend: backend})
	if err != nil {
		return err
	}
	for _, sc := range all {
		if len(sc.Faults) > 0 {
			continue // a server process has none
		}
		rec, stats, err := sc.RunServer(ctx, server, spike.InChild(server.URL()), nil)
		if err != nil {
			return err
		}
		fmt.Println(spike.Table([]spike.Figures{spike.Analyze(rec, sc, stats.Backend)}))
	}
	return nil
}

// How much a backend serves is measured with as many workers as keep it busy.
func ExampleMeasureCapacity() {
	backend := seawall.Must(spike.NewBackend(spike.BackendConfig{Slots: 2, Service: spike.Constant(10 * time.Millisecond)}))
	capacity, err := spike.MeasureCapacity(context.Background(), backend.Target(nil), 4, time.Second)
	fmt.Println(capacity > 100 && capacity < 220, err)
	// Output: true <nil>
}

// A server that one figure describes, such as one bound by its processor.
func ExampleOneQueue() {
	cfg := seawall.Must(spike.OneQueue(450, 0))
	fmt.Println(cfg.Slots, cfg.Service.Mean().Round(10*time.Microsecond))
	// Output: 1 2.22ms
}

// A scenario against a server in a process of its own.
func ExampleScenario_RunServer() {
	ctx := context.Background()
	server := seawall.Must(spike.StartServer(ctx, spike.ServerConfig{Name: "bare"}))
	all := seawall.Must(spike.Scenarios(spike.ScenarioConfig{Backend: seawall.Must(spike.OneQueue(450, 0))}))
	record, stats, err := all[0].RunServer(ctx, server, spike.InChild(server.URL()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(record.Samples), stats.CPU)
}
