package memcachestore

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestName(t *testing.T) {
	for key, want := range map[string]string{
		"product:42":             "product:42",
		"größe":                  "größe",
		strings.Repeat("k", 240): strings.Repeat("k", 240),
		"":                       "~v47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		"a b":                    "~vyGh6CKpdbtIEQyj6aml6uOltw0KR6MIDSujDjm_MbWU",
	} {
		if got := nameOf(key); got != want {
			t.Errorf("%.40q: %q, want %q", key, got, want)
		}
	}
	all := map[string]string{}
	for _, key := range oddKeys() {
		for _, name := range []string{nameOf(key), leaseOf(nameOf(key))} {
			if len(name) > 250 || name == "" || strings.ContainsAny(name, " \r\n\t\x00\x7f") {
				t.Errorf("%.40q: memcached does not take %q", key, name)
			}
			if other, ok := all[name]; ok {
				t.Errorf("%.40q and %.40q are both %q", key, other, name)
			}
			all[name] = key
		}
	}
}

// FuzzName: what memcached takes, and no two alike.
func FuzzName(f *testing.F) {
	odd := oddKeys()
	for i, key := range odd {
		f.Add(key, odd[(i+1)%len(odd)])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, l := nameOf(a), leaseOf(nameOf(a))
		if v == l || len(v) == 0 || len(l) > 250 || v[0] == '~' && len(v) != 45 {
			t.Errorf("%q and %q", v, l)
		}
		for i := range len(l) {
			if l[i] <= ' ' || l[i] == 0x7f {
				t.Errorf("memcached does not take %q", l)
			}
		}
		if a != b && (v == nameOf(b) || v == leaseOf(nameOf(b)) || l == nameOf(b) || l == leaseOf(nameOf(b))) {
			t.Errorf("%q and %q meet", a, b)
		}
	})
}

func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Unix(1_795_000_000, 999_999_999)
	for ttl, want := range map[time.Duration]int32{
		-1: 2, 0: 2, 1: 2, 200 * time.Millisecond: 2, time.Second: 2, time.Second + 1: 3, time.Minute: 61,
		30*day - time.Second:     month,
		30 * day:                 1_795_000_000 + month + 1,
		365 * day:                1_795_000_000 + 365*86400 + 1,
		20 * 365 * day:           math.MaxInt32,
		math.MaxInt64:            math.MaxInt32,
		math.MinInt64:            2,
		30*day - time.Second + 1: 1_795_000_000 + month + 1,
	} {
		if got := expiry(ttl, func() time.Time { return now }); got != want {
			t.Errorf("%v: %d, want %d", ttl, got, want)
		}
	}
}
