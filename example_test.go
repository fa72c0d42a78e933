package seawall_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// A server of three lines of policy: who is asking, how many may be inside, and
// what the others hear. The packages of seawall are better gates than this one,
// but they are built of the same parts.
func Example() {
	classify := seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: map[string]seawall.Class{
			"POST /login":  {Priority: seawall.Critical},
			"GET /healthz": {Exempt: true},
		},
	}))
	full := &seawall.Rejection{Component: "example", Name: "gate", Reason: seawall.Overloaded, RetryAfter: 3 * time.Second}
	const capacity = 1
	var inside atomic.Int32
	gate := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			class := classify(r)
			defer inside.Add(-1) // also when the handler panics
			if inside.Add(1) > capacity && !class.Exempt && class.Priority < seawall.Critical {
				seawall.Respond(w, r, full)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	started, finish := make(chan bool), make(chan bool)
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- true
			<-finish
		}
	})

	srv := httptest.NewServer(seawall.Chain(gate)(app))
	defer srv.Close()
	done := make(chan bool)
	go func() { // the one that takes the only place
		if res, err := http.Get(srv.URL + "/slow"); err == nil {
			res.Body.Close()
		}
		close(done)
	}()
	<-started
	for _, line := range [][2]string{{"GET", "/feed"}, {"GET", "/healthz"}, {"POST", "/login"}} {
		req, _ := http.NewRequest(line[0], srv.URL+line[1], nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s: %s %v\n", line[1], res.Status, res.Header["Retry-After"])
		res.Body.Close()
	}
	close(finish)
	<-done
	// Output:
	// /feed: 503 Service Unavailable [3]
	// /healthz: 200 OK []
	// /login: 200 OK []
}

func ExampleChain() {
	part := func(name string) seawall.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Println(name)
				next.ServeHTTP(w, r)
			})
		}
	}
	var notConfigured seawall.Middleware // left out
	app := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fmt.Println("handler") })

	h := seawall.Chain(part("outermost"), notConfigured, part("next"))(app)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output:
	// outermost
	// next
	// handler
}

func ExampleMust() {
	defer func() { fmt.Println(recover()) }()
	identify := seawall.Must(seawall.NewIdentity(seawall.Identity{Cookie: "session"}))
	fmt.Println(identify != nil)
	seawall.Must(seawall.NewIdentity(seawall.Identity{Cookie: "my session"}))
	// Output:
	// true
	// seawall: Identity.Cookie must be a cookie name (got "my session")
}

func ExampleParsePriority() {
	p, err := seawall.ParsePriority("Sheddable")
	fmt.Println(p, p < seawall.Normal, err)
	_, err = seawall.ParsePriority("urgent")
	fmt.Println(err)
	// Output:
	// sheddable true <nil>
	// seawall: unknown priority "urgent" (want critical, normal, sheddable or background)
}

func ExamplePriorities() {
	for _, p := range seawall.Priorities() {
		fmt.Println(p)
	}
	// Output:
	// critical
	// normal
	// sheddable
	// background
}

// Priorities go into configuration files by their names.
func ExamplePriority_UnmarshalText() {
	var config struct {
		Jobs map[string]seawall.Priority
	}
	err := json.Unmarshal([]byte(`{"jobs": {"report": "background", "receipt": "critical"}}`), &config)
	fmt.Println(config.Jobs["report"] < config.Jobs["receipt"], err)
	// Output: true <nil>
}

// With a Secret that all instances share, they agree on who is who.
func ExampleNewIdentity() {
	config := seawall.Identity{Bearer: true, Cookie: "session", Secret: []byte("sixteen bytes or more")}
	here := seawall.Must(seawall.NewIdentity(config))
	there := seawall.Must(seawall.NewIdentity(config))

	r := httptest.NewRequest("GET", "/feed", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "alice"})
	fmt.Println(here(r), here(r) == there(r))

	r.Header.Set("Authorization", "Bearer forged") // comes first, and is nobody known
	fmt.Println(here(r))
	// Output:
	// 64d56d0227086e43 true
	// 980d97e90443bc45
}

// Behind two proxies of our own: what the client claims stands left of what
// they saw.
func ExampleClientIP_Addr() {
	clients := seawall.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.2:443"
	r.Header.Set("X-Forwarded-For", "1.1.1.1, 203.0.113.9, 10.0.0.1")
	fmt.Println(clients.Addr(r))

	r.RemoteAddr = "198.51.100.7:5555" // somebody who went around them
	fmt.Println(clients.Addr(r))
	// Output:
	// 203.0.113.9
	// 198.51.100.7
}

