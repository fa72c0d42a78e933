package httpcache

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall/internal/coarse"
)

// examples are one response of each kind, with all that they may have.
func examples() map[string]*Response {
	full := &Response{
		kind: whole, status: 200, body: []byte("hello"), tags: []string{"a", "b"}, gone: []string{"X-Outer"},
		fields: []field{
			{"Cache-Control", []string{"max-age=60", "public"}, false}, {"Content-Type", nil, false},
			{"Date", []string{"Sat, 01 Jan 2000 00:00:00 GMT"}, false}, {"Etag", []string{`"x"`}, false},
			{"Vary", []string{"Accept"}, true}, {"X-Empty", []string{""}, false}, {"X-Long", []string{strings.Repeat("é", 3000)}, false},
		},
		times: times{lifetime: time.Minute, age: 7 * time.Second, staleRevalidate: 3 * time.Second, staleError: absent, explicit: true},
	}
	strict := &Response{kind: whole, status: 404, times: times{staleRevalidate: absent, staleError: 0, strict: true}}
	uncertain := &Response{kind: whole, status: 599, times: times{staleRevalidate: absent, staleError: absent, noCache: true, lifetime: longest}}
	for _, p := range []*Response{full, strict, uncertain} {
		p.derive()
	}
	return map[string]*Response{
		"whole": full, "strict": strict, "no-cache": uncertain,
		"varies": {kind: varies, names: []string{"Accept", "Accept-Language"}, gen: "0123456789abcdef"},
		"passes": {kind: passes}, "wants": {kind: wants},
	}
}

// same compares all that is kept of two responses.
func same(t *testing.T, got, want *Response) {
	t.Helper()
	a := []any{got.kind, got.status, got.fields, got.gone, got.body, got.date, got.etag, got.tags, got.names, got.gen}
	b := []any{want.kind, want.status, want.fields, want.gone, want.body, want.date, want.etag, want.tags, want.names, want.gen}
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) && (reflect.ValueOf(a[i]).Kind() != reflect.Slice || reflect.ValueOf(a[i]).Len()+reflect.ValueOf(b[i]).Len() > 0) {
			t.Errorf("%d: got %.200v, want %.200v", i, a[i], b[i])
		}
	}
	x, y := got.times, want.times
	x.began, y.began, x.age, y.age = 0, 0, 0, 0
	if x != y {
		t.Errorf("got %+v, want %+v", x, y)
	}
}

// inCodec runs a test in a bubble, with a codec.
func inCodec(t *testing.T, test func(t *testing.T, c codec)) {
	synctest.Test(t, func(t *testing.T) {
		clock := coarse.New()
		defer clock.Close()
		test(t, codec{clock})
	})
}

func written(t *testing.T, c codec, p *Response) []byte {
	t.Helper()
	data, err := c.Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCodec: what is written is read again, and goes on ageing while it lies there.
func TestCodec(t *testing.T) {
	for name, p := range examples() {
		t.Run(name, func(t *testing.T) {
			inCodec(t, func(t *testing.T, c codec) {
				p.times.began = c.clock.Exact()
				time.Sleep(5 * time.Second)
				data, err := c.Append([]byte("before"), p)
				if err != nil || string(data[:6]) != "before" {
					t.Fatalf("%.10q, %v", data, err)
				}
				time.Sleep(11 * time.Second)
				got, err := c.Decode(data[6:])
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, p)
				if age, want := got.times.current(c.clock.Exact()), p.times.age+16*time.Second; age != want {
					t.Errorf("it is %v old, want %v", age, want)
				}
				time.Sleep(time.Second)
				if age, want := got.times.current(c.clock.Exact()), p.times.age+17*time.Second; age != want {
					t.Errorf("then it is %v old, want %v", age, want)
				}
			})
		})
	}
}

// TestCodecForm: whoever changes the form changes the version, or others read nonsense.
func TestCodecForm(t *testing.T) {
	inCodec(t, func(t *testing.T, c codec) {
		p := examples()["whole"]
		p.fields = p.fields[2:5]
		p.times.began = c.clock.Exact()
		// Bubbles begin at the turn of a millennium.
		const form = "\x01\x00\xc8\x01\x80\x9c\x9c9\x80\xbf\xd6\x06" + "\x80\x80\xbf\xb3\xa7\xc0\xae\x03" + "\x04\x80\xf8\x82\xad\x16\x01" +
			"\x03\x04Date\x01\x1dSat, 01 Jan 2000 00:00:00 GMT\x00" + "\x04Etag\x01\x03\"x\"\x00" + "\x04Vary\x01\x06Accept\x01" +
			"\x01\x07X-Outer" + "\x02\x01a\x01b" + "\x00\x00\x00hello"
		if data := written(t, c, p); string(data) != form || c.Name() != "seawall-http" {
			t.Errorf("got  %q\nwant %q", data, form)
		}
	})
}

