package memcachestore

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seawall-go/seawall/cache"
)

//house:sleep a memcached goes by its own clock

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil || err.Error() != "seawall/memcachestore: Client must be set (got nil)" {
		t.Error(err)
	}
	if _, err := New(Config{Client: memcache.New("127.0.0.1:1")}); err != nil {
		t.Error(err)
	}
}

// oddKeys are not all such as memcached takes.
func oddKeys() []string {
	odd := []string{
		"", " ", "a b", "a\nb", "a\r\nset k 0 0 1\r\n1", "a\tb", "\x00", "a\x7fb", "\xff\xfe", "größe/\u65e5\u672c\u8a9e", "{a}b", "}{", "%20",
		"~", "~v", "~lk", "~v47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "k", "~l~vk", strings.Repeat("s", 249), strings.Repeat("s", 250),
	}
	for _, n := range []int{239, 240, 241, 250, 251, 10 << 10} {
		odd = append(odd, strings.Repeat("k", n), strings.Repeat("é", n/2)[n%2:])
	}
	return odd
}

// TestOddKeys: each holds its own, also in one batch, and with leases.
func TestOddKeys(t *testing.T) {
	s := storeOf(t, startMemcached(t), startMemcached(t))
	keys := oddKeys()
	var items []cache.Item
	for i, key := range keys {
		items = append(items, cache.Item{Key: key, Value: fmt.Append(nil, i), TTL: time.Hour})
	}
	if err := s.Set(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	check := func(when, of string) {
		t.Helper()
		for i, got := range get(t, s, keys...) {
			if want := strings.ReplaceAll(of, "#", fmt.Sprint(i)); got != want {
				t.Errorf("%s: %.60q is %q, want %q", when, keys[i], got, want)
			}
		}
	}
	check("set", "#")
	wins(t, s, "a", keys...)
	loses(t, s, "b", keys...)
	check("leased", "#")
	for i := range items {
		items[i].Value = append(items[i].Value, '+')
	}
	if err := s.Fill(t.Context(), items, "a"); err != nil {
		t.Fatal(err)
	}
	check("filled", "#+")
	wins(t, s, "b", keys...)
	remove(t, s, keys...)
	check("deleted", "-")
	wins(t, s, "c", keys...)
	loses(t, s, "d", keys...)
	check("promised", "-")
	if err := s.Fill(t.Context(), items, "c"); err != nil {
		t.Fatal(err)
	}
	check("filled again", "#+")
	for _, key := range keys {
		holdsThat(t, s, key, get(t, s, key, key)[1])
	}
}

// TestBatch: order, missing ones, empty values, and many at once.
func TestBatch(t *testing.T) {
	s := storeOf(t, startMemcached(t), startMemcached(t))
	set(t, s, "a", "1")
	set(t, s, "empty", "")
	set(t, s, "c", "3")
	if got := get(t, s, "c", "none", "empty", "a", "c"); strings.Join(got, ",") != "3,-,,1,3" {
		t.Errorf("%q", got)
	}
	if got := get(t, s, "empty"); got[0] != "" {
		t.Errorf("%q", got)
	}
	remove(t, s, "a", "none", "a")
	if got := get(t, s, "a", "c"); strings.Join(got, ",") != "-,3" {
		t.Errorf("%q", got)
	}

	const n = 10_000
	keys, items := make([]string, n), make([]cache.Item, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%d", strings.Repeat("x", 200), i)
		items[i] = cache.Item{Key: keys[i], Value: fmt.Append(nil, i), TTL: time.Hour}
	}
	if err := s.Set(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	for i, got := range get(t, s, keys...) {
		if got != fmt.Sprint(i) {
			t.Fatalf("%d of many is %q", i, got)
		}
	}
	for _, err := range []error{
		s.Set(t.Context(), nil), s.Delete(t.Context(), nil), s.Lease(t.Context(), nil, "a", time.Second, nil),
		s.Fill(t.Context(), nil, "a"), s.Release(t.Context(), nil, "a"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	get(t, s)
}

// TestTwice: the last of two items with the same key counts.
func TestTwice(t *testing.T) {
	s := storeOf(t, startMemcached(t))
	for range 50 {
		err := s.Set(t.Context(), []cache.Item{{Key: "k", Value: []byte("1"), TTL: time.Hour}, {Key: "k", Value: []byte("2"), TTL: time.Hour}})
		if got := get(t, s, "k"); err != nil || got[0] != "2" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	won := lease(t, s, "a", "k", "k")
	if won[0] == won[1] {
		t.Errorf("of two the same, won %v", won)
	}
}

// TestLarge: up to a MiB less the key and memcached's own, and beyond it an error
// for a person, with nothing of before left over.
func TestLarge(t *testing.T) {
	s := storeOf(t, startMemcached(t))
	fits := strings.Repeat("v", 1<<20-200)
	set(t, s, "k", fits)
	holdsThat(t, s, "k", fits)
	large := []cache.Item{{Key: "k", Value: bytes.Repeat([]byte("v"), 1<<20), TTL: time.Hour}, {Key: "other", Value: []byte("1"), TTL: time.Hour}}
	const want = `seawall/memcachestore: the value of "k" has 1048576 bytes, more than memcached takes (1 MiB with the key, unless it runs with another -I): `
	if err := s.Set(t.Context(), large); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
	holdsThat(t, s, "k", "-")
	holdsThat(t, s, "other", "1")

	// A lease on it ends: whoever waits for it waits in vain.
	wins(t, s, "a", "k")
	if err := s.Fill(t.Context(), large, "a"); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
	holdsThat(t, s, "k", "-")
	wins(t, s, "b", "k")

	more := storeOf(t, startMemcached(t, "-I", "4m"))
	if err := more.Set(t.Context(), large); err != nil {
		t.Error(err)
	}
}

// TestTTL: nothing is gone before its time, and nothing stays for long.
func TestTTL(t *testing.T) {
	s := storeOf(t, startMemcached(t))
	for i := range 20 { // at many moments between two ticks of memcached's clock
		key := fmt.Sprint(i)
		before := time.Now()
		err := s.Set(t.Context(), []cache.Item{{Key: key, Value: []byte("v"), TTL: 20 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20*time.Millisecond + time.Duration(i)*time.Millisecond)
		if got := get(t, s, key); got[0] != "v" && time.Since(before) < time.Second {
			t.Errorf("%q after %v", got, time.Since(before))
		}
	}
	won := make([]bool, 1)
	if err := s.Lease(t.Context(), []string{"leased"}, "a", 100*time.Millisecond, won); err != nil || !won[0] {
		t.Fatal(won, err)
	}
	set(t, s, "stale", "1")
	if err := s.Lease(t.Context(), []string{"stale"}, "a", 100*time.Millisecond, won); err != nil || !won[0] {
		t.Fatal(won, err)
	}
	eventually(t, "the values to expire", func() bool {
		for i := range 20 {
			if get(t, s, fmt.Sprint(i))[0] != "-" {
				return false
			}
		}
		return true
	})
	for _, key := range []string{"leased", "stale"} {
		eventually(t, "the leases to expire", func() bool { return lease(t, s, "b", key)[0] })
	}
	fill(t, s, "a", "leased", "of a")
	fill(t, s, "a", "stale", "of a")
	holdsThat(t, s, "leased", "-")
	holdsThat(t, s, "stale", "1")

	// Above 30 days memcached takes it for a time of day.
	for _, ttl := range []time.Duration{30 * 24 * time.Hour, 31 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		if err := s.Set(t.Context(), []cache.Item{{Key: "long", Value: []byte("v"), TTL: ttl}}); err != nil {
			t.Fatal(err)
		}
		holdsThat(t, s, "long", "v")
	}
}

// TestWithoutCAS: where cas does nothing, a Fill would be a Set.
func TestWithoutCAS(t *testing.T) {
	s := storeOf(t, startMemcached(t, "-C"))
	set(t, s, "k", "1")
	won := make([]bool, 1)
	const want = "seawall/memcachestore: memcached runs with -C, without cas: it has no leases"
	if err := s.Lease(t.Context(), []string{"k"}, "a", time.Minute, won); err == nil || err.Error() != want || won[0] {
		t.Error(won, err)
	}
	wins(t, s, "a", "missing")
	if err := s.Fill(t.Context(), []cache.Item{{Key: "missing", Value: []byte("v"), TTL: time.Hour}}, "a"); err == nil || err.Error() != want {
		t.Error(err)
	}
	holdsThat(t, s, "missing", "-")
}
