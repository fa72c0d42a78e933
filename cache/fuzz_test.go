package cache

import (
	"bytes"
	"context"
	"math"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

const fuzzMost = 1 << 16 // MaxValue

// envelopes are forms as they are written, and some that are not.
func envelopes() [][]byte {
	plain := envelope{created: 1, took: 2, ttl: 3, fresh: 4, stale: 5, last: 6, payload: []byte("value")}
	tagged := envelope{created: math.MinInt64, took: math.MaxUint32, tags: []string{"a", strings.Repeat("t", maxTagName)}}
	long := envelope{created: math.MaxInt64, payload: bytes.Repeat([]byte("squeeze "), 1000)}
	out := [][]byte{plain.append(nil, "raw", 0), tagged.append(nil, "raw", 0), long.append(nil, "raw", 1)}
	bomb := envelope{payload: make([]byte, fuzzMost)}
	out = append(out, bomb.append(nil, "raw", 1))
	more := envelope{payload: make([]byte, 64*fuzzMost)} // says so, or says that it is less
	large := more.append(nil, "raw", 1)
	out = append(out, large, bytes.Replace(large, []byte{0x80, 0x80, 0x80, 0x02}, []byte{0x80, 0x80, 0x04}, 1))
	for _, whole := range slices.Clone(out)[:3] {
		out = append(out, whole[:len(whole)/2], whole[:len(whole)-1], append(slices.Clone(whole), 0))
	}
	return append(out, nil, []byte{envelopeMagic, envelopeVersion, 0, 255}, bytes.Repeat([]byte{0xff}, 100))
}

// FuzzEnvelope: whatever lies in L2, reading it neither panics nor takes more
// memory than some times MaxValue and the length of it; and what is read is written
// the same way again.
func FuzzEnvelope(f *testing.F) {
	for _, data := range envelopes() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v envelope
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := v.parse(data, "raw", fuzzMost)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*fuzzMost+8*uint64(len(data))+1<<20 {
			t.Errorf("%d bytes took %d", len(data), took)
		}
		if err != nil {
			return
		}
		if len(v.payload) > fuzzMost || len(v.tags) > maxTags || v.life() < 0 || v.life() > longest {
			t.Errorf("%d bytes, %d tags, for %v", len(v.payload), len(v.tags), v.life())
		}
		for _, above := range []int{0, 1} {
			var again envelope
			if err := again.parse(v.append(nil, "raw", above), "raw", fuzzMost); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.payload, v.payload) {
				t.Errorf("%q became %q", v.payload, again.payload)
			}
			again.payload = v.payload
			if !reflect.DeepEqual(again, v) {
				t.Errorf("%+v became %+v", v, again)
			}
		}
		if v.parse(v.append(nil, "raw", 0), "json", fuzzMost) == nil {
			t.Error("read with another codec")
		}
	})
}

// FuzzEnvelopeBits: an envelope with one bit turned is one that cannot be read, or
// another one, and never a panic.
func FuzzEnvelopeBits(f *testing.F) {
	f.Add([]byte("value"), "tag", int64(1), uint32(2), uint16(40))
	f.Add(bytes.Repeat([]byte("v"), 1000), "", int64(-1), uint32(math.MaxUint32), uint16(900))
	f.Fuzz(func(t *testing.T, payload []byte, tag string, created int64, span uint32, bit uint16) {
		v := envelope{created: created, took: span, ttl: span / 2, fresh: span, payload: payload}
		if checkTags([]string{tag}, 1) == nil {
			v.tags = []string{tag}
		}
		data := v.append(nil, "raw", 512)
		at := int(bit) % (8 * len(data))
		data[at/8] ^= 1 << (at % 8)
		var turned envelope
		_ = turned.parse(data, "raw", fuzzMost)
		_ = turned.parse(data[:at/8], "raw", fuzzMost)
	})
}

type fuzzKey struct {
	A string
	B [2]int8
	C struct {
		D bool
		E string
	}
	F uint64
}

type fuzzName string

// roundTrip checks a key and another one.
func roundTrip[K comparable](t *testing.T, a, b K) {
	t.Helper()
	encode, decode, err := keyForm[K]()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decode(encode(a)); err != nil || back != a {
		t.Errorf("%#v became %q and then %#v, %v", a, encode(a), back, err)
	}
	if (encode(a) == encode(b)) != (a == b) {
		t.Errorf("%#v is %q, %#v is %q", a, encode(a), b, encode(b))
	}
}

