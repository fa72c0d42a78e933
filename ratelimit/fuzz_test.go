package ratelimit

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
)

// FuzzKeys is in key_test.go.

// subject is something that limits one key.
type subject struct {
	take func(now, cost int64) Decision
	copy func() subject // as it is now
	tick float64        // units
}

func limiterSubject(l *Limiter) subject {
	return subject{
		take: func(now, cost int64) Decision { d, _, _ := l.take(now, cost, seawall.Normal); return d },
		copy: func() subject {
			old, c := l.cell.Load(), new(cell)
			c.meter = old.meter
			c.paid.Store(old.paid.Load())
			twin := new(Limiter)
			twin.cell.Store(c)
			return limiterSubject(twin)
		},
		tick: 1,
	}
}

// tableSubject is a key of a table, or what a group of them shares.
func tableSubject(t *table, m *meter, hash uint64) subject {
	return subject{
		take: func(now, cost int64) Decision {
			if m.inc == 0 {
				return Decision{OK: m.tol > 0 || cost == 0, meter: m}
			}
			need, upTo := m.need(cost), m.ceiling(seawall.Normal)
			v, debt := t.share(hash, t.at(now), need, upTo)
			d := Decision{OK: v == taken, debt: debt, meter: m}
			if !d.OK {
				d.over = debt + need - upTo
			}
			return d
		},
		copy: func() subject {
			twin := &table{sets: make([]set, len(t.sets)), tick: t.tick, scale: t.scale, zero: t.zero}
			for i := range t.sets {
				for k := range t.sets[i] {
					twin.sets[i][k].Store(t.sets[i][k].Load())
				}
			}
			return tableSubject(twin, m, hash)
		},
		tick: m.tick,
	}
}

// check puts a subject through a schedule with late callers and pauses, and
// compares with the exact bucket and with what it says itself.
func (s subject) check(t *testing.T, what string, rt Rate, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	token := max(float64(second)/float64(rt.Limit), 1)
	mean := token * spread(r, 0.01, 3)
	now := clock() + 2*second + r.Int64N(second) // no reading is from before the table
	var admitted []takenAt
	looked := 0
	for range 400 {
		now += int64(min(r.ExpFloat64()*mean, 1<<52))
		if r.IntN(100) == 0 {
			now += int64(min(spread(r, 1, 1e4)*mean, 1<<52))
		}
		seen := now
		if r.IntN(5) == 0 {
			seen -= int64(min(r.ExpFloat64()*mean*spread(r, 0.1, 100), float64(second)))
		}
		cost := int64(1)
		switch r.IntN(10) {
		case 0:
			cost = r.Int64N(5)
		case 1:
			cost = r.Int64N(max(rt.Burst, 1)) + 2
		}
		d := s.take(seen, cost)
		if d.OK {
			admitted = append(admitted, takenAt{seen, cost})
		} else if looked++; looked < 20 { // a refusal writes nothing
			checkRetry(t, what, rt, s.copy(), d, seen, cost)
		}
	}
	slices.SortFunc(admitted, func(a, b takenAt) int { return cmp.Compare(a.at, b.at) })
	m := newBucket(rt)
	for _, one := range admitted {
		if !m.admit(one.at, one.cost) {
			t.Fatalf("%s of %v: the bucket holds %s", what, rt, m.level.FloatString(6))
		}
	}
}

// checkRetry: RetryAfter is enough, and no more than a tick too long.
func checkRetry(t *testing.T, what string, rt Rate, s subject, d Decision, now, cost int64) {
	t.Helper()
	after := d.RetryAfter()
	if after == Never {
		if rt.Burst != seawall.Off && cost <= rt.Burst {
			t.Fatalf("%s of %v: never to have %d", what, rt, cost)
		}
		return
	}
	if after <= 0 {
		t.Fatalf("%s of %v: refused, and %v to wait", what, rt, after)
	}
	early := after - time.Nanosecond - time.Duration(math.Ceil(s.tick/(1<<unitShift)))
	if early > 0 && s.copy().take(now+int64(early)<<unitShift, cost).OK {
		t.Fatalf("%s of %v: RetryAfter %v, but %v is enough", what, rt, after, early)
	}
	if !s.take(now+int64(after)<<unitShift, cost).OK {
		t.Fatalf("%s of %v: %d are not there after RetryAfter %v", what, rt, cost, after)
	}
}

