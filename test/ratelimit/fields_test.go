package ratelimittest

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/seawall-go/seawall/ratelimit"
)

// list reads a field with somebody else's parser of RFC 9651.
func list(t *testing.T, h http.Header, name string, params ...string) (names []string, values map[string][]int64) {
	t.Helper()
	l, err := httpsfv.UnmarshalList(h.Values(name))
	if err != nil {
		t.Fatalf("%s: %q: %v", name, h.Values(name), err)
	}
	values = map[string][]int64{}
	for _, member := range l {
		one, ok := member.(httpsfv.Item)
		if !ok {
			t.Fatalf("%s: %v is no item", name, member)
		}
		policy, ok := one.Value.(string)
		if !ok {
			t.Fatalf("%s: %v is no String", name, one.Value)
		}
		names = append(names, policy)
		if got := one.Params.Names(); len(got) != len(params) {
			t.Fatalf("%s: the parameters are %v, want %v", name, got, params)
		}
		for _, p := range params {
			v, _ := one.Params.Get(p)
			n, ok := v.(int64)
			if !ok {
				t.Fatalf("%s: %s of %q is %v, no Integer", name, p, policy, v)
			}
			values[policy] = append(values[policy], n)
		}
	}
	if again, err := httpsfv.Marshal(l); err != nil || again != h.Get(name) {
		t.Errorf("%s: %q is written as %q (%v)", name, h.Get(name), again, err)
	}
	return names, values
}

// TestFieldsAreStructured: both fields are Lists of Strings with Integers, in the
// canonical form, and say what the policies are and what is left of them.
func TestFieldsAreStructured(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			type policy struct{ n, seconds, left int64 }
			model := map[string]*policy{}
			cfg := ratelimit.Config{Fields: ratelimit.Always}
			for i := range 1 + r.IntN(5) {
				p := &policy{n: 10 + 10*r.Int64N(500), seconds: 1 + r.Int64N(100_000)}
				p.left = p.n / 10
				name := []string{"a", "Per-IP", "x_y.z", "0", "---"}[i]
				model[name] = p
				cfg.Policies = append(cfg.Policies, ratelimit.Policy{
					Name: name, Rate: ratelimit.Per(p.n, time.Duration(p.seconds)*time.Second), Key: ratelimit.ByHeader("K"), Bytes: 4096,
				})
			}
			limits, err := ratelimit.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			h := limits.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for range 20 {
				req := httptest.NewRequest(http.MethodGet, "/", nil)
				req.Header.Set("K", "me")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, req)
				if w.Code != http.StatusOK {
					names, now := list(t, w.Header(), "RateLimit", "r", "t")
					refusing := names[len(names)-1]
					after, err := strconv.ParseInt(w.Header().Get("Retry-After"), 10, 64)
					if got := now[refusing]; err != nil || got[0] != 0 || got[1] < 1 || after < got[1] {
						t.Errorf("%s refuses with r=%d, t=%d, Retry-After %d (%v)", refusing, got[0], got[1], after, err)
					}
					return
				}
				names, now := list(t, w.Header(), "RateLimit", "r", "t")
				_, policies := list(t, w.Header(), "RateLimit-Policy", "q", "w")
				if len(names) != len(model) || len(policies) != len(model) {
					t.Fatalf("%v of %d policies", names, len(model))
				}
				for name, p := range model {
					p.left--
					token := (p.seconds + p.n - 1) / p.n
					if got := now[name]; got[0] != p.left || got[1] < 1 || got[1] > token {
						t.Errorf("%s: r=%d, t=%d, want %d left and more within %d s", name, got[0], got[1], p.left, token)
					}
					// A quota is a quotient times its window: one may get lost.
					if got := policies[name]; got[0] < p.n-1 || got[0] > p.n || got[1] != p.seconds {
						t.Errorf("%s: q=%d, w=%d, want %d and %d", name, got[0], got[1], p.n, p.seconds)
					}
				}
			}
		})
	}
}