// FuzzKeyForm: each key is read as it was written, no two are written alike, and
// reading what nobody wrote does not panic.
func FuzzKeyForm(f *testing.F) {
	f.Add("a", "b", int64(1), int64(-1), true)
	f.Add(`",1`, `"`, int64(math.MinInt64), int64(math.MaxInt64), false)
	f.Add("1,2", "\x00\xff", int64(12), int64(1), true)
	f.Add(`a\u0061`, "\u2028é", int64(0), int64(0), false)
	f.Fuzz(func(t *testing.T, s, o string, n, m int64, yes bool) {
		roundTrip(t, s, o)
		roundTrip(t, fuzzName(s), fuzzName(o))
		roundTrip(t, n, m)
		roundTrip(t, uint64(n), uint64(m))
		roundTrip(t, int8(n), int8(m))
		roundTrip(t, yes, n > m)
		roundTrip(t, [2]string{s, o}, [2]string{o, s})
		roundTrip(t, [2]string{s + o, ""}, [2]string{s, o})
		roundTrip(t, [2][2]uint16{{uint16(n), uint16(m)}, {1, 2}}, [2][2]uint16{{uint16(m), uint16(n)}, {1, 2}})
		a := fuzzKey{A: s, B: [2]int8{int8(n), int8(m)}, F: uint64(n)}
		a.C.D, a.C.E = yes, o
		b := a
		b.A, b.C.E = o, s
		roundTrip(t, a, b)
		for _, decode := range []func(string) error{
			func(s string) error { return decodes[int64](t, s) }, func(s string) error { return decodes[fuzzKey](t, s) },
			func(s string) error { return decodes[[2]string](t, s) }, func(s string) error { return decodes[bool](t, s) },
		} {
			_ = decode(s)
		}
	})
}

// decodes reads what somebody may have sent. A key that is read has a form that
// is read as the same key.
func decodes[K comparable](t *testing.T, s string) error {
	t.Helper()
	encode, decode, err := keyForm[K]()
	if err != nil {
		t.Fatal(err)
	}
	k, err := decode(s)
	if err != nil {
		return err
	}
	if back, err := decode(encode(k)); err != nil || back != k {
		t.Errorf("%q is %#v, which is %q, which is %#v, %v", s, k, encode(k), back, err)
	}
	return nil
}

// deadL2 has nothing, and its bus is silent.
type deadL2 struct{}

func (deadL2) Get(context.Context, []string, [][]byte) (time.Time, error) { return time.Now(), nil }
func (deadL2) Set(context.Context, []Item) error                          { return nil }
func (deadL2) Delete(context.Context, []string) error                     { return nil }
func (deadL2) Publish(context.Context, []byte) error                      { return nil }
func (deadL2) Listen(ctx context.Context, _ func([]byte), _ func())       { <-ctx.Done() }