// checkShare: who asks all the time gets what the rate promises.
func (s subject) checkShare(t *testing.T, what string, rt Rate) {
	t.Helper()
	const tokens, asks = 100, 100
	if tokens/float64(rt.Limit) > (3 * 365 * 24 * time.Hour).Seconds() {
		return // time ends after 4.5 years
	}
	now, got := clock()+7*second, 0
	for i := range tokens * asks {
		if s.take(now+int64(float64(second)/float64(rt.Limit)*float64(i)/asks), 1).OK {
			got++
		}
	}
	if got < tokens*98/100 {
		t.Fatalf("%s of %v: %d of %d at the pace of the rate", what, rt, got, tokens)
	}
}

func wantsField(t *testing.T, err error, names ...string) {
	t.Helper()
	if !strings.HasPrefix(err.Error(), "seawall/ratelimit: ") && !strings.HasPrefix(err.Error(), "seawall: ") ||
		!slices.ContainsFunc(names, func(name string) bool { return strings.Contains(err.Error(), name) }) {
		t.Errorf("error %q names none of %v", err, names)
	}
}

// FuzzRate: of any Rate there is an error that names a field, or a Limiter and a
// Keyed that never admit more than they should.
func FuzzRate(f *testing.F) {
	for _, r := range []Rate{
		Per(100, time.Minute), Per(1, 24*time.Hour), Per(7, 3*time.Second), {Limit: rate.Inf}, {Limit: 62e6, Burst: 1 << 20},
		{Limit: 1, Burst: seawall.Off}, {Limit: math.SmallestNonzeroFloat64}, {Limit: -1}, {Limit: 1, Burst: math.MaxInt64},
		{Limit: 1, Window: time.Second / 2}, {Limit: 1, Window: math.MaxInt64}, {Limit: rate.Limit(math.NaN())}, {Limit: 1.0000001e4, Burst: 3},
	} {
		f.Add(float64(r.Limit), r.Burst, int64(r.Window), uint64(r.Burst))
	}
	f.Fuzz(func(t *testing.T, limit float64, burst, window int64, seed uint64) {
		r := Rate{Limit: rate.Limit(limit), Burst: burst, Window: time.Duration(window)}
		if r.String() == "" {
			t.Error("a rate without a word")
		}
		l, err := NewLimiter(LimiterConfig{Rate: r})
		if err != nil {
			wantsField(t, err, "Rate.Limit", "Rate.Burst", "Rate.Window")
			if _, err := newBuckets(KeyedConfig{Rate: r, Bytes: minBytes}); err == nil {
				t.Error("a Keyed takes what a Limiter does not")
			}
			return
		}
		r = l.Rate()
		if r.Limit == rate.Inf || math.IsInf(limit, 1) {
			if l.Allow() != (burst != seawall.Off) {
				t.Errorf("%v: %v", r, l.Allow())
			}
			return
		}
		limiterSubject(l).check(t, "Limiter", r, seed)
		k, err := newBuckets(KeyedConfig{Rate: r, Bytes: minBytes})
		if err != nil {
			wantsField(t, err, "Rate.Burst")
			return
		}
		tableSubject(k.keys, &k.meters.Load().key, 1<<40).check(t, "Keyed", r, seed)
		if limit < float64(second)/1000 && r.Burst != seawall.Off {
			tableSubject(k.keys, &k.meters.Load().key, 2<<40).checkShare(t, "Keyed", r)
		}
	})
}

// FuzzTier: whatever RateFor says, a key of a policy is limited by that, or by
// the policy's own Rate.
func FuzzTier(f *testing.F) {
	f.Add(100./60, int64(10), 5000./3600, int64(500), uint16(16), uint64(1))
	f.Add(1., int64(1), 30., int64(7), uint16(1), uint64(2))
	f.Add(1., int64(1), -1., int64(1), uint16(16), uint64(3))
	f.Add(1000., int64(100), 100., int64(seawall.Off), uint16(4), uint64(4))
	f.Fuzz(func(t *testing.T, limit float64, burst int64, tierLimit float64, tierBurst int64, factor uint16, seed uint64) {
		own := Rate{Limit: rate.Limit(limit), Burst: burst}
		k, err := newBuckets(KeyedConfig{Rate: own, Bytes: minBytes, GroupFactor: 1 + int(factor)})
		if err != nil {
			return
		}
		p := &policy{keyed: k}
		tier := Rate{Limit: rate.Limit(tierLimit), Burst: tierBurst}
		found, ok := new(rates).get(tier, p)
		m := found.keyed
		if !ok {
			m = k.meters.Load()
		}
		of := m.key.rate
		k = m.in
		if !ok {
			of = own.defaults()
		} else if of.Limit != tier.Limit {
			t.Fatalf("a tier of %v has %v", tier, of)
		}
		if m.key.inc == 0 {
			return // no limit; FuzzRate knows it
		}
		tableSubject(k.keys, &m.key, 1<<40).check(t, "a key", of, seed)
		if of.Burst != seawall.Off && of.Limit < rate.Limit(second)/1000 {
			tableSubject(k.keys, &m.key, 2<<40).checkShare(t, "a key", of)
		}
		group := of
		group.Limit *= rate.Limit(1 + int(factor))
		if group.Burst > 0 {
			group.Burst *= int64(1 + int(factor))
		}
		tableSubject(k.groups, &m.group, 3<<40).check(t, "a group", group, seed)
	})
}