// TestCodecForeign: what another version has written, what is cut off and what is
// nonsense is nothing.
func TestCodecForeign(t *testing.T) {
	inCodec(t, func(t *testing.T, c codec) {
		head := func(kind byte, status uint64, lifetime, age, at int64, rest ...byte) []byte {
			b := []byte{codecVersion, kind}
			b = binary.AppendUvarint(b, status)
			for _, n := range []int64{lifetime, age, at} {
				b = binary.AppendVarint(b, n)
			}
			return append(b, rest...)
		}
		none := []byte{0, 1, 1, 0, 0, 0, 0, 0, 0} // flags, stale times, lists
		stale := func(revalidate, onError int64) []byte {
			return append(binary.AppendVarint(binary.AppendVarint([]byte{0}, revalidate), onError), 0, 0, 0, 0, 0, 0)
		}
		if _, err := c.Decode(head(0, 200, 0, 0, 0, none...)); err != nil {
			t.Fatal("not even what is right:", err)
		}
		for name, data := range map[string][]byte{
			"nothing":                  nil,
			"older":                    append([]byte{codecVersion - 1}, written(t, c, &Response{kind: passes})[1:]...),
			"newer":                    append([]byte{codecVersion + 1}, written(t, c, &Response{kind: passes})[1:]...),
			"kind":                     head(byte(wants)+1, 200, 0, 0, 0, none...),
			"status 0":                 head(0, 0, 0, 0, 0, none...),
			"status 199":               head(0, 199, 0, 0, 0, none...),
			"status 600":               head(0, 600, 0, 0, 0, none...),
			"status 1000":              head(1, 1000, 0, 0, 0, none...),
			"an age before its birth":  head(0, 200, 0, -1, 0, none...),
			"an age of centuries":      head(0, 200, 0, (101 * longest).Microseconds(), 0, none...),
			"an age that is no number": head(0, 200, 0, math.MaxInt64, 0, none...),
			"a lifetime of centuries":  head(0, 200, (101 * longest).Microseconds(), 0, 0, none...),
			"a lifetime without end":   head(0, 200, math.MaxInt64, 0, 0, none...),
			"stale for centuries":      head(0, 200, 0, 0, 0, stale(int64(101*longest), -1)...),
			"stale before it was so":   head(0, 200, 0, 0, 0, stale(-1, -2)...),
			"more fields than there":   head(0, 200, 0, 0, 0, 0, 1, 1, 9, 0, 0, 0, 0, 0),
			"more tags than there":     head(0, 200, 0, 0, 0, 0, 1, 1, 0, 0, 0, 9, 0, 0),
			"a longer text than there": head(0, 200, 0, 0, 0, 0, 1, 1, 1, 200, 1, 'a'),
			"a number without an end":  {codecVersion, 0, 200, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1},
			"a negative lifetime":      head(0, 200, -1, 0, 0, none...),
		} {
			if p, err := c.Decode(data); err == nil {
				t.Errorf("%s: %+v", name, p)
			}
		}
		for name, p := range examples() {
			p.body = nil
			data := written(t, c, p)
			for n := range data {
				if got, err := c.Decode(data[:n:n]); err == nil {
					t.Errorf("%s: %d of %d bytes are %+v", name, n, len(data), got)
				}
			}
		}
	})
}

// TestCodecClocks: a process whose clock is wrong reads a wrong age, and no other
// harm is done: none is negative, and none overflows.
func TestCodecClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{
		"alike": 0, "an hour ahead": time.Hour, "an hour behind": -time.Hour,
		"two centuries ahead": 200 * longest, "a century behind": -100 * longest,
	} {
		for _, age := range []time.Duration{0, 7 * time.Second, 100 * longest} {
			t.Run(name, func(t *testing.T) {
				inCodec(t, func(t *testing.T, c codec) {
					p := &Response{kind: whole, status: 200, times: times{lifetime: time.Minute, staleRevalidate: absent, staleError: absent, age: age}}
					p.times.began = c.clock.Exact()
					data := written(t, c, p)
					at := binary.AppendVarint(nil, time.Now().UnixMicro())
					if !bytes.Contains(data, at) {
						t.Fatal("when was it written?")
					}
					data = bytes.Replace(data, at, binary.AppendVarint(nil, time.Now().UnixMicro()-ahead.Microseconds()), 1)
					time.Sleep(time.Second)
					got, err := c.Decode(data)
					if err != nil {
						t.Fatal(err)
					}
					lain := max(time.Second+ahead, 0)
					want := age + min(lain, math.MaxInt64-age)
					if have := got.times.current(c.clock.Exact()); have < 0 || have != want && max(have, want) <= 100*longest {
						t.Errorf("it is %v old, want %v", have, want)
					}
					time.Sleep(time.Hour)
					if have := got.times.current(c.clock.Exact()); have < 0 || got.times.fresh(c.clock.Exact()) > 0 {
						t.Errorf("an hour later it is %v old", have)
					}
				})
			})
		}
	}
	inCodec(t, func(t *testing.T, c codec) {
		for _, at := range []int64{math.MinInt64, math.MaxInt64} {
			data := []byte{codecVersion, 0, 200, 1}
			for _, n := range []int64{60e6, 5e6, at} {
				data = binary.AppendVarint(data, n)
			}
			got, err := c.Decode(append(data, 0, 1, 1, 0, 0, 0, 0, 0, 0))
			if err != nil || (got.times.current(c.clock.Exact()) < 5*time.Second || got.times.current(math.MaxInt64/2) < 0) {
				t.Errorf("written at %d: it is %v old", at, got.times.age)
			}
		}
	})
}

// TestCodecMemory: what is read takes no more than it is counted for.
func TestCodecMemory(t *testing.T) {
	inCodec(t, func(t *testing.T, c codec) {
		p := &Response{kind: whole, status: 200, body: []byte("hello"), tags: []string{strings.Repeat("t", 10_000)}}
		data := slices.Grow(written(t, c, p), 1000)
		got, err := c.Decode(data)
		if err != nil || string(got.body) != "hello" {
			t.Fatal(err)
		}
		if cap(got.body) > 16 || &data[len(data)-1] == &got.body[len(got.body)-1] {
			t.Errorf("five bytes keep %d", cap(data))
		}
	})
}