// listens is a Cache of which each key's load counts.
func listens(t testing.TB) (*Cache[string, int], *int) {
	t.Helper()
	loads := new(int)
	c, err := New(Config[string, int]{
		Name: "test", MaxEntries: 100, MaxTags: 100, Shared: Shared[string, int]{L2: deadL2{}, Bus: deadL2{}},
		Load: func(_ context.Context, key string, m *Meta) (int, error) {
			m.Tags = []string{key + "-tag"}
			*loads++
			return *loads, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c, loads
}

// FuzzMessage: whatever comes over the bus, hearing it neither panics nor hangs,
// and afterwards a true message about a key and a tag is obeyed still.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{messageVersion})
	head := append([]byte{messageVersion}, "12345678\x01\x04test"...)
	f.Add(appendName(head, kindKey, "a"))
	f.Add(append(appendName(head, kindTag, "a-tag"), 0, 0, 0, 0, 0, 0, 0, 0x7f))
	f.Add(append(appendName(head, kindAll, ""), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	f.Add(append(appendName(head, kindTag, strings.Repeat("long", 100)), 1, 2, 3))
	f.Add(append(appendName(appendName(head, kindKey, "a"), 77, "what"), "12345678"...))
	f.Add(append([]byte{messageVersion}, "12345678\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"...))
	f.Fuzz(func(t *testing.T, message []byte) {
		c, loads := listens(t)
		ctx := t.Context()
		if _, err := c.Get(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		kept := slices.Clone(message)
		c.remote.bus.hear(message)
		if !bytes.Equal(kept, message) {
			t.Error("the message was changed")
		}
		clear(message) // it is not kept
		if s := c.Stats(); s.Entries > 100 {
			t.Errorf("%+v", s)
		}
		c.Get(ctx, "a")
		n := *loads
		other := append([]byte{messageVersion}, "87654321\x01\x04test"...)
		c.remote.bus.hear(appendName(other, kindKey, "a"))
		if _, err := c.Get(ctx, "a"); err != nil || *loads != n+1 {
			t.Errorf("a true message was not obeyed: %v, %d loads after %d", err, *loads, n)
		}
	})
}

var namesField = regexp.MustCompile(`seawall/cache: (\w+: )?(Shared\.)?[A-Z]\w+|only one of MaxEntries`)

// FuzzConfig: New returns an error that names a field and its value, or a Cache
// that works.
func FuzzConfig(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(0), 0.0, 0.0, 0, 0, 0, int64(0), false)
	f.Add(int64(time.Second), int64(-1), int64(1), int64(time.Hour), 1.0, 1000.0, 1, 1, 1, int64(0), true)
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(-2), int64(-3), math.NaN(), math.Inf(1), -1, -1, -1, int64(-1), true)
	f.Add(int64(longest), int64(longest), int64(longest), int64(longest), -1.0, -1.0, 10, 0, 3, int64(2<<20), false)
	f.Add(int64(1), int64(1), int64(1), int64(1), 0.5, 0.5, 0, 2, 2, int64(1), true)
	f.Fuzz(func(t *testing.T, ttl, stale, soft, age int64, jitter, early float64, entries, loads, tags int, maxBytes int64, shared bool) {
		if maxBytes > 8<<20 {
			maxBytes = 8 << 20 // it takes a part of that at once
		}
		cfg := Config[string, int]{
			TTL: time.Duration(ttl), StaleWhileRevalidate: time.Duration(stale), StaleIfError: time.Duration(soft / 2), SoftTimeout: time.Duration(soft),
			MaxAge: time.Duration(age), NegativeTTL: time.Duration(stale / 3), ErrorPause: time.Duration(age / 7), Jitter: jitter, Early: early,
			MaxEntries: entries, MaxLoads: loads, MaxRefreshes: loads, MaxNegative: entries, MaxTags: tags, MaxBytes: maxBytes, Sliding: tags%2 == 0,
			Load: func(_ context.Context, key string, m *Meta) (int, error) {
				m.Tags = []string{"tag"}
				if key == "none" {
					return 0, ErrNotFound
				}
				return len(key), nil
			},
		}
		if shared {
			cfg.Shared = Shared[string, int]{
				L2: deadL2{}, LocalTTL: time.Duration(ttl / 3), Budget: time.Duration(soft), Retry: time.Duration(age), LeaseWait: time.Duration(stale),
				CompressAbove: loads, MaxValue: entries, MaxPending: tags,
			}
		}
		c, err := New(cfg)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !namesField.MatchString(line) || !strings.Contains(line, "got") && !strings.Contains(line, "only one") {
					t.Errorf("%q names no field and value", line)
				}
			}
			return
		}
		defer c.Close(context.Background())
		works(t, c)
	})
}

func works(t *testing.T, c *Cache[string, int]) {
	t.Helper()
	ctx := t.Context()
	for range 2 {
		if v, err := c.Get(ctx, "four"); v != 4 || err != nil {
			t.Errorf("%d, %v: %+v", v, err, c.cfg)
		}
		if got, err := c.GetMany(ctx, []string{"a", "none", "bb"}); len(got) != 2 || got["bb"] != 2 || err != nil {
			t.Errorf("%v, %v: %+v", got, err, c.cfg)
		}
	}
	if err := c.Set(ctx, "four", 5); err != nil && !strings.Contains(err.Error(), "MaxValue") {
		t.Errorf("%v: %+v", err, c.cfg)
	}
	for _, err := range []error{c.Delete(ctx, "four"), c.InvalidateTags(ctx, "tag"), c.Clear(ctx)} {
		if err != nil {
			t.Error(err)
		}
	}
	if v, err := c.Get(ctx, "four"); v != 4 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	if s := c.Snapshot(); s.Name != "default" || len(s.Metrics) == 0 {
		t.Errorf("%+v", s)
	}
	var _ seawall.Controllable = c
}
