// Package seawall keeps a net/http backend standing when everybody comes at
// once.
//
// An app is mentioned by somebody with millions of followers. Within seconds
// the load is ten times what it was on any day before; half of it are retries,
// some of it is abuse, and a service behind yours has become slow. A server
// without protection does not serve a tenth of that load: it serves next to
// nobody, because every request waits behind requests whose clients have long
// given up, and it goes on serving nobody when the crowd has left. The
// packages below let it serve as many as it can, those who matter most first,
// and tell the others at once to come back later.
//
//	ratelimit    gives each client its share, by address, user, key or route; in one process or a fleet
//	shed         admits what the backend can serve, by priority; finds the capacity itself
//	cache        keeps hot content near: one load a key, in a process and in a fleet; stale rather than nothing
//	httpcache    (in cache) keeps whole answers of handlers, by the RFCs; the last good one when they fail
//	spike        makes such a crowd, on your own machine, and shows what became of it
//	seawalltest  tests middleware: conformance, leaks, an in-memory network
//
// Each works alone, in any server, as a func(http.Handler) http.Handler. This
// package is what they share:
//
//   - [Class] is what they know of a request: its priority, whose it is, its
//     route. A [Classifier] tells it; [NewClassifier] makes one from patterns
//     and a session cookie or bearer token.
//   - [Rejection] is the one error with which any of them says no, and
//     [Respond] how that is written: 429 when the client exceeded its own
//     share, 503 when the service is short, always with Retry-After, and never
//     after anything was carried out.
//   - [Observer] is told of every decision, [Snapshotter] can be asked for the
//     state, and [Controllable] takes an operator's overrides. [LogObserver]
//     writes a line for many decisions, [Var] is for expvar, and the module
//     adapters/promobserver is for Prometheus.
//   - [WithClass] and [ClassFrom] carry the class on to what a handler asks of
//     others; [FromPeers] and [ClassifierConfig] say which of your own services
//     are believed when they state a priority or how long they wait.
//   - [ClientIP] and [Identity] tell who is asking without believing what
//     strangers write into header fields.
//
// # Where to begin
//
// With a dry run: it decides and counts, but refuses nobody.
//
//	shedder := seawall.Must(shed.New(shed.Config{
//		DryRun: true,
//		Classify: seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
//			Routes: map[string]seawall.Class{
//				"POST /login":    {Priority: seawall.Critical},
//				"POST /payments": {Priority: seawall.Critical},
//				"GET /feed":      {Priority: seawall.Sheddable},
//			},
//			User: seawall.Identity{Cookie: "session"},
//		})),
//	}))
//	http.ListenAndServe(":8080", shedder.Middleware(mux))
//
// In front of it go the shares of single clients, which cost them nothing of
// what is there for all:
//
//	limits := seawall.Must(ratelimit.New(ratelimit.Config{
//		DryRun:   true,
//		Policies: []ratelimit.Policy{ratelimit.PerIP(600, time.Minute)},
//	}))
//	http.ListenAndServe(":8080", limits.Middleware(shedder.Middleware(mux)))
//
// Between the two goes what answers without asking anybody, for the routes that say
// that they may be kept:
//
//	pages := seawall.Must(httpcache.New(httpcache.Config{}))
//	http.ListenAndServe(":8080", limits.Middleware(pages.Middleware(shedder.Middleware(mux))))
//
// Look at shedder.Stats() and limits.Stats() after a busy day, then take DryRun out. To see what
// it does before you trust it, run
//
//	go run github.com/seawall-go/seawall/examples/flashcrowd
//
// in a checkout: a real server under ten times its load, bare and protected.
//
// # What it costs
//
// Admitting or refusing a request takes some tens of nanoseconds and no
// allocation, with everything around it in a handler 0.1 to 0.2 microseconds;
// see bench_test.go, and bench/peers for other libraries measured in the same
// run.
//
// # The clock, the context, the response
//
// All timing is monotonic. Plain admission sets no context value, does not wrap
// the http.ResponseWriter and sets no field on what it lets through, so that
// streaming, hijacking, HTTP/2 and http.ResponseController work as without it.
package seawall
