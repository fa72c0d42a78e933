package ratelimit

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// nullWriter is a connection's writer that keeps nothing but its header.
type nullWriter struct {
	header http.Header
	status int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(status int)      { w.status = status }

// allocates checks that f allocates at most so often, and that each time it did
// what is to be measured.
func allocates(t *testing.T, name string, most float64, f func() bool) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	missed := 0
	per := testing.AllocsPerRun(500, func() {
		if !f() {
			missed++
		}
	})
	if missed > 0 {
		t.Errorf("%s: %d times it was not what is measured", name, missed)
	}
	if per > most {
		t.Errorf("%s: %v allocations, want at most %v", name, per, most)
	}
}

// asking is a request that h is asked again and again, in a writer of a new
// connection's kind; it reports whether the answer was that.
func asking(h http.Handler, want int, fields ...string) func() bool {
	r := httptest.NewRequest(http.MethodGet, "/feed", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := &nullWriter{header: make(http.Header, 16)}
	return func() bool {
		clear(w.header)
		w.status = http.StatusOK
		h.ServeHTTP(w, r)
		return w.status == want
	}
}

var plenty = Rate{Limit: 1e6, Burst: 1e6}

func TestAllocDirect(t *testing.T) {
	l := limiter(t, plenty)
	allocates(t, "Limiter.Take", 0, func() bool { return l.Take(1, seawall.Normal).OK })
	k := keyedOf(t, KeyedConfig{Rate: plenty, Bytes: minBytes})
	key := []byte("192.0.2.1")
	allocates(t, "Keyed.Take", 0, func() bool { return k.Take("192.0.2.1", 1, seawall.Normal).OK })
	allocates(t, "Keyed.TakeBytes", 0, func() bool { return k.TakeBytes(key, 1, seawall.Normal).OK })
	allocates(t, "Keyed.Take, refused", 0, func() bool { return !k.Take("192.0.2.1", 1e7, seawall.Normal).OK })
	q := keyedOf(t, KeyedConfig{Quota: Quota{N: mostQuota, Each: Month}, Bytes: minBytes})
	allocates(t, "Keyed.Take of a Quota", 0, func() bool { return q.Take("192.0.2.1", 1, seawall.Normal).OK })
	p := pacer(t, PacerConfig{Rate: plenty, Burst: 1e6})
	allocates(t, "Pacer.Wait without a wait, but for x/time's reservation", 1, func() bool { return p.Wait(context.Background()) == nil })
}

// atOnce is a store that answers without waiting, and allocates nothing.
type atOnce struct{ left int64 }

func (s atOnce) TakeUpTo(_ context.Context, t RemoteTake) (RemoteTaken, error) {
	return RemoteTaken{Got: min(t.Want, s.left), Left: s.left, RetryAfter: time.Hour}, nil
}

// warm asks until there is a lease of some size, or a refusal is remembered.
func warm(ask func() bool) {
	for range 2000 {
		ask()
	}
}

// TestAllocShared: by a lease, and by a refusal that is remembered.
func TestAllocShared(t *testing.T) {
	ctx := context.Background()
	leased := sharedWith(atOnce{1 << 30}, Rate{Limit: 1e9, Burst: 1e8}, 1, func(c *SharedConfig) { c.Sharing.Budget = time.Second })
	key := []byte("192.0.2.1")
	calls := func() uint64 { return leased.Stats().Calls }
	warm(func() bool { return leased.Take(ctx, "192.0.2.1", 1, seawall.Normal).OK })
	// A lease is void after a while and there are calls then, which allocate, each
	// for thousands of decisions: the mean is rounded down.
	before := calls()
	allocates(t, "Take by lease", 0, func() bool { return leased.Take(ctx, "192.0.2.1", 1, seawall.Normal).OK })
	allocates(t, "TakeBytes by lease", 0, func() bool { return leased.TakeBytes(ctx, key, 1, seawall.Normal).OK })
	if n := calls() - before; n > 20 {
		t.Errorf("%d calls to the store: that was not by lease", n)
	}
	refused := sharedWith(atOnce{0}, plenty, 1, func(c *SharedConfig) { c.Sharing.Budget = time.Second })
	warm(func() bool { return refused.Take(ctx, "k", 1, seawall.Normal).OK })
	allocates(t, "Take, refused", 0, func() bool { return !refused.Take(ctx, "k", 1, seawall.Normal).OK })
	closed(t, leased, refused)
}

func TestAllocMiddleware(t *testing.T) {
	ip, nothingLeft := ByClientIP(seawall.ClientIP{}), Rate{Limit: rate.Every(time.Hour), Burst: 1}
	shared := func(left int64) *Sharing { return &Sharing{Store: atOnce{left}, Nodes: 1, Budget: time.Second} }
	for name, c := range map[string]struct {
		cfg    Config
		status int
		most   float64
	}{
		"by address and total": {Config{Policies: []Policy{
			{Name: "ip", Rate: plenty, Key: ip, Bytes: minBytes}, {Name: "total", Rate: plenty},
		}}, 200, 0},
		"quota":     {Config{Policies: []Policy{{Quota: Quota{N: mostQuota, Each: Day}, Key: ip, Bytes: minBytes}}}, 200, 0},
		"shared":    {Config{Policies: []Policy{{Rate: Rate{Limit: 1e9, Burst: 1e8}, Key: ip, Bytes: minBytes, Sharing: shared(1 << 30)}}}, 200, 0},
		"composite": {Config{Policies: []Policy{{Rate: plenty, Key: By(ip, ByHeader("X-Api-Key")), Bytes: minBytes}}}, 200, 0},
		"tier": {Config{Policies: []Policy{{
			Rate: nothingLeft, Key: ip, Bytes: minBytes,
			RateFor: func(*http.Request) (Rate, bool) { return Rate{Limit: 1e3, Burst: 1e5}, true },
		}}}, 200, 0},
		"dry run":            {Config{Fields: NoFields, DryRun: true, Policies: []Policy{{Rate: nothingLeft, Key: ip, Bytes: minBytes}}}, 200, 0},
		"fields always":      {Config{Fields: Always, Policies: []Policy{{Rate: plenty, Key: ip, Bytes: minBytes}}}, 200, 2},
		"observed":           {Config{Observer: seawall.ObserverFunc(func(context.Context, seawall.Event) {}), Policies: []Policy{{Rate: plenty, Key: ip, Bytes: minBytes}}}, 200, 0},
		"refused":            {Config{Policies: []Policy{{Rate: nothingLeft, Key: ip, Bytes: minBytes}}}, 429, 4},
		"refused, total":     {Config{Policies: []Policy{{Rate: nothingLeft}}}, 503, 4},
		"refused, no fields": {Config{Fields: NoFields, Policies: []Policy{{Rate: nothingLeft, Key: ip, Bytes: minBytes}}}, 429, 2},
		"refused, soon":      {Config{Policies: []Policy{{Rate: Rate{Limit: rate.Every(time.Minute), Burst: 1}, Key: ip, Bytes: minBytes}}}, 429, 2},
		"refused, quota":     {Config{Policies: []Policy{{Quota: Quota{N: 1, Each: Month}, Key: ip, Bytes: minBytes}}}, 429, 4},
		"refused, shared":    {Config{Policies: []Policy{{Rate: nothingLeft, Key: ip, Bytes: minBytes, Sharing: shared(0)}}}, 429, 4},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits(t, c.cfg)
			ask := asking(l.Middleware(nothing), c.status, "X-Api-Key", "k")
			warm(ask)
			allocates(t, name, c.most, ask)
			closeLimits(t, l)
		})
	}
}

// TestAllocFallback: a store that is not there costs no garbage either.
func TestAllocFallback(t *testing.T) {
	store := newModelStore(0)
	store.down.Store(true)
	l := limits(t, Config{Policies: []Policy{{Rate: plenty, Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes, Sharing: &Sharing{Store: store, Nodes: 1}}}})
	ask := asking(l.Middleware(nothing), 200)
	warm(ask)
	allocates(t, "without the store", 0, ask)
	closeLimits(t, l)
}
