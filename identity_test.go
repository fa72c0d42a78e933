package seawall_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-go/seawall"
)

var secret = []byte("0123456789abcdef")

func identify(t testing.TB, c seawall.Identity) func(*http.Request) seawall.ID {
	t.Helper()
	f, err := seawall.NewIdentity(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// full takes everything there is, and is asked with and without a Secret.
func full(secret []byte) seawall.Identity {
	return seawall.Identity{Bearer: true, Cookie: "sid", Header: "x-api-key", Secret: secret}
}

const somebody = "192.0.2.1:1234"

func TestIdentitySources(t *testing.T) {
	for name, key := range map[string][]byte{"process": nil, "fleet": secret} {
		t.Run(name, func(t *testing.T) {
			id := identify(t, full(key))
			anonymous := id(from(somebody))
			alice := id(from(somebody, "Authorization: Bearer alice"))
			cookie := id(from(somebody, "Cookie: sid=alice"))
			apiKey := id(from(somebody, "X-Api-Key: alice"))
			if anonymous == 0 || alice == 0 || cookie == 0 || apiKey == 0 {
				t.Fatal("zero for somebody known")
			}
			for what, c := range map[string]struct {
				fields []string
				want   seawall.ID
			}{
				"same again":                  {[]string{"Authorization: Bearer alice"}, alice},
				"scheme in lower case":        {[]string{"Authorization: bearer alice"}, alice},
				"scheme in upper case":        {[]string{"Authorization: BEARER alice"}, alice},
				"more spaces":                 {[]string{"Authorization: Bearer   alice  "}, alice},
				"bearer before cookie":        {[]string{"Authorization: Bearer alice", "Cookie: sid=bob", "X-Api-Key: bob"}, alice},
				"two Authorization lines":     {[]string{"Authorization: Bearer alice", "Authorization: Bearer alice"}, anonymous},
				"two of them and a cookie":    {[]string{"Authorization: Bearer bob", "Authorization: Bearer eve", "Cookie: sid=alice"}, cookie},
				"basic":                       {[]string{"Authorization: Basic alice"}, anonymous},
				"scheme alone":                {[]string{"Authorization: Bearer"}, anonymous},
				"scheme and a space":          {[]string{"Authorization: Bearer "}, anonymous},
				"scheme and spaces":           {[]string{"Authorization: Bearer     "}, anonymous},
				"glued":                       {[]string{"Authorization: Beareralice"}, anonymous},
				"no Unicode folding":          {[]string{"Authorization: \u212Aearer alice"}, anonymous},
				"cookie before header":        {[]string{"Cookie: sid=alice", "X-Api-Key: bob"}, cookie},
				"cookie among others":         {[]string{"Cookie: a=b; sid=alice; c=d"}, cookie},
				"cookie on a second line":     {[]string{"Cookie: a=b", "Cookie: sid=alice"}, cookie},
				"quoted cookie":               {[]string{`Cookie: sid="alice"`}, cookie},
				"empty cookie":                {[]string{"Cookie: sid=", "X-Api-Key: alice"}, apiKey},
				"another cookie":              {[]string{"Cookie: session=alice"}, anonymous},
				"two header lines":            {[]string{"X-Api-Key: alice", "X-Api-Key: alice"}, anonymous},
				"empty header":                {[]string{"X-Api-Key: "}, anonymous},
				"forwarded for somebody else": {[]string{"X-Forwarded-For: 6.6.6.6"}, anonymous},
			} {
				if got := id(from(somebody, c.fields...)); got != c.want {
					t.Errorf("%s: %v, want %v", what, got, c.want)
				}
			}
			if id(from(somebody, "Authorization: Bearer Alice")) == alice {
				t.Error("tokens have a case")
			}
			// The same text from another source is somebody else.
			distinct(t, map[string]seawall.ID{"address": anonymous, "bearer": alice, "cookie": cookie, "header": apiKey})
		})
	}
}

func distinct(t *testing.T, ids map[string]seawall.ID) {
	t.Helper()
	seen := make(map[seawall.ID]string, len(ids))
	for name, id := range ids {
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q are both %v", name, other, id)
		}
		seen[id] = name
	}
}

func TestIdentityByAddress(t *testing.T) {
	for name, key := range map[string][]byte{"process": nil, "fleet": secret} {
		t.Run(name, func(t *testing.T) {
			id := identify(t, seawall.Identity{Secret: key})
			same := func(a, b string, want bool) {
				t.Helper()
				if got := id(from(a)) == id(from(b)); got != want {
					t.Errorf("%s and %s the same user: %t, want %t", a, b, got, want)
				}
			}
			same("192.0.2.1:1", "192.0.2.1:2", true)
			same("192.0.2.1:1", "192.0.2.2:1", false)
			same("192.0.2.1:1", "[::ffff:192.0.2.1]:1", true)
			same("192.0.2.1:1", "[64:ff9b::192.0.2.1]:1", true)
			same("[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true)
			same("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false)
			same("[::1]:1", "0.0.0.1:1", false)
			if got := id(from("@")); got != 0 {
				t.Errorf("unix socket: %v, want zero", got)
			}
			// Without the sources switched on, tokens are not looked at.
			r := from(somebody, "Authorization: Bearer alice", "Cookie: sid=alice", "X-Api-Key: alice")
			if id(r) != id(from(somebody)) {
				t.Error("a source that is off made a difference")
			}
		})
	}
	behind := identify(t, seawall.Identity{Address: seawall.ClientIP{Trusted: prefixes("10.0.0.0/8"), V4Bits: 24}})
	if behind(from(lb, "X-Forwarded-For: 192.0.2.1")) != behind(from(lb, "X-Forwarded-For: 6.6.6.6, 192.0.2.99")) {
		t.Error("neighbours of one /24 are two users")
	}
	if behind(from(lb, "X-Forwarded-For: 192.0.2.1")) == behind(from(lb, "X-Forwarded-For: 192.0.3.1")) {
		t.Error("two /24 are one user")
	}
}

// A prefix's length belongs to its identity.
func TestIdentityPrefixLength(t *testing.T) {
	a := identify(t, seawall.Identity{Secret: secret, Address: seawall.ClientIP{V4Bits: 24}})
	b := identify(t, seawall.Identity{Secret: secret, Address: seawall.ClientIP{V4Bits: 32}})
	if a(from("192.0.2.0:1")) == b(from("192.0.2.0:1")) {
		t.Error("192.0.2.0/24 and 192.0.2.0/32 are one user")
	}
}

func TestIdentitySecret(t *testing.T) {
	requests := map[string]*http.Request{
		"bearer":  from(somebody, "Authorization: Bearer alice"),
		"long":    from(somebody, "Authorization: Bearer "+strings.Repeat("abcdefgh", 200)),
		"cookie":  from(somebody, "Cookie: sid=alice"),
		"header":  from(somebody, "X-Api-Key: alice"),
		"address": from(somebody),
	}
	// What one release of a fleet says, the next must say too: these are frozen.
	golden := map[string]string{
		"bearer":  "871be3a3e17ad4a6",
		"long":    "1c540af0ae2312be",
		"cookie":  "27e121e8a6029dd8",
		"header":  "aadeedb7cbc98577",
		"address": "17204b7a055d69be",
	}
	one, two := identify(t, full(secret)), identify(t, full(append([]byte(nil), secret...)))
	other := identify(t, full([]byte("0123456789abcdeg")))
	random, random2 := identify(t, full(nil)), identify(t, full(nil))
	for name, r := range requests {
		if one(r) != two(r) {
			t.Errorf("%s: two instances with one secret disagree", name)
		}
		if one(r) == other(r) || random(r) == random2(r) || one(r) == random(r) {
			t.Errorf("%s: the key makes no difference", name)
		}
		if got := one(r).String(); got != golden[name] {
			t.Errorf("%s: %s, was %s in the releases before", name, got, golden[name])
		}
	}
}

// The caller's slices are copied: he may wipe the secret or reuse the list.
func TestIdentityCopiesItsConfig(t *testing.T) {
	key, trusted := append([]byte(nil), secret...), prefixes("10.0.0.0/8")
	id := identify(t, seawall.Identity{Bearer: true, Secret: key, Address: seawall.ClientIP{Trusted: trusted}})
	alice, viaProxy := from(somebody, "Authorization: Bearer alice"), from(lb, "X-Forwarded-For: 192.0.2.9")
	before, before2 := id(alice), id(viaProxy)
	clear(key)
	clear(trusted)
	if id(alice) != before || id(viaProxy) != before2 {
		t.Error("the identity changed with the caller's slices")
	}
}

// With a secret a token is hashed in pieces of 512 bytes. No token may come
// out as another one cut at, or filled up to, a border between them.
func TestIdentityLongTokens(t *testing.T) {
	for name, key := range map[string][]byte{"process": nil, "fleet": secret} {
		t.Run(name, func(t *testing.T) {
			id := identify(t, full(key))
			ids := make(map[string]seawall.ID)
			add := func(name, token string) {
				ids[name] = id(from(somebody, "Authorization: Bearer "+token))
			}
			same, zeros := strings.Repeat("a", 2100), strings.Repeat("\x00", 2100)
			for n := 1; n <= len(same); n++ { // every prefix
				add(fmt.Sprintf("prefix of %d", n), same[:n])
				add(fmt.Sprintf("zeros of %d", n), zeros[:n])
			}
			for n := 1; n <= len(same); n++ { // one byte changed, at every place
				if n%8 == 0 || n%512 < 2 || n%512 > 510 {
					add(fmt.Sprintf("changed at %d", n), same[:n-1]+"b"+same[n:])
				}
			}
			// Pieces swapped.
			x, y := strings.Repeat("x", 512), strings.Repeat("y", 512)
			for _, s := range []string{x + y, y + x, x + x, y + y, x + y + x, x + x + y, y + x + x} {
				add(fmt.Sprintf("pieces %c%c of %d", s[0], s[512], len(s))+s[len(s)-1:], s)
			}
			distinct(t, ids)
		})
	}
}

func TestIdentityConcurrently(t *testing.T) {
	id := identify(t, full(secret))
	want := id(from(somebody, "Cookie: sid=alice"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := id(from(somebody, "Cookie: sid=alice")); got != want {
					t.Errorf("%v, want %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestIdentityValidate(t *testing.T) {
	for _, c := range []struct {
		conf seawall.Identity
		want string
	}{
		{seawall.Identity{}, ""},
		{full(secret), ""},
		{seawall.Identity{Cookie: "__Host-sid"}, ""},
		{seawall.Identity{Secret: secret[:15]}, "Identity.Secret must have at least 16 bytes (got 15)"},
		{seawall.Identity{Cookie: "a=b"}, `Identity.Cookie must be a cookie name (got "a=b")`},
		{seawall.Identity{Cookie: "a;b"}, "Identity.Cookie"},
		{seawall.Identity{Cookie: " "}, "Identity.Cookie"},
		{seawall.Identity{Cookie: strings.Repeat("=", 1000)}, `=..."`},
		{seawall.Identity{Header: "X Key"}, `Identity.Header must be a header field name (got "X Key")`},
		{seawall.Identity{Header: "Schlüssel"}, "Identity.Header"},
		{seawall.Identity{Address: seawall.ClientIP{V4Bits: 40}}, "ClientIP.V4Bits"},
	} {
		f, err := seawall.NewIdentity(c.conf)
		checkError(t, err, c.want)
		if (f == nil) != (err != nil) {
			t.Errorf("%+v: function %t with error %v", c.conf, f != nil, err)
		}
	}
}

func TestIDString(t *testing.T) {
	for id, want := range map[seawall.ID]string{0: "0000000000000000", 1: "0000000000000001", 1<<64 - 1: "ffffffffffffffff"} {
		if id.String() != want {
			t.Errorf("%d: %q, want %q", uint64(id), id, want)
		}
	}
}