// FuzzClientIPKey: a client has one bucket however its address is written, and
// another client another one.
func FuzzClientIPKey(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 3}, "junk", uint16(443))
	f.Add([]byte{255, 255, 255, 255}, []byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 1}, "203.0.113.1, ", uint16(0))
	f.Add([]byte{0, 0, 0, 0}, []byte{0, 0x64, 0xff, 0x9b, 1}, "[::1]:3,\"", uint16(1))
	direct := ByClientIP(seawall.ClientIP{})
	behind := ByClientIP(seawall.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	f.Fuzz(func(t *testing.T, b4, b6 []byte, spoof string, port uint16) {
		var a4 [4]byte
		var a6 [16]byte
		copy(a4[:], b4)
		copy(a6[:], b6)
		v4, v6 := netip.AddrFrom4(a4), netip.AddrFrom16(a6)
		if a4[0] == 10 || v6.Is4In6() || strings.HasPrefix(v6.StringExpanded(), "0064:ff9b:0000:0000:0000:0000:") {
			return // another hop, or IPv4
		}
		a6[15] ^= 1 // a neighbour in the /64
		near := netip.AddrFrom16(a6)
		p := ":" + strconv.Itoa(int(port))
		for client, spellings := range map[string][]string{
			v4.String(): {v4.String() + p, "[::ffff:" + v4.String() + "]" + p, "[64:ff9b::" + v4.String() + "]" + p},
			v6.String(): {"[" + v6.String() + "]" + p, "[" + v6.StringExpanded() + "]" + p, "[" + v6.WithZone("eth0").String() + "]" + p, "[" + near.String() + "]" + p},
		} {
			want := keyOf(direct, from(spellings[0]), seawall.Class{})
			if want == "" {
				t.Fatalf("%s has no key", spellings[0])
			}
			for _, remote := range spellings {
				if got := keyOf(direct, from(remote), seawall.Class{}); got != want {
					t.Errorf("%s: key %x, that of %s is %x", remote, got, client, want)
				}
				bare := strings.Trim(strings.TrimSuffix(remote, p), "[]")
				for _, element := range []string{remote, bare} {
					proxied := from("10.1.1.1" + p)
					// A client writes the first line; the proxies of ours the others.
					proxied.Header["X-Forwarded-For"] = []string{spoof, element, "10.2.2.2, 10.3.3.3"}
					if got := keyOf(behind, proxied, seawall.Class{}); got != want {
						t.Errorf("%q from a proxy: key %x, that of %s is %x", element, got, client, want)
					}
				}
			}
		}
		if keyOf(direct, from(v4.String()+p), seawall.Class{}) == keyOf(direct, from(v4.Next().String()+p), seawall.Class{}) && v4.Next().IsValid() {
			t.Errorf("%s and the next one are one client", v4)
		}
	})
}

var modes = []Fields{Near, Always, NoFields, Legacy}

