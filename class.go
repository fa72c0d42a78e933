package seawall

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Class is all that seawall's packages need to know of a request in order to
// treat it well. The zero value is a Normal request of an unknown user.
type Class struct {
	// Priority says who goes first. Default Normal.
	Priority Priority
	// User keeps a user's requests together: who is let in stays in for some
	// minutes, so that a journey of several requests can finish.
	User ID
	// Tenant is the account a user belongs to, for fair shares between them.
	Tenant ID
	// Route is a name from a small, fixed set, for metrics and logs; never a
	// raw path.
	Route string
	// Cost is how many ordinary requests this one weighs. Default 1.
	Cost int
	// Budget is how long the client is expected to wait. Default: the
	// package's own.
	Budget time.Duration
	// Exempt requests are never refused: health checks, CORS preflight.
	Exempt bool
	// Track marks requests whose handler wants to speak to seawall later
	// (streams, costs known only afterwards). It costs a context value.
	Track bool
}

// Classifier tells the class of a request. It runs before authentication, on
// every request, admitted or not: keep it below a microsecond, and never
// believe a priority the client claims.
type Classifier func(*http.Request) Class

// ClassifierConfig describes the ready-made classifier.
type ClassifierConfig struct {
	// Routes maps patterns of http.ServeMux ("POST /login", "/feed/{id}",
	// "example.com/") to classes; the most specific one wins, as there. A
	// class without a Route gets the pattern as its Route. What ServeMux would
	// redirect, and a path with "/.." in it, even encoded, is of the Default
	// class: another router than ServeMux may serve something else there than
	// the pattern promises. So is a path of more than 8 KiB.
	Routes map[string]Class
	// Default is the class of requests that match no pattern. Default: the
	// zero Class, which is Normal.
	Default Class
	// User tells how users are told apart. Default: by client address.
	User Identity
	// UserFunc replaces User, for those who keep identity elsewhere.
	UserFunc func(*http.Request) ID
	// Tenant finds the account, if there are any. Default none.
	Tenant func(*http.Request) ID
	// Peers are the networks of services of your own whose
	// Seawall-Priority field is believed, when it arrives straight from them:
	// a request that also carries Forwarded, X-Forwarded-For or Via was passed
	// on for somebody else and is not. Never name a proxy here that lets the
	// field through from outside. Default none.
	Peers []netip.Prefix
	// PeerFunc decides instead of Peers, for instance by the verified
	// certificate of mutual TLS. It decides alone, also about requests that
	// were passed on.
	PeerFunc func(*http.Request) bool
	// TimeoutHeader is the field in which Peers say how long they wait for
	// the answer. Where that is shorter than the class's own Budget, or the
	// class has none, it becomes the Budget. Values are seconds ("2", "0.25") or
	// durations as Go writes them ("250ms"); bare numbers are milliseconds where
	// the name ends in "-Ms", as X-Envoy-Expected-Rq-Timeout-Ms does, and
	// Grpc-Timeout has the units of gRPC. What is zero, negative, above 24 h or
	// no duration is ignored, and so are several lines. "-" reads no field.
	// Default "Request-Timeout".
	TimeoutHeader string
}

// PriorityHeader is the field in which a trusted peer states the priority of
// a request it makes on somebody's behalf.
const PriorityHeader = "Seawall-Priority"

