package httpcache

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/cache"
)

// long says whether there is time.
func long() bool { return os.Getenv("SEAWALL_LONG") != "" }

// parts are what a key is made of, as a client writes them.
type parts struct {
	scheme, host, path, query string
	keyed, value, value2      string // one of KeyHeaders, and two values of a field that Vary names
	values                    int    // how many of these there are
}

// partsOf cuts a text into parts at random.
func partsOf(rng *rand.Rand, text string) parts {
	var cuts [7]int
	for i := range cuts {
		cuts[i] = rng.IntN(len(text) + 1)
	}
	slices.Sort(cuts[:])
	cut := func(i int) string { return text[cuts[i]:cuts[i+1]] }
	p := parts{"s" + text[:cuts[0]], cut(0), "/" + cut(1), cut(2), cut(3), cut(4), cut(5), rng.IntN(3)}
	if p.values < 2 {
		p.value, p.value2 = p.value+p.value2, ""
	}
	if p.values < 1 {
		p.query, p.value = p.query+p.value, ""
	}
	return p
}

// pieces are those with which fields, lists, and keys are told apart, here or in an L2.
var pieces = strings.Split(`, : ; " ' \ / ? & = # % %2F \x00 \n h v f - 0 1 2 9 0: 1: 1,1: h1: f1: a b get http `, " ")

func textOf(rng *rand.Rand) string {
	var b strings.Builder
	for range 2 + rng.IntN(8) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	if rng.IntN(8) == 0 {
		b.WriteString("\x00\xff\ufffd\r\n"[:rng.IntN(7)])
	}
	return b.String()
}

// keyListener is an L2 in which nothing is, and that notes the keys that are deleted.
type keyListener struct {
	mu   sync.Mutex
	keys []string
}

func (*keyListener) Get(context.Context, []string, [][]byte) (time.Time, error) {
	return time.Time{}, nil
}
func (*keyListener) Set(context.Context, []cache.Item) error { return nil }

func (l *keyListener) Delete(_ context.Context, keys []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = append(l.keys, keys...)
	return nil
}

// TestKeysApart: keys of different requests differ, here and in an L2, wherever bytes
// are moved from one part to another. (SEAWALL_LONG: ten million.)
func TestKeysApart(t *testing.T) {
	synctest.Test(t, keysApart) // where a busy machine makes no L2 late
}

func keysApart(t *testing.T) {
	n := 100_000
	switch {
	case long():
		n = 10_000_000
	case raceEnabled:
		n = 10_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	l := &keyListener{}
	var scheme string
	h := newCache(t, Config{
		Name: "keys", KeyHeaders: []string{"X-Keyed"}, Scheme: func(*http.Request) string { return scheme }, Shared: shared{L2: l},
	})
	marker := &Response{kind: varies, names: []string{"X-User"}, gen: "1"}
	keyOf := func(p parts) (plain, varied Key) {
		r := &http.Request{Host: p.host, URL: &url.URL{Path: p.path, RawQuery: p.query}, Header: http.Header{}}
		scheme = p.scheme
		if p.keyed != "" {
			r.Header["X-Keyed"] = []string{p.keyed}
		}
		plain = h.keyOf(r)
		// As a cookie is: as it came.
		plain.Vary = appendPart(plain.Vary, "f", "Cookie", values(p))
		r.Header["Cookie"] = values(p)
		marker.names[0] = "Cookie"
		return plain, h.variant(h.keyOf(r), marker, r.Header)
	}
	const group = 200 // of one text
	var deleted []Key
	for done := 0; done < n; done += 2 * group {
		text := textOf(rng)
		seen := make(map[parts]bool, group)
		keys := make(map[Key]parts, 2*group)
		deleted = deleted[:0]
		for range group {
			p := partsOf(rng, text)
			if seen[p] {
				continue
			}
			seen[p] = true
			plain, varied := keyOf(p)
			for _, k := range [...]Key{plain, varied} {
				if other, taken := keys[k]; taken {
					t.Fatalf("one key for both:\n%#v\n%#v", p, other)
				}
				keys[k] = p
				deleted = append(deleted, k)
			}
		}
		l.keys = l.keys[:0]
		if err := h.store.Delete(t.Context(), deleted...); err != nil {
			t.Fatal(err)
		}
		slices.Sort(l.keys)
		if n := len(slices.Compact(l.keys)); n != len(deleted) {
			t.Fatalf("%d keys in the L2 for %d here, of %q", n, len(deleted), text)
		}
	}
}

func values(p parts) []string { return []string{p.value, p.value2}[:p.values] }

// TestKeysShort: keys do not grow with what clients send in fields, and do not tell
// what a cookie is.
func TestKeysShort(t *testing.T) {
	h := newCache(t, Config{})
	marker := &Response{kind: varies, names: []string{"Accept-Language", "Cookie"}, gen: "1"}
	for _, size := range []int{0, 10, 200, 1 << 20} {
		secret := "session=" + strings.Repeat("x", size)
		r := &http.Request{Host: "a.example", URL: &url.URL{Path: "/"}, Header: http.Header{"Cookie": {secret}, "X-Host": {secret}}}
		primary := h.keyOf(r)
		k := h.variant(primary, marker, r.Header)
		if len(primary.Vary) > longestPart || len(k.Vary) > longestPart+32 {
			t.Errorf("of %d bytes: keys with %d and %d", size, len(primary.Vary), len(k.Vary))
		}
		if strings.Contains(strings.TrimPrefix(k.Vary, primary.Vary), "session") {
			t.Errorf("the key tells: %q", k.Vary)
		}
		r.Header["Cookie"], r.Header["X-Host"] = []string{secret + "y"}, []string{secret + "y"}
		if other := h.keyOf(r); other == primary || h.variant(primary, marker, r.Header) == k {
			t.Errorf("of %d bytes: one key for two", size)
		}
	}
}