func ExampleClientIP_Addr_forwarded() {
	clients := seawall.ClientIP{
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Header:  "Forwarded", // RFC 7239
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.2:443"
	r.Header.Set("Forwarded", `for=1.1.1.1, for="[2001:db8::17]:4711";proto=https;host="a,for=6.6.6.6"`)
	fmt.Println(clients.Addr(r))
	// Output: 2001:db8::17
}

// Who owns one address of an IPv6 network owns 2^64: they count as one.
func ExampleClientIP_Prefix() {
	var clients seawall.ClientIP
	for _, remote := range []string{"[2001:db8:1:2::aaaa]:1", "[2001:db8:1:2::bbbb]:1", "203.0.113.9:1", "[::ffff:203.0.113.9]:1"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		fmt.Println(clients.Prefix(r))
	}
	// Output:
	// 2001:db8:1:2::/64
	// 2001:db8:1:2::/64
	// 203.0.113.9/32
	// 203.0.113.9/32
}

func ExampleClientIP_Validate() {
	err := seawall.ClientIP{Header: "X-Real-IP"}.Validate()
	fmt.Println(err)
	// Output: seawall: ClientIP.Header "X-Real-IP" needs ClientIP.Trusted: without it the field is never read
}

func ExampleNewClassifier() {
	classify := seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: map[string]seawall.Class{
			"POST /login":       {Priority: seawall.Critical},
			"GET /avatars/{id}": {Priority: seawall.Sheddable, Route: "avatars"},
			"POST /reports":     {Priority: seawall.Background, Cost: 20},
			"GET /healthz":      {Exempt: true},
		},
		User: seawall.Identity{Bearer: true, Cookie: "session"},
	}))
	for _, line := range [][2]string{{"POST", "/login"}, {"GET", "/avatars/7"}, {"POST", "/reports"}, {"GET", "/feed"}} {
		r := httptest.NewRequest(line[0], line[1], nil)
		r.Header.Set(seawall.PriorityHeader, "critical") // so everybody could say
		c := classify(r)
		fmt.Printf("%s %q %d\n", c.Priority, c.Route, c.Cost)
	}
	// Output:
	// critical "POST /login" 0
	// sheddable "avatars" 0
	// background "POST /reports" 20
	// normal "" 0
}

// A service of your own may hand on the priority of the request it works for.
func ExampleNewClassifier_peers() {
	classify := seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
		Peers: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
	}))
	r := httptest.NewRequest("GET", "/stock", nil)
	r.Header.Set(seawall.PriorityHeader, "critical")

	r.RemoteAddr = "10.1.2.3:5555"
	fmt.Println("a peer:", classify(r).Priority)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	fmt.Println("a peer that passes it on:", classify(r).Priority)
	r.Header.Del("X-Forwarded-For")
	r.RemoteAddr = "203.0.113.9:5555"
	fmt.Println("anybody:", classify(r).Priority)
	// Output:
	// a peer: critical
	// a peer that passes it on: normal
	// anybody: normal
}

func ExampleClass_Validate() {
	fmt.Println(seawall.Class{Cost: -1}.Validate())
	// Output: Cost must not be negative (got -1)
}

// The one error of all packages, asked in three ways.
func ExampleRejection() {
	var err error = &seawall.Rejection{Component: "queue", Name: "mail", Reason: seawall.QueueFull, RetryAfter: 1500 * time.Millisecond}
	err = fmt.Errorf("sending the receipt: %w", err)

	fmt.Println(err)
	fmt.Println("rejected:", errors.Is(err, seawall.ErrRejected))
	fmt.Println("the queue was full:", errors.Is(err, seawall.QueueFull))
	if rej, ok := errors.AsType[*seawall.Rejection](err); ok {
		fmt.Println("answer", rej.StatusCode(), "and try again in", rej.RetryAfterSeconds(), "s")
	}
	// Output:
	// sending the receipt: seawall/queue mail: rejected: queue_full
	// rejected: true
	// the queue was full: true
	// answer 503 and try again in 2 s
}

func ExampleReason_Status() {
	fmt.Println(seawall.RateLimited.Status(), seawall.Overloaded.Status(), seawall.DeadlineExceeded.Status())
	// Output: 429 503 504
}

func ExampleRespond() {
	rej := &seawall.Rejection{Component: "shed", Reason: seawall.Overloaded, RetryAfter: 2500 * time.Millisecond}
	w := httptest.NewRecorder()
	seawall.Respond(w, httptest.NewRequest("GET", "/feed", nil), rej)

	res := w.Result()
	fmt.Println(res.Status)
	for _, name := range []string{"Content-Type", "Retry-After", "Cache-Control", seawall.ReasonHeader} {
		fmt.Println(name+":", res.Header.Get(name))
	}
	fmt.Print(w.Body)
	// Output:
	// 503 Service Unavailable
	// Content-Type: application/problem+json
	// Retry-After: 3
	// Cache-Control: no-store
	// Seawall-Reason: overloaded
	// {"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The service is at capacity. Nothing was done; try again later.","reason":"overloaded"}
}

