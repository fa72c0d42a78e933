package shed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// A whole server, protected: which routes matter, who a user is, and the
// middleware around all of it.
func Example() {
	shedder := seawall.Must(shed.New(shed.Config{
		Classify: seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
			Routes: map[string]seawall.Class{
				"POST /login":  {Priority: seawall.Critical},
				"GET /feed":    {Priority: seawall.Sheddable},
				"GET /healthz": {Exempt: true},
			},
			User: seawall.Identity{Cookie: "session"},
		})),
	}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") })

	srv := httptest.NewServer(shedder.Middleware(mux)) // or http.ListenAndServe(":8080", ...)
	defer srv.Close()
	resp, err := http.Post(srv.URL+"/login", "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	fmt.Println(shedder.Stats().Priorities[0].Admitted, "admitted as critical")
	// Output:
	// 200 OK
	// 1 admitted as critical
}

func ExampleNew() {
	_, err := shed.New(shed.Config{}) // needs no settings
	fmt.Println(err)
	_, err = shed.New(shed.Config{Budget: -time.Second})
	fmt.Println(err)
	// Output:
	// <nil>
	// seawall/shed: Budget must be positive (got -1s)
}

// A full house, as clients see it. Here an operator has set its size; without
// that it is found.
func ExampleShedder_Middleware() {
	shedder := seawall.Must(shed.New(shed.Config{MinLimit: 1, NormalWait: seawall.Off}))
	_ = shedder.Override(context.Background(), seawall.Override{Control: "limit", Value: "1"})
	started, finish := make(chan bool), make(chan bool)
	handler := shedder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- true
			<-finish
		}
		fmt.Fprint(w, "served")
	}))
	get := func(path string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, w.Code, w.Header()["Seawall-Reason"])
	}
	done := make(chan bool)
	go func() {
		get("/slow")
		close(done)
	}()
	<-started
	get("/feed")
	close(finish)
	<-done
	get("/feed")
	// Output:
	// /feed 503 [overloaded]
	// /slow 200 []
	// /feed 200 []
}

// Where there is no HTTP: a consumer, a batch, a gRPC service.
func ExampleShedder_Acquire() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	work := func(ctx context.Context, user seawall.ID) error {
		permit, err := shedder.Acquire(ctx, seawall.Class{Priority: seawall.Critical, User: user})
		if err != nil {
			return err // a *seawall.Rejection: nothing has been done
		}
		defer permit.Release()
		fmt.Println("working")
		return nil
	}
	fmt.Println(work(context.Background(), 7))
	// Output:
	// working
	// <nil>
}

// What can be left out is not worth waiting for.
func ExampleShedder_TryAcquire() {
	shedder := seawall.Must(shed.New(shed.Config{MinLimit: 1}))
	_ = shedder.Override(context.Background(), seawall.Override{Control: "limit", Value: "1"})
	permit, err := shedder.TryAcquire(context.Background(), seawall.Class{})
	fmt.Println(err)

	_, err = shedder.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Sheddable})
	var rejection *seawall.Rejection
	if errors.As(err, &rejection) {
		fmt.Println("no recommendations today:", rejection.Reason)
	}
	permit.Release()
	// Output:
	// <nil>
	// no recommendations today: overloaded
}

// A second Release does nothing, so that a defer may be had for safety.
func ExamplePermit_Release() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	permit, err := shedder.TryAcquire(context.Background(), seawall.Class{})
	if err != nil {
		return
	}
	defer permit.Release() // also if what follows panics
	fmt.Println(shedder.Stats().InFlight, "inside")
	permit.Release() // the answer is sent; what is left to do needs no seat
	fmt.Println(shedder.Stats().InFlight, "inside")
	// Output:
	// 1 inside
	// 0 inside
}

// Drop is for work that was cut short: how long it took says nothing about how
// fast the backend is.
func ExamplePermit_Drop() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	permit, err := shedder.Acquire(ctx, seawall.Class{})
	if err != nil {
		return
	}
	leave() // the client has gone
	if ctx.Err() != nil {
		permit.Drop()
	} else {
		permit.Release()
	}
	fmt.Println(shedder.Stats().InFlight, "inside")
	// Output: 0 inside
}

// A new configuration takes effect at once; what has been learned stays. One
// with a mistake in it changes nothing.
func ExampleShedder_Update() {
	shedder := seawall.Must(shed.New(shed.Config{Name: "front"}))
	fmt.Println(shedder.Update(shed.Config{Name: "front", NormalWait: 300 * time.Millisecond}))
	fmt.Println(shedder.Update(shed.Config{Name: "front", MinLimit: 20, MaxLimit: 10}))
	// Output:
	// <nil>
	// seawall/shed: MaxLimit must be at least MinLimit, 20 (got 10)
}

// At the end of a server's life: those who wait hear that it is closing, those
// inside are waited for.
func ExampleShedder_Close() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	permit, err := shedder.TryAcquire(context.Background(), seawall.Class{})
	if err != nil {
		return
	}
	go func() {
		defer permit.Release()
		fmt.Println("the last request ends")
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(shedder.Close(ctx))

	_, err = shedder.TryAcquire(context.Background(), seawall.Class{})
	fmt.Println(errors.Is(err, seawall.Draining))
	// Output:
	// the last request ends
	// <nil>
	// true
}

