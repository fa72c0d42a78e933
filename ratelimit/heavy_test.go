package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/seawall-go/seawall"
)

// flood counts n refusals, each of a heavy key with some chance and else of one
// nobody has seen. It returns how often each was refused.
func flood(h *heavy, rng *rand.Rand, n int, now int64) map[string]float64 {
	truth := make(map[string]float64)
	for i := range n {
		key := fmt.Sprint("once ", rng.Uint64())
		if x := rng.Float64(); x < 0.4 { // ten of them: 8 %, 7.2 %, ...
			key = fmt.Sprint("heavy ", int(x*25))
		}
		truth[key]++
		h.add([]byte(key), uint64(i+1), now)
	}
	return truth
}

// TestHeavyFindsThem: keys with a part of all refusals above one in 64 are found
// among any number of others, in their order, and what is said of them is true:
// no more than Error too high, and never too low.
func TestHeavyFindsThem(t *testing.T) {
	for seed := range uint64(20) {
		h := newHeavy(true, nil)
		truth := flood(h, rand.New(rand.NewPCG(seed, 1)), heavyEach, clock())
		if n := len(h.keys); n != heavyKeys {
			t.Errorf("%d keys are counted, want %d", n, heavyKeys)
		}
		found := 0
		for _, k := range h.top() {
			if strings.HasPrefix(k.Key, "heavy ") {
				found++
			}
			if n := truth[k.Key]; k.Refused < n || k.Refused-k.Error > n {
				t.Errorf("%q: %.0f at most %.0f too high, but it was %.0f", k.Key, k.Refused, k.Error, n)
			}
		}
		if found != heavyTold {
			t.Errorf("seed %d: %d of %d found: %v", seed, found, heavyTold, h.top())
		}
	}
}

// TestHeavyUnderAFlood: where one in sixteen is counted, the figures are about
// those of all.
func TestHeavyUnderAFlood(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine")
	}
	h := newHeavy(true, nil)
	truth := flood(h, rand.New(rand.NewPCG(1, 2)), 2_000_000, clock())
	for i, k := range h.top() {
		if !strings.HasPrefix(k.Key, "heavy ") {
			t.Errorf("number %d is %+v", i, k)
			continue
		}
		if n := truth[k.Key]; k.Refused < 0.9*n || k.Refused-k.Error > 1.1*n {
			t.Errorf("%q: %.0f at most %.0f too high, but it was %.0f", k.Key, k.Refused, k.Error, n)
		}
	}
	if n := len(h.keys); n > heavyKeys {
		t.Errorf("%d keys are counted", n)
	}
}

// TestHeavyFades: half of what was is left after a minute, and nothing in an hour.
func TestHeavyFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeavy(true, nil)
		n := uint64(0)
		refuse := func(key string, times int) {
			for range times {
				n++
				h.add([]byte(key), n, clock())
			}
		}
		want := func(keys ...RefusedKey) {
			t.Helper()
			if got := h.top(); fmt.Sprint(got) != fmt.Sprint(keys) {
				t.Errorf("%v, want %v", got, keys)
			}
		}
		refuse("yesterday's", 100)
		time.Sleep(time.Minute - time.Nanosecond)
		want(RefusedKey{"yesterday's", 100, 0})
		time.Sleep(time.Nanosecond)
		want(RefusedKey{"yesterday's", 50, 0})
		refuse("today's", 60)
		want(RefusedKey{"today's", 60, 0}, RefusedKey{"yesterday's", 50, 0})
		time.Sleep(3 * time.Minute)
		want(RefusedKey{"today's", 7.5, 0}, RefusedKey{"yesterday's", 6.25, 0})
		time.Sleep(4 * time.Minute)
		want()
		refuse("another", 1)
		time.Sleep(100 * 24 * time.Hour)
		want()
	})
}

// TestHeavyShown: keys are hashes unless they are asked for, then each kind is
// text that people know.
func TestHeavyShown(t *testing.T) {
	ip := seawall.ClientIP{}
	for want, k := range map[string]Key{
		"192.0.2.7":                 ByClientIP(ip),
		"000000000000000b":          ByUser(),
		"000000000000000c":          ByTenant(),
		"GET /feed":                 ByRoute(),
		"key-1":                     ByHeader("X-Api-Key"),
		"?[31mred?":                 ByHeader("X-Bad"),
		"function":                  ByFunc(func(dst []byte, _ *http.Request) []byte { return append(dst, "function"...) }),
		"192.0.2.7 GET /feed":       By(ByClientIP(ip), ByRoute()),
		"GET /feed key-1 ?[31mred?": By(ByRoute(), ByHeader("X-Api-Key"), ByHeader("X-Bad")),
		"192.0.2.7 key-1 GET /feed": By(By(ByClientIP(ip), ByHeader("X-Api-Key")), ByRoute()),
	} {
		for _, show := range []bool{true, false} {
			l := limits(t, Config{Policies: []Policy{{Rate: Rate{Limit: 1, Burst: seawall.Off}, Key: k, ShowKeys: show, Bytes: minBytes}}})
			r := httptest.NewRequest(http.MethodGet, "/feed", nil)
			r.RemoteAddr = "192.0.2.7:1"
			r.Header["X-Api-Key"], r.Header["X-Bad"] = []string{"key-1"}, []string{"\x1b[31mred\x07"}
			if err := l.Take(r, seawall.Class{User: 11 << 56, Tenant: 12 << 56, Route: "GET /feed"}); err == nil {
				t.Fatal("admitted")
			}
			top := l.Stats().Policies[0].Top
			if len(top) != 1 || top[0].Refused != 1 || top[0].Error != 0 {
				t.Fatalf("%s: %+v", want, top)
			}
			got := top[0].Key
			if show && got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if !show && (len(got) != 9 || got[0] != '#' || strings.Trim(got[1:], "0123456789abcdef") != "") {
				t.Errorf("%s is told as %q", want, got)
			}
		}
	}
	v6 := limits(t, Config{Policies: []Policy{{Rate: Rate{Limit: 1, Burst: seawall.Off}, Key: ByClientIP(ip), ShowKeys: true, Bytes: minBytes}}})
	_ = v6.Take(from("[2001:db8::1]:1"), seawall.Class{})
	if top := v6.Stats().Policies[0].Top; top[0].Key != "2001:db8::/64" {
		t.Errorf("%+v", top)
	}
}

// TestHeavyPrintable: whatever a client sends, a page, a terminal and a log can
// hold it, and it is short.
func TestHeavyPrintable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	keys := []string{
		"", "a\r\nb", "\x1b]0;title\a", "\u0085next", "\u009b31m", "\u202egnp.exe", "\u2028line", "\u200b", "\ufeff", "\xff\xfe", "é\x00",
		strings.Repeat("é", 40), strings.Repeat("x", 1000), "\U000e0001", "\ufffd",
	}
	for range 2000 {
		b := make([]byte, rng.IntN(100))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		keys = append(keys, string(b))
	}
	by := By(ByHeader("A"), ByHeader("B"))
	for _, key := range keys {
		texts := []string{textOf([]byte(key), nil), textOf([]byte(key), by.show), textOf([]byte(key), addressText)}
		for _, s := range texts {
			if len(s) > 3*heavyText {
				t.Errorf("%q: %d bytes", key, len(s))
			}
			for _, r := range s {
				if !unicode.IsPrint(r) {
					t.Fatalf("%q is shown as %q", key, s)
				}
			}
		}
	}
}
