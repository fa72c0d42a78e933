package ratelimit

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/seawall-go/seawall"
)

func keyOf(k Key, r *http.Request, c seawall.Class) string {
	return string(k.of(nil, r, &c))
}

func from(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/a", nil)
	r.RemoteAddr = addr
	return r
}

func TestByClientIP(t *testing.T) {
	k := ByClientIP(seawall.ClientIP{})
	same := func(a, b string, want bool) {
		t.Helper()
		if got := keyOf(k, from(a), seawall.Class{}) == keyOf(k, from(b), seawall.Class{}); got != want {
			t.Errorf("%s and %s: the same client %v, want %v", a, b, got, want)
		}
	}
	same("192.0.2.1:1", "192.0.2.1:2", true)
	same("192.0.2.1:1", "192.0.2.2:1", false)
	same("192.0.2.1:1", "[::ffff:192.0.2.1]:1", true)
	same("192.0.2.1:1", "[64:ff9b::192.0.2.1]:1", true)
	same("[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true) // one /64
	same("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false)
	same("[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true)
	if got := keyOf(k, from("@"), seawall.Class{}); got != "" {
		t.Errorf("a unix socket has the key %x", got)
	}
	fine := ByClientIP(seawall.ClientIP{V6Bits: 128})
	if keyOf(fine, from("[2001:db8::1]:1"), seawall.Class{}) == keyOf(fine, from("[2001:db8::2]:1"), seawall.Class{}) {
		t.Error("with 128 bits each address is a client")
	}
	behind := ByClientIP(seawall.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	spoofed := from("10.0.0.1:1")
	spoofed.Header.Set("X-Forwarded-For", "203.0.113.9, 192.0.2.7")
	if keyOf(behind, spoofed, seawall.Class{}) != keyOf(behind, from("192.0.2.7:1"), seawall.Class{}) {
		t.Error("what the client has written counts")
	}
	for addr, want := range map[string]int{"192.0.2.1:1": 2, "[2001:db8::1]:1": 4} {
		if got := k.wider([]byte(keyOf(k, from(addr), seawall.Class{}))); got != want {
			t.Errorf("%s: the group is %d bytes, want %d", addr, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	r := from("192.0.2.1:1")
	r.Pattern = "GET /a"
	r.Header["X-Api-Key"] = []string{"secret"}
	twice := from("192.0.2.1:1")
	twice.Header["X-Api-Key"] = []string{"a", "b"}
	c := seawall.Class{User: 1, Tenant: 2, Route: "GET /b"}
	for what, tt := range map[string]struct {
		k     Key
		r     *http.Request
		c     seawall.Class
		empty bool
	}{
		"user":                    {ByUser(), r, c, false},
		"no user":                 {ByUser(), r, seawall.Class{}, true},
		"tenant":                  {ByTenant(), r, c, false},
		"no tenant":               {ByTenant(), r, seawall.Class{}, true},
		"route":                   {ByRoute(), r, c, false},
		"pattern":                 {ByRoute(), r, seawall.Class{}, false},
		"no route":                {ByRoute(), twice, seawall.Class{}, true},
		"header":                  {ByHeader("x-api-key"), r, c, false},
		"two headers":             {ByHeader("x-api-key"), twice, c, true},
		"no header":               {ByHeader("x-other"), r, c, true},
		"both":                    {By(ByUser(), ByRoute()), r, c, false},
		"only one of both":        {By(ByUser(), ByRoute()), r, seawall.Class{}, true},
		"function":                {ByFunc(func(dst []byte, _ *http.Request) []byte { return append(dst, 'x') }), r, c, false},
		"function without a word": {ByFunc(func(dst []byte, _ *http.Request) []byte { return dst }), r, c, true},
	} {
		if got := keyOf(tt.k, tt.r, tt.c); (got == "") != tt.empty {
			t.Errorf("%s: the key is %q", what, got)
		}
	}
}

// FuzzKeys: two keys together are told apart whatever they are, and nothing
// panics.
func FuzzKeys(f *testing.F) {
	f.Add("ab", "c", "a", "bc", "192.0.2.1:1")
	f.Add("", "c", "c", "", "[::1]:1")
	f.Add(strings.Repeat("x", 70_000), "y", "x", "y", "no address")
	f.Fuzz(func(t *testing.T, a, b, c, d, addr string) {
		all := By(ByHeader("A"), ByHeader("B"))
		key := func(a, b string) string {
			r := from(addr)
			r.Header["A"], r.Header["B"] = []string{a}, []string{b}
			return keyOf(all, r, seawall.Class{})
		}
		first, second := key(a, b), key(c, d)
		if (first == "") != (a == "" || b == "") {
			t.Errorf("%q and %q: %q", a, b, first)
		}
		if first != "" && (first == second) != (a == c && b == d) {
			t.Errorf("%q+%q and %q+%q have the key %q", a, b, c, d, first)
		}
		dst := []byte("before")
		r := from(addr)
		ip := ByClientIP(seawall.ClientIP{})
		if got := ip.of(dst, r, &seawall.Class{}); !bytes.HasPrefix(got, []byte("before")) {
			t.Errorf("%q", got)
		} else if n := ip.wider(got[6:]); len(got) > 6 && n > len(got)-6 {
			t.Errorf("%d of %d bytes are the group", n, len(got)-6)
		}
	})
}