// FuzzConfig: an error names the field that is wrong, or Limits take requests.
// What they say about themselves can be read.
func FuzzConfig(f *testing.F) {
	f.Add("per-ip", 10., int64(3), int64(60e9), 0., 0.5, int64(0), uint8(1), int64(1), uint8(0))
	f.Add("", 1e9, int64(0), int64(0), 1., 0., int64(8192), uint8(3), int64(-5), uint8(1))
	f.Add("a\r\nSet-Cookie: b", 1., int64(1), int64(1e9), 0., 0., int64(0), uint8(0), int64(1), uint8(2))
	f.Add(strings.Repeat("x", 65), math.Inf(1), int64(-1), int64(-1), math.NaN(), -1., int64(-1), uint8(9), int64(math.MaxInt64), uint8(3))
	f.Fuzz(func(t *testing.T, name string, limit float64, burst, window int64, low, high float64, size int64, mode uint8, cost int64, key uint8) {
		r := Rate{Limit: rate.Limit(limit), Burst: burst, Window: time.Duration(window)}
		kept := Reserve{low, low, high, high}
		keys := []Key{{}, ByUser(), ByHeader(name), By(ByClientIP(seawall.ClientIP{}), ByRoute())}
		if size == 0 && int(key)%len(keys) > 0 {
			size = minBytes // the default takes its time
		}
		l, err := New(Config{Fields: Fields(mode), Policies: []Policy{
			{Name: name, Rate: r, Reserve: kept, Bytes: min(int(size), 1<<16), Key: keys[int(key)%len(keys)], Cost: func(*http.Request) int64 { return cost }},
			{Name: "own", Rate: Per(5, time.Minute), Key: ByUser(), Bytes: minBytes, RateFor: func(*http.Request) (Rate, bool) { return r, true }},
		}})
		if err != nil {
			wantsField(t, err, "Rate.Limit", "Rate.Burst", "Rate.Window", "Name", "Reserve", "Bytes", "Fields", "ByHeader", "are called")
			return
		}
		h := l.Middleware(nothing)
		for range 5 {
			resp := ask(h, "192.0.2.1", "X-Api-Key", "a")
			switch resp.StatusCode {
			case http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable:
			default:
				t.Errorf("status %d", resp.StatusCode)
			}
			fieldsOf(t, resp.Header)
			for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
				if v := resp.Header.Get(name); (v != "") != (Fields(mode) == Legacy) || strings.HasPrefix(v, "-") {
					t.Errorf("%s: %s", name, v)
				}
			}
		}
		if err := l.Take(httptest.NewRequest(http.MethodGet, "/", nil), seawall.Class{User: 1, Priority: seawall.Priority(mode)}); err != nil && !strings.Contains(err.Error(), "rate_limited") {
			t.Error(err)
		}
		l.Snapshot()
	})
}

// FuzzFields: what the fields say is what the policies are, whatever they are
// called, and Retry-After is not before the t of the one that refuses.
func FuzzFields(f *testing.F) {
	f.Add("a", "b", uint32(100), uint32(60), uint32(7), uint32(1), uint8(0))
	f.Add("per-ip", "A_b.c-9", uint32(1), uint32(86400), uint32(1), uint32(3600), uint8(1))
	f.Add("", "x", uint32(0), uint32(0), uint32(99999), uint32(9), uint8(1))
	f.Fuzz(func(t *testing.T, one, two string, n1, w1, n2, w2 uint32, mode uint8) {
		rates := map[string]Rate{
			one: Per(int64(n1%100_000)+1, time.Duration(w1%1e6+1)*time.Second),
			two: Per(int64(n2%100_000)+1, time.Duration(w2%1e6+1)*time.Second),
		}
		l, err := New(Config{Fields: modes[mode%2], Policies: []Policy{
			{Name: one, Rate: rates[one], Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes}, {Name: two, Rate: rates[two]},
		}})
		if err != nil {
			return // FuzzConfig looks at those
		}
		if one == "" {
			rates["policy-1"] = rates[one]
		}
		if two == "" {
			rates["policy-2"] = rates[two]
		}
		h := l.Middleware(nothing)
		for range 30 {
			resp := ask(h, "192.0.2.1")
			got := fieldsOf(t, resp.Header)
			after, _ := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64)
			if resp.StatusCode == http.StatusOK && modes[mode%2] == Always && len(got.names) != 2 || resp.StatusCode != http.StatusOK && len(got.names) == 0 {
				t.Fatalf("status %d with %v", resp.StatusCode, got)
			}
			for _, name := range got.names {
				r := rates[name].defaults()
				if got.r[name] > r.Burst || got.w[name] != int64(r.Window/time.Second) || math.Abs(float64(got.q[name])-r.quota()) > 1 {
					t.Errorf("%v is told as r=%d, q=%d, w=%d", r, got.r[name], got.q[name], got.w[name])
				}
			}
			if resp.StatusCode == http.StatusOK || len(got.names) == 0 {
				continue
			}
			// The others have room, or it would not have come to the last one.
			if name := got.names[len(got.names)-1]; after < got.t[name] || got.t[name] == 0 {
				t.Errorf("Retry-After %d, t=%d of %q", after, got.t[name], name)
			}
		}
	})
}
