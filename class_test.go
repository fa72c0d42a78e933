package seawall_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

func classify(t testing.TB, c seawall.ClassifierConfig) seawall.Classifier {
	t.Helper()
	f, err := seawall.NewClassifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func routes() map[string]seawall.Class {
	return map[string]seawall.Class{
		"POST /login":            {Priority: seawall.Critical, Route: "login"},
		"GET /feed/{id}":         {Cost: 3},
		"GET /feed/latest":       {Route: "latest"},
		"/static/":               {Priority: seawall.Sheddable, Route: "static"},
		"/static/{file}/raw":     {Route: "raw"},
		"/tree/":                 {Route: "tree"},
		"/healthz":               {Exempt: true, Route: "health"},
		"/healthz/":              {Exempt: true, Route: "health tree"},
		"reports.example.com/":   {Priority: seawall.Background, Route: "reports"},
		"/exact/{$}":             {Route: "exact"},
		"/files/{path...}":       {Route: "files"},
		"GET /stream":            {Track: true, Budget: time.Minute, Route: "stream"},
		"CONNECT proxy.example/": {Route: "tunnel"},
	}
}

func TestClassifierRoutes(t *testing.T) {
	cl := classify(t, seawall.ClassifierConfig{Routes: routes(), Default: seawall.Class{Route: "other"}})
	for _, c := range []struct{ method, target, want string }{
		{"POST", "/login", "login"},
		{"POST", "/login?next=/feed", "login"},
		{"GET", "/login", "other"}, // the wrong method is another route
		{"PUT", "/login", "other"},
		{"POST", "/login/", "other"},
		{"POST", "/Login", "other"},
		{"GET", "/feed/7", "GET /feed/{id}"}, // no name: the pattern
		{"HEAD", "/feed/7", "GET /feed/{id}"},
		{"GET", "/feed/latest", "latest"}, // the more specific one wins
		{"GET", "/feed/7/8", "other"},
		{"GET", "/feed/", "other"},
		{"GET", "/static/a/b.css", "static"},
		{"GET", "/static/", "static"},
		{"GET", "/static/a/raw", "raw"},
		{"GET", "/exact/", "exact"},
		{"GET", "/exact/x", "other"},
		{"GET", "/files/a/b/c", "files"},
		{"DELETE", "/healthz", "health"},
		{"GET", "http://reports.example.com/login", "reports"},
		{"GET", "http://reports.example.com:8080/x", "reports"}, // the port does not count
		{"POST", "http://reports.example.com/login", "reports"}, // a host beats none
		{"GET", "http://example.com.evil/x", "other"},
		{"GET", "/l%6Fgin", "other"}, // right path, wrong method
		{"POST", "/l%6Fgin", "login"},

		// ServeMux would redirect these, another router may serve them.
		{"POST", "//login", "other"},
		{"POST", "/./login", "other"},
		{"POST", "/x/../login", "other"},
		{"GET", "/healthz/../feed/7", "other"},
		{"GET", "/healthz/%2e%2e/feed/7", "other"},
		{"GET", "/healthz/..%2ffeed/7", "other"},
		{"GET", "/healthz/%2e%2e%2ffeed%2f7", "other"},
		{"GET", "/healthz/x/..", "other"},
		{"GET", "/healthz/x/.", "other"},
		{"GET", "/healthz//x", "other"},
		{"GET", "/tree", "other"}, // redirected to /tree/
		{"GET", "/tree/", "tree"},
		{"GET", "/files/a..b/c..", "files"}, // dots in names are dots in names

		{"GET", "/files/" + x(8<<10-7), "files"},
		{"GET", "/files/" + x(8<<10-6), "other"}, // too long to look up
		{"GET", "/healthz/x", "health tree"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if got := cl(r); got.Route != c.want {
			t.Errorf("%s %.40s: route %q, want %q", c.method, c.target, got.Route, c.want)
		}
	}
	got := cl(httptest.NewRequest("GET", "/stream", nil))
	if !got.Track || got.Budget != time.Minute || got.Priority != seawall.Normal || got.Exempt {
		t.Errorf("the class of the route was not taken whole: %+v", got)
	}
	if got := cl(httptest.NewRequest("GET", "/feed/7", nil)); got.Cost != 3 {
		t.Errorf("cost %d, want 3", got.Cost)
	}
}

func TestClassifierOddRequests(t *testing.T) {
	for name, cl := range map[string]seawall.Classifier{
		"with routes": classify(t, seawall.ClassifierConfig{Routes: routes(), Default: seawall.Class{Route: "other"}}),
		"without":     classify(t, seawall.ClassifierConfig{Default: seawall.Class{Route: "other"}}),
	} {
		t.Run(name, func(t *testing.T) {
			for what, change := range map[string]func(*http.Request){
				"empty path":      func(r *http.Request) { r.URL.Path = "" },
				"OPTIONS *":       func(r *http.Request) { r.Method, r.URL.Path, r.RequestURI = "OPTIONS", "*", "*" },
				"no slash":        func(r *http.Request) { r.URL.Path = "login" },
				"empty method":    func(r *http.Request) { r.Method = "" },
				"odd method":      func(r *http.Request) { r.Method = "BREW\x00" },
				"CONNECT":         func(r *http.Request) { r.Method, r.URL.Path, r.Host = "CONNECT", "", "proxy.example:443" },
				"empty host":      func(r *http.Request) { r.Host = "" },
				"bad escape":      func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/x", "/%zz" },
				"long path":       func(r *http.Request) { r.URL.Path = strings.Repeat("/x", 10000) },
				"control in path": func(r *http.Request) { r.URL.Path = "/\x00\r\n" },
				"opaque":          func(r *http.Request) { r.URL.Opaque = "//login" },
			} {
				r := from(somebody)
				change(r)
				if got := cl(r); got.Route != "other" || got.User == 0 {
					t.Errorf("%s: %+v, want the default class and a user", what, got)
				}
			}
		})
	}
	cl := classify(t, seawall.ClassifierConfig{Routes: routes()})
	r := from(somebody)
	r.Method, r.URL.Path, r.Host = "CONNECT", "/", "proxy.example"
	if got := cl(r); got.Route != "tunnel" {
		t.Errorf("CONNECT with a path: route %q, want tunnel", got.Route)
	}
}

func TestClassifierPreflight(t *testing.T) {
	cl := classify(t, seawall.ClassifierConfig{Routes: routes()})
	preflight := []string{"Origin: https://example.com", "Access-Control-Request-Method: POST"}
	for name, c := range map[string]struct {
		method string
		fields []string
		length int64
		want   bool
	}{
		"preflight":     {"OPTIONS", preflight, 0, true},
		"without CORS":  {"OPTIONS", nil, 0, false},
		"origin alone":  {"OPTIONS", preflight[:1], 0, false},
		"method alone":  {"OPTIONS", preflight[1:], 0, false},
		"a GET":         {"GET", preflight, 0, false},
		"a POST":        {"POST", preflight, 0, false},
		"lower case":    {"options", preflight, 0, false},
		"with a body":   {"OPTIONS", preflight, 1000, false},
		"with a stream": {"OPTIONS", preflight, -1, false},
	} {
		r := from(somebody, c.fields...)
		r.Method, r.URL.Path, r.ContentLength = c.method, "/login", c.length
		if got := cl(r); got.Exempt != c.want {
			t.Errorf("%s: exempt %t, want %t", name, got.Exempt, c.want)
		}
	}
}

func TestClassifierUserAndTenant(t *testing.T) {
	byHeader := func(name string) func(*http.Request) seawall.ID {
		return func(r *http.Request) seawall.ID { return seawall.ID(len(r.Header.Get(name))) }
	}
	r := from(somebody, "X-User: abc", "X-Tenant: abcde", "Authorization: Bearer alice")
	for name, c := range map[string]struct {
		conf         seawall.ClassifierConfig
		user, tenant seawall.ID
	}{
		"functions":       {seawall.ClassifierConfig{UserFunc: byHeader("X-User"), Tenant: byHeader("X-Tenant")}, 3, 5},
		"UserFunc wins":   {seawall.ClassifierConfig{UserFunc: byHeader("X-User"), User: full(nil)}, 3, 0},
		"class has them":  {seawall.ClassifierConfig{Default: seawall.Class{User: 7, Tenant: 8}, UserFunc: byHeader("X-User"), Tenant: byHeader("X-Tenant")}, 7, 8},
		"identity":        {seawall.ClassifierConfig{User: full(secret)}, identify(t, full(secret))(r), 0},
		"address default": {seawall.ClassifierConfig{User: seawall.Identity{Secret: secret}}, identify(t, seawall.Identity{Secret: secret})(from(somebody)), 0},
	} {
		if got := classify(t, c.conf)(r); got.User != c.user || got.Tenant != c.tenant {
			t.Errorf("%s: user %v tenant %v, want %v and %v", name, got.User, got.Tenant, c.user, c.tenant)
		}
	}
}

const peer = "10.0.0.7:999"

func TestClassifierPriorityField(t *testing.T) {
	critical := "Seawall-Priority: critical"
	conf := seawall.ClassifierConfig{Peers: prefixes("10.0.0.0/8"), Default: seawall.Class{Priority: seawall.Sheddable}}
	cl := classify(t, conf)
	for name, c := range map[string]struct {
		remote string
		fields []string
		want   seawall.Priority
	}{
		"peer":                    {peer, []string{critical}, seawall.Critical},
		"peer lowers":             {peer, []string{"Seawall-Priority: background"}, seawall.Background},
		"peer, any case":          {peer, []string{"seawall-priority: CRITICAL"}, seawall.Critical},
		"mapped peer":             {"[::ffff:10.0.0.7]:9", []string{critical}, seawall.Critical},
		"peer without the field":  {peer, nil, seawall.Sheddable},
		"outsider":                {somebody, []string{critical}, seawall.Sheddable},
		"outsider lowers":         {somebody, []string{"Seawall-Priority: background"}, seawall.Sheddable},
		"unix socket":             {"@", []string{critical}, seawall.Sheddable},
		"no address":              {"", []string{critical}, seawall.Sheddable},
		"two lines":               {peer, []string{critical, critical}, seawall.Sheddable},
		"two lines, one garbage":  {peer, []string{critical, "Seawall-Priority: x"}, seawall.Sheddable},
		"list":                    {peer, []string{"Seawall-Priority: normal, critical"}, seawall.Sheddable},
		"garbage":                 {peer, []string{"Seawall-Priority: urgent"}, seawall.Sheddable},
		"number":                  {peer, []string{"Seawall-Priority: 1"}, seawall.Sheddable},
		"empty":                   {peer, []string{"Seawall-Priority: "}, seawall.Sheddable},
		"huge":                    {peer, []string{"Seawall-Priority: " + strings.Repeat("critical", 1<<17)}, seawall.Sheddable},
		"passed on, X-F-F":        {peer, []string{critical, "X-Forwarded-For: 192.0.2.1"}, seawall.Sheddable},
		"passed on, empty X-F-F":  {peer, []string{critical, "X-Forwarded-For: "}, seawall.Sheddable},
		"passed on, Forwarded":    {peer, []string{critical, "Forwarded: for=192.0.2.1"}, seawall.Sheddable},
		"passed on, Via":          {peer, []string{critical, "Via: 1.1 vegur"}, seawall.Sheddable},
		"passed on for a peer":    {peer, []string{critical, "X-Forwarded-For: 10.0.0.9"}, seawall.Sheddable},
		"outsider says he's ours": {somebody, []string{critical, "X-Forwarded-For: 10.0.0.9"}, seawall.Sheddable},
	} {
		if got := cl(from(c.remote, c.fields...)); got.Priority != c.want {
			t.Errorf("%s: priority %v, want %v", name, got.Priority, c.want)
		}
	}
	// Without peers nobody is believed, not even this host.
	nobody := classify(t, seawall.ClassifierConfig{})
	if got := nobody(from("127.0.0.1:1", critical)); got.Priority != seawall.Normal {
		t.Errorf("without peers: %v", got.Priority)
	}
	// PeerFunc alone decides.
	mtls := classify(t, seawall.ClassifierConfig{Peers: prefixes("10.0.0.0/8"), PeerFunc: func(r *http.Request) bool { return r.Header.Get("Cert") == "ok" }})
	if got := mtls(from(somebody, critical, "Cert: ok")); got.Priority != seawall.Critical {
		t.Errorf("PeerFunc said yes: %v", got.Priority)
	}
	if got := mtls(from(peer, critical)); got.Priority != seawall.Normal {
		t.Errorf("PeerFunc said no: %v", got.Priority)
	}
	// The list is the classifier's own.
	clear(conf.Peers)
	if got := cl(from(peer, critical)); got.Priority != seawall.Critical {
		t.Error("the caller's slice is still in use")
	}
}

func TestNewClassifierRefuses(t *testing.T) {
	one := func(pattern string, c seawall.Class) seawall.ClassifierConfig {
		return seawall.ClassifierConfig{Routes: map[string]seawall.Class{pattern: c}}
	}
	tooMuch := int64(math.MaxInt32 + 1) // negative where an int has 32 bits
	for _, c := range []struct {
		conf seawall.ClassifierConfig
		want string
	}{
		{seawall.ClassifierConfig{}, ""},
		{one("", seawall.Class{}), `ClassifierConfig.Routes[""]`},
		{one("login", seawall.Class{}), `ClassifierConfig.Routes["login"]`},
		{one("/a/{", seawall.Class{}), `ClassifierConfig.Routes["/a/{"]`},
		{one("/a/{x}/{x}", seawall.Class{}), `ClassifierConfig.Routes["/a/{x}/{x}"]`},
		{one("G=T /a", seawall.Class{}), `ClassifierConfig.Routes["G=T /a"]`},
		{one("/a", seawall.Class{Priority: 9}), `ClassifierConfig.Routes["/a"]: Priority must be one of the four (got 9)`},
		{one("/a", seawall.Class{Cost: -1}), `Routes["/a"]: Cost must not be negative (got -1)`},
		{one("/a", seawall.Class{Cost: int(tooMuch)}), "Cost must"},
		{one("/a", seawall.Class{Budget: -time.Second}), "Budget must not be negative (got -1s)"},
		{seawall.ClassifierConfig{Default: seawall.Class{Priority: -3}}, "ClassifierConfig.Default: Priority must be one of the four (got -3)"},
		{seawall.ClassifierConfig{Peers: []netip.Prefix{{}}}, "ClassifierConfig.Peers[0] must be a valid prefix"},
		{seawall.ClassifierConfig{Peers: prefixes("10.0.0.0/8", "::ffff:10.0.0.0/104")}, "ClassifierConfig.Peers[1] must be written as an IPv4 prefix"},
		{seawall.ClassifierConfig{User: seawall.Identity{Secret: []byte("short")}}, "Identity.Secret"},
	} {
		cl, err := seawall.NewClassifier(c.conf)
		checkError(t, err, c.want)
		if (cl == nil) != (err != nil) {
			t.Errorf("%q: classifier %t with error %v", c.want, cl != nil, err)
		}
	}
	// Two patterns of which neither is the more specific: both are named, and
	// the error is the same at every start.
	conflict := seawall.ClassifierConfig{Routes: map[string]seawall.Class{"/{a}/b": {}, "/a/{b}": {}, "/x": {}}}
	_, first := seawall.NewClassifier(conflict)
	for range 20 {
		_, err := seawall.NewClassifier(conflict)
		checkError(t, err, `"/{a}/b"`)
		checkError(t, err, `"/a/{b}"`)
		checkError(t, err, "conflicts with")
		if err.Error() != first.Error() {
			t.Fatalf("%v\nand then\n%v", first, err)
		}
	}
}

// A catch-all is a route like others, in any of its forms.
func TestClassifierCatchAll(t *testing.T) {
	for _, pattern := range []string{"/", "/{all...}", "GET /", "example.com/"} {
		cl := classify(t, seawall.ClassifierConfig{
			Routes:  map[string]seawall.Class{pattern: {Route: "all"}, "GET /feed": {Route: "feed"}},
			Default: seawall.Class{Route: "other"},
		})
		for path, want := range map[string]string{"/x/y": "all", "/": "all", "//x": "other"} {
			r := httptest.NewRequest("GET", "http://example.com"+path, nil)
			if got := cl(r); got.Route != want {
				t.Errorf("%s: %s is %q, want %q", pattern, path, got.Route, want)
			}
		}
	}
}

// The map given stays the caller's, and so do its classes.
func TestClassifierCopiesItsRoutes(t *testing.T) {
	conf := seawall.ClassifierConfig{Routes: map[string]seawall.Class{"/a": {Cost: 2}}}
	cl := classify(t, conf)
	if conf.Routes["/a"].Route != "" {
		t.Error("the caller's map was written to")
	}
	conf.Routes["/a"] = seawall.Class{Cost: 9}
	r := httptest.NewRequest("GET", "/a", nil)
	got := cl(r)
	if got.Cost != 2 || got.Route != "/a" {
		t.Errorf("%+v, want the class of the time of NewClassifier", got)
	}
	if r.Pattern != "" || r.PathValue("x") != "" {
		t.Error("the request was changed")
	}
}

// Classes are values: one request cannot change the next one's.
func TestClassifierConcurrently(t *testing.T) {
	cl := classify(t, seawall.ClassifierConfig{Routes: routes(), User: full(nil), Peers: prefixes("10.0.0.0/8")})
	done := make(chan seawall.Class)
	for i := range 8 {
		go func() {
			var c seawall.Class
			for range 500 {
				if i%2 == 0 {
					c = cl(from(peer, "Seawall-Priority: background", "Authorization: Bearer x"))
				} else {
					c = cl(from(somebody))
				}
			}
			done <- c
		}()
	}
	counts := map[seawall.Priority]int{}
	for range 8 {
		counts[(<-done).Priority]++
	}
	if counts[seawall.Background] != 4 || counts[seawall.Normal] != 4 {
		t.Errorf("priorities %v, want half and half", counts)
	}
}