// NewClassifier builds a Classifier. With the user's address, a literal pattern
// that names the method costs about 150 ns and no allocation, one with wildcards
// 300 to 400 ns and two or three, "/static/" or no match 600 ns and five; see
// BenchmarkClassifier. CORS
// preflight requests (without a body, as browsers send them) are always
// Exempt: a browser that may not ask cannot even learn that it was refused.
// Anybody can send one, so let your CORS middleware answer them, not a handler
// that costs something.
func NewClassifier(c ClassifierConfig) (Classifier, error) {
	cl := &classifier{fallback: c.Default, user: c.UserFunc, tenant: c.Tenant, trusted: c.PeerFunc}
	if err := c.Default.Validate(); err != nil {
		return nil, fmt.Errorf("seawall: ClassifierConfig.Default: %w", err)
	}
	for i, p := range c.Peers {
		if err := validPrefix(p); err != nil {
			return nil, fmt.Errorf("seawall: ClassifierConfig.Peers[%d] %w", i, err)
		}
	}
	if cl.trusted == nil && len(c.Peers) > 0 {
		cl.trusted = fromPeers(c.Peers)
	}
	switch name := c.TimeoutHeader; {
	case !validToken(name, true):
		return nil, fmt.Errorf("seawall: ClassifierConfig.TimeoutHeader must be a header field name or \"-\" (got %q)", clip(name, 32))
	case name == "":
		cl.timeout = TimeoutHeader
	case name != "-":
		cl.timeout, cl.form = http.CanonicalHeaderKey(name), timeoutFormOf(name)
	}
	if cl.user == nil {
		var err error
		if cl.user, err = NewIdentity(c.User); err != nil {
			return nil, err
		}
	}
	if len(c.Routes) > 0 {
		cl.mux = http.NewServeMux()
	}
	for _, pattern := range slices.Sorted(maps.Keys(c.Routes)) {
		class := c.Routes[pattern]
		if err := class.Validate(); err != nil {
			return nil, fmt.Errorf("seawall: ClassifierConfig.Routes[%q]: %w", pattern, err)
		}
		if class.Route == "" {
			class.Route = pattern
		}
		if err := register(cl.mux, pattern, &route{class}); err != nil {
			return nil, fmt.Errorf("seawall: ClassifierConfig.Routes[%q]: %w", pattern, err)
		}
	}
	if cl.mux != nil {
		// Without it, what matches nothing costs twice as much: ServeMux goes on
		// to look for other methods. The error is that there is one already.
		_ = register(cl.mux, "/", &route{c.Default})
	}
	return cl.classify, nil
}

// register turns ServeMux's panic over a bad or conflicting pattern into an
// error.
func register(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// Validate reports what no request can have.
func (c Class) Validate() error {
	switch {
	case !c.Priority.Valid():
		return fmt.Errorf("Priority must be one of the four (got %d)", int8(c.Priority))
	case c.Cost < 0:
		return fmt.Errorf("Cost must not be negative (got %d)", c.Cost)
	case c.Cost > math.MaxInt32:
		return fmt.Errorf("Cost must be at most %d (got %d)", math.MaxInt32, c.Cost)
	case c.Budget < 0:
		return fmt.Errorf("Budget must not be negative (got %v)", c.Budget)
	}
	return nil
}

// route is what the mux finds; nothing ever asks it to serve.
type route struct{ class Class }

func (*route) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

type classifier struct {
	mux      *http.ServeMux
	fallback Class
	user     func(*http.Request) ID
	tenant   func(*http.Request) ID
	trusted  func(*http.Request) bool // nil: nobody is
	timeout  string                   // canonical; empty: none
	form     timeoutForm
}

// classify puts the class together at the end and in one go: a Class that is
// copied and then changed is slow to read.
func (c *classifier) classify(r *http.Request) Class {
	found := &c.fallback
	if c.mux != nil {
		found = c.routed(r)
	}
	user, tenant, priority, budget := found.User, found.Tenant, found.Priority, found.Budget
	if user == 0 {
		user = c.user(r)
	}
	if c.tenant != nil && tenant == 0 {
		tenant = c.tenant(r)
	}
	if c.trusted != nil { //nolint:nestif // one thing after the other
		stated, waits := r.Header[PriorityHeader], r.Header[c.timeout]
		if (len(stated) == 1 || len(waits) == 1) && c.trusted(r) {
			if len(stated) == 1 {
				if p, err := ParsePriority(stated[0]); err == nil {
					priority = p
				}
			}
			if len(waits) == 1 {
				if d := c.form.parse(waits[0]); d > 0 && (budget == 0 || d < budget) {
					budget = d
				}
			}
		}
	}
	return Class{
		Priority: priority, User: user, Tenant: tenant, Route: found.Route, Cost: found.Cost, Budget: budget,
		Exempt: found.Exempt || r.Method == http.MethodOptions && preflight(r), Track: found.Track,
	}
}

func preflight(r *http.Request) bool {
	return r.ContentLength == 0 && r.Header["Access-Control-Request-Method"] != nil && r.Header["Origin"] != nil
}

// maxPath is the longest path that is looked up. Out of a megabyte, which
// net/http lets through, ServeMux makes tens of milliseconds of work.
const maxPath = 8 << 10

// routed looks the class up by method, host and path. For an unclean path or
// a wrong method the mux answers with a handler of its own, a redirect or an
// error: those are no routes of ours.
func (c *classifier) routed(r *http.Request) *Class {
	if len(r.URL.Path) > maxPath || strings.Contains(r.URL.Path, "/..") {
		return &c.fallback
	}
	h, _ := c.mux.Handler(r)
	if found, ok := h.(*route); ok {
		return &found.class
	}
	return &c.fallback
}
