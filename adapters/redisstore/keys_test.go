package redisstore

import (
	"math"
	"strings"
	"testing"
	"time"
)

// slotTag is what Redis hashes of a key, by the words of its specification.
func slotTag(key string) string {
	open := strings.Index(key, "{")
	if open < 0 {
		return key
	}
	end := strings.Index(key[open+1:], "}")
	if end <= 0 {
		return key
	}
	return key[open+1 : open+1+end]
}

// TestKeys: of all short keys over a few letters, none shares a key of Redis with
// another one, and a lease is where its value is.
func TestKeys(t *testing.T) {
	keys := []string{""}
	for from := 0; len(keys[from]) < 7; from++ {
		for _, c := range []string{"a", "{", "}", ":"} {
			keys = append(keys, keys[from]+c)
		}
	}
	for _, key := range keys[:1000] {
		keys = append(keys, leaseKey(key), hashed(key), "x"+leaseKey(key), leaseKey(key)+":lease", hashed(key)[1:65])
	}
	long := strings.Repeat("l", maxKey)
	keys = append(keys, long, long+"l", "a{"+long+"}", "{a}"+long)
	seen := map[string]string{}
	done := map[string]bool{}
	for _, key := range keys {
		if done[key] {
			continue
		}
		done[key] = true
		v, l := valueKey(key), leaseKey(key)
		for _, k := range []string{v, l} {
			if other, ok := seen[k]; ok {
				t.Fatalf("%q and %q share %q", other, key, k)
			}
			seen[k] = key
		}
		if slotTag(v) != slotTag(l) {
			t.Fatalf("%q and %q are in different slots", v, l)
		}
		if len(v) > maxKey || len(l) > 2*maxKey+20 {
			t.Fatalf("%q has a long key", key)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, seed := range []string{"", "a", "{", "}", "{}", "a{b}c", "{a}b", "a}b{c}", "\x00{\xff}", strings.Repeat("x", maxKey+1), "a{b}:lease:c"} {
		f.Add(seed, seed+"}")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if slotTag(valueKey(a)) != slotTag(leaseKey(a)) {
			t.Errorf("%q and its lease are in different slots", a)
		}
		if a == b {
			return
		}
		if va, la, vb, lb := valueKey(a), leaseKey(a), valueKey(b), leaseKey(b); va == vb || la == lb || va == lb || la == vb {
			t.Errorf("%q and %q share a key", a, b)
		}
	})
}

func TestKeysAsTheyAre(t *testing.T) {
	for _, tc := range [][3]string{
		{"shop:product:17", "shop:product:17", "{shop:product:17}:lease"},
		{"shop:{17}:price", "shop:{17}:price", "{17}:lease:shop:{17}:price"},
		{"", "{e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}:hash", "{e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}:hash:lease"},
	} {
		if v, l := valueKey(tc[0]), leaseKey(tc[0]); v != tc[1] || l != tc[2] {
			t.Errorf("%q: %q and %q", tc[0], v, l)
		}
	}
}

func TestCeil(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		-1: time.Millisecond, 0: time.Millisecond, 1: time.Millisecond, time.Millisecond: time.Millisecond,
		time.Millisecond + 1: 2 * time.Millisecond, time.Hour: time.Hour, math.MaxInt64: math.MaxInt64, math.MaxInt64 - 1: math.MaxInt64 - 1,
	} {
		if got := ceil(ttl); got != want {
			t.Errorf("%v: %v, want %v", ttl, got, want)
		}
	}
}