func ExampleShedder_Stats() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	permit, err := shedder.TryAcquire(context.Background(), seawall.Class{Priority: seawall.Critical})
	if err != nil {
		return
	}
	stats := shedder.Stats()
	fmt.Printf("%s, %d of %d inside, nobody refused: %v\n", stats.State, stats.InFlight, stats.Limit, stats.RefusedShare == 0)
	for _, p := range stats.Priorities {
		fmt.Println(p.Priority, p.Admitted, p.Refused)
	}
	permit.Release()
	// Output:
	// open, 1 of 32 inside, nobody refused: true
	// critical 1 0
	// normal 0 0
	// sheddable 0 0
	// background 0 0
}

// A report is known to be heavy only when it has been looked at. And what becomes
// a stream gives its seats back.
func ExampleAddCost() {
	shedder := seawall.Must(shed.New(shed.Config{
		Classify: func(*http.Request) seawall.Class { return seawall.Class{Cost: 2, Track: true} },
	}))
	inside := func(what string) { fmt.Println(what, shedder.Stats().InFlight) }
	handler := shedder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside("begins with")
		shed.AddCost(r.Context(), 6) // ten years instead of one
		inside("is heavier:")
		shed.AddCost(r.Context(), -5)
		inside("the worst is over:")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/report", nil))
	inside("has ended:")
	// Output:
	// begins with 2
	// is heavier: 8
	// the worst is over: 3
	// has ended: 0
}

// A chat that a client reads from the answer to its POST looks like any request
// until it begins. (WebSocket and Server-Sent Events need none of this.)
func ExampleDetach() {
	shedder := seawall.Must(shed.New(shed.Config{
		Classify: func(*http.Request) seawall.Class { return seawall.Class{Track: true} },
	}))
	handler := shedder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shed.Detach(r.Context()) {
			stats := shedder.Stats()
			fmt.Println(stats.InFlight, "inside,", stats.Detached, "streams")
		}
		// ... for an hour
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/chat", nil))
	fmt.Println(shedder.Stats().Detached, "streams")
	// Output:
	// 0 inside, 1 streams
	// 0 streams
}

// The same without HTTP: a consumer that takes as many seats as its batch has
// entries.
func ExamplePermit_AddCost() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	permit, err := shedder.Acquire(context.Background(), seawall.Class{Cost: 3})
	if err != nil {
		return // a *seawall.Rejection
	}
	defer permit.Release()
	permit.AddCost(2)
	fmt.Println(shedder.Stats().InFlight)
	// Output:
	// 5
}

// A stream holds its Permit for as long as it lasts, but no seat.
func ExamplePermit_Detach() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	permit, err := shedder.Acquire(context.Background(), seawall.Class{})
	if err != nil {
		return // a *seawall.Rejection
	}
	fmt.Println(permit.Detach(), shedder.Stats().InFlight)
	permit.Release()
	fmt.Println(permit.Detach())
	// Output:
	// true 0
	// false
}

// The form that exporters and pages understand without knowing the package.
func ExampleShedder_Snapshot() {
	shedder := seawall.Must(shed.New(shed.Config{Name: "front"}))
	snapshot := shedder.Snapshot()
	fmt.Println(snapshot.Component, snapshot.Name, snapshot.State)
	for _, m := range snapshot.Metrics {
		if len(m.Labels) == 0 {
			fmt.Println(m.Name, m.Value)
		}
	}
	// Output:
	// shed front open
	// limit 32
	// in_flight 0
	// waiting 0
	// shadow 0
	// detached 0
	// baseline_seconds 0
	// throughput_per_second 0
	// offered_per_second 0
	// refused_ratio 0
	// exempt_total 0
}

// What an operator may set at 3 a.m., and what it is now.
func ExampleShedder_Controls() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	for _, c := range shedder.Controls() {
		fmt.Println(c.Name, c.Value, c.Overridden)
	}
	// Output:
	// limit 32 false
	// dry_run off false
}

// For the next ten minutes no more than 20 at once, whatever has been found out.
// Then it ends by itself, in case nobody thinks of it.
func ExampleShedder_Override() {
	shedder := seawall.Must(shed.New(shed.Config{}))
	err := shedder.Override(context.Background(), seawall.Override{
		Control: "limit", Value: "20", For: 10 * time.Minute, By: "ana", Why: "the database is being moved",
	})
	fmt.Println(err, shedder.Stats().Limit)

	err = shedder.Override(context.Background(), seawall.Override{Control: "limit", Value: "lots"})
	fmt.Println(err)
	// Output:
	// <nil> 20
	// seawall/shed: override of limit must be a number from MinLimit, 4, to MaxLimit, 10000 (got "lots")
}

// Begin with a dry run: what would have been refused this week? The numbers are
// those of decisions; nobody is refused, and nobody waits.
func ExampleConfig_dryRun() {
	shedder := seawall.Must(shed.New(shed.Config{DryRun: true, MinLimit: 1}))
	_ = shedder.Override(context.Background(), seawall.Override{Control: "limit", Value: "1"})
	for range 3 {
		permit, err := shedder.Acquire(context.Background(), seawall.Class{})
		fmt.Println("admitted:", err == nil)
		defer permit.Release()
	}
	normal := shedder.Stats().Priorities[1]
	fmt.Println(normal.Admitted, "of", normal.Offered, "for real")
	// Output:
	// admitted: true
	// admitted: true
	// admitted: true
	// 1 of 3 for real
}