func ExampleRespond_graphQL() {
	r := httptest.NewRequest("POST", "/graphql", nil)
	r.Header.Set("Accept", "application/graphql-response+json")
	w := httptest.NewRecorder()
	seawall.Respond(w, r, &seawall.Rejection{Component: "ratelimit", Reason: seawall.RateLimited})
	fmt.Print(w.Code, " ", w.Body)
	// Output: 429 {"errors":[{"message":"Too many requests. Nothing was done; try again later.","extensions":{"code":"RATE_LIMITED","status":429}}]}
}

// A page for browsers, the default for all others.
func ExampleResponder() {
	var responder seawall.Responder = func(w http.ResponseWriter, r *http.Request, rej *seawall.Rejection) {
		if r.Header.Get("Accept") != "text/html" {
			seawall.Respond(w, r, rej)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(rej.StatusCode())
		fmt.Fprintf(w, "<h1>Back in %d s</h1>\n", rej.RetryAfterSeconds())
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	responder(w, r, &seawall.Rejection{Component: "shed", Reason: seawall.Overloaded, RetryAfter: 5 * time.Second})
	body, _ := io.ReadAll(w.Result().Body)
	fmt.Printf("%d %s", w.Code, body)
	// Output: 503 <h1>Back in 5 s</h1>
}

func ExampleObserverFunc() {
	rejected := map[seawall.Reason]int{}
	observer := seawall.ObserverFunc(func(_ context.Context, e seawall.Event) {
		if e.Outcome == seawall.Rejected && !e.DryRun {
			rejected[e.Reason]++ // lock this where requests are served
		}
	})
	for _, e := range []seawall.Event{
		{Component: "shed", Outcome: seawall.Admitted},
		{Component: "shed", Outcome: seawall.Rejected, Reason: seawall.Overloaded},
		{Component: "ratelimit", Outcome: seawall.Rejected, Reason: seawall.RateLimited, DryRun: true},
	} {
		observer.Observe(context.Background(), e)
	}
	fmt.Println(rejected)
	// Output: map[overloaded:1]
}

// pager wants to know when a state changes; single decisions it drops.
type pager struct{}

func (pager) Observe(context.Context, seawall.Event) {}

func (pager) ObserveState(_ context.Context, c seawall.StateChange) {
	fmt.Printf("%s %s: %s, was %s (%s)\n", c.Component, c.Name, c.To, c.From, c.Cause)
}

func ExampleObservers() {
	count := 0
	both := seawall.Observers(pager{}, nil, seawall.ObserverFunc(func(context.Context, seawall.Event) { count++ }))

	ctx := context.Background()
	both.Observe(ctx, seawall.Event{Component: "breaker", Outcome: seawall.Admitted})
	if o, ok := both.(seawall.StateObserver); ok {
		o.ObserveState(ctx, seawall.StateChange{Component: "breaker", Name: "payments", From: "closed", To: "open", Cause: "7 of 10 calls failed"})
	}
	fmt.Println(count, "decision")
	// Output:
	// breaker payments: open, was closed (7 of 10 calls failed)
	// 1 decision
}

// gate is a component that can be asked how it is, and be told.
type gate struct{ limit string }

func (g *gate) Snapshot() seawall.Snapshot {
	return seawall.Snapshot{Component: "example", Name: "gate", State: "open", Metrics: []seawall.Metric{
		{Name: "in_flight", Kind: seawall.Gauge, Value: 3},
	}}
}

func (g *gate) Controls() []seawall.Control {
	return []seawall.Control{{Name: "limit", Help: "Requests in flight.", Value: g.limit}}
}

func (g *gate) Override(_ context.Context, o seawall.Override) error {
	if o.Control != "limit" {
		return fmt.Errorf("example: there is no control %q", o.Control)
	}
	g.limit = o.Value
	return nil
}

func ExampleControllable() {
	var c seawall.Controllable = &gate{limit: "100"}
	err := c.Override(context.Background(), seawall.Override{Control: "limit", Value: "50", For: time.Hour, By: "ops", Why: "the database is being moved"})
	fmt.Println(c.Controls()[0].Value, err)
	fmt.Println(c.Override(context.Background(), seawall.Override{Control: "lmit"}))
	s := c.Snapshot()
	fmt.Println(s.Component, s.Name, s.State, s.Metrics[0].Name, s.Metrics[0].Value)
	// Output:
	// 50 <nil>
	// example: there is no control "lmit"
	// example gate open in_flight 3
}
