package httpcache

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// says fails the test if a field of an answer is another one.
func saysAll(t *testing.T, got *http.Response, field, want string) {
	t.Helper()
	if have := got.Header.Get(field); have != want {
		t.Errorf("%s is %q, want %q", field, have, want)
	}
}

// alters changes all that lies there, a second later.
func (d *depot) alters(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	time.Sleep(time.Second)
	n := 0
	d.each(func(_ string, v []byte) []byte {
		n++
		changed := change(bytes.Clone(v))
		if bytes.Equal(changed, v) {
			t.Error("nothing was changed")
		}
		return changed
	})
	if n == 0 {
		t.Error("nothing is there")
	}
}

func varint(at time.Time) []byte { return binary.AppendVarint(nil, at.UnixMicro()) }

// TestSharedLate: a process that begins later shows what lies in the tier that
// processes share, and that goes on ageing there.
func TestSharedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=600, stale-while-revalidate=30", "Age", "5", "Etag", "yes", "X-Own", "yes")
		d.way.Store(0)
		cfg := Config{Shared: shared{Bus: d}}
		early := nodes(t, 1, d, &s.site, cfg)[0]
		early.get(t, "/a", "/a of 1")
		time.Sleep(100 * time.Second)
		late := opens(t, d, &s.site, cfg)
		got := late.get(t, "/a", "/a of 1")
		saysAll(t, got, "Age", "105")
		saysAll(t, got, "Cache-Status", "seawall; hit; ttl=495")
		saysAll(t, got, "X-Own", "yes")
		time.Sleep(100 * time.Second)
		saysAll(t, late.get(t, "/a", "/a of 1"), "Age", "205")
		saysAll(t, early.get(t, "/a", "/a of 1"), "Age", "205")
		saysAll(t, late.get(t, "/a", "", "If-None-Match", `"1"`), "Age", "205")
		s.asked(t, 1)

		time.Sleep(400 * time.Second) // 5 s too old
		late = opens(t, d, &s.site, cfg)
		got = late.get(t, "/a", "/a of 1")
		saysAll(t, got, "Age", "605")
		saysAll(t, got, "Cache-Status", "seawall; hit; ttl=-5")
		time.Sleep(time.Second)
		s.asked(t, 1) // behind it
		saysAll(t, late.get(t, "/a", "/a of 1"), "Age", "6")

		time.Sleep(700 * time.Second)
		late = opens(t, d, &s.site, cfg)
		got = late.get(t, "/a", "/a of 1")
		saysAll(t, got, "Age", "5")
		saysAll(t, got, "Cache-Status", "seawall; fwd=stale; fwd-status=304; stored; ttl=595")
		s.asked(t, 1)
		// That process has told the others.
		saysAll(t, early.get(t, "/a", "/a of 1"), "Age", "5")
		s.asked(t, 0)
	})
}

// TestSharedLateFails: what lies there stands in for a handler that fails, as long
// as it may.
func TestSharedLateFails(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable} {
		for form, fields := range map[string][]string{
			"as Config says": {"Cache-Control", "max-age=60"}, "as it says": {"Cache-Control", "max-age=60, stale-if-error=600"},
			"variant":     {"Cache-Control", "max-age=60", "Vary", german},
			"it forbids":  {"Cache-Control", "max-age=60, must-revalidate", "Etag", "yes"},
			"it is asked": {"Cache-Control", "max-age=60", "Etag", "yes"},
		} {
			t.Run(form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d, s := newDepot(), newEdition(fields...)
					cfg := Config{Shared: shared{Bus: d}}
					nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/ade of 1", german, "de")
					time.Sleep(2 * time.Minute)
					s.status.Store(int64(status))
					late := opens(t, d, &s.site, cfg)
					got := late.get(t, "/a", "", german, "de")
					if want := form != "it forbids"; (got.StatusCode == http.StatusOK) != want {
						t.Errorf("%s %s", got.Status, got.Header.Get("Cache-Status"))
					}
					time.Sleep(10 * time.Minute)
					for _, a := range []*node{late, opens(t, d, &s.site, cfg)} {
						if got := a.get(t, "/a", "", german, "de"); got.StatusCode != status {
							t.Errorf("too old: %s", got.Status)
						}
					}
				})
			})
		}
	}
}

// TestSharedLooks: what lies there answers those, too, whose answers from the
// handler would not be kept.
func TestSharedLooks(t *testing.T) {
	for form, fields := range map[string][]string{"plain": {}, "variant": {"Vary", german}} {
		for name, c := range map[string]struct {
			method string
			fields []string
			status int
			body   string
		}{
			"HEAD":                    {method: "HEAD", status: http.StatusOK},
			"Range":                   {fields: []string{"Range", "bytes=0-1"}, status: http.StatusPartialContent, body: "/a"},
			"only-if-cached":          {fields: []string{"Cache-Control", "only-if-cached"}, status: http.StatusOK, body: "/ade of 1"},
			"only-if-cached, max-age": {fields: []string{"Cache-Control", "only-if-cached, max-age=5"}, status: http.StatusGatewayTimeout, body: "-"},
			"no-store":                {fields: []string{"Cache-Control", "no-store"}, status: http.StatusOK, body: "/ade of 1"},
		} {
			t.Run(form+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d, s := newDepot(), newEdition(append([]string{"Cache-Control", "max-age=600", "Etag", "yes"}, fields...)...)
					cfg := Config{Shared: shared{Bus: d}}
					nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/ade of 1", german, "de")
					time.Sleep(10 * time.Second)
					s.calls.Store(0)
					late := nodes(t, 1, d, &s.site, cfg)[0]
					got := ask(late.front, c.method, "http://site.example/a", append(c.fields, german, "de")...)
					if b := body(got); got.StatusCode != c.status || b != c.body && c.body != "-" {
						t.Errorf("%s %q %v", got.Status, b, got.Header)
					}
					s.asked(t, 0)
					// Nothing is there, or nobody knows: they go on as ever.
					for i, fault := range []int32{sound, dead, frozen} {
						d.fault.Store(fault)
						began := time.Now()
						got = ask(late.front, c.method, "http://site.example/b", append(c.fields, german, "de")...)
						if i == 0 && strings.HasPrefix(name, "only") != (got.StatusCode == http.StatusGatewayTimeout) || time.Since(began) > 2*budget {
							t.Errorf("%s after %v", got.Status, time.Since(began))
						}
					}
					d.fault.Store(sound)
					time.Sleep(settled)
				})
			})
		}
	}
}

// TestSharedLooksAside: who only looks does not wait for somebody else's answer.
func TestSharedLooksAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=600")
		a := nodes(t, 1, d, &s.site, Config{Shared: shared{Bus: d}})[0]
		s.takes.Store(int64(5 * time.Second))
		go a.get(t, "/a", "/a of 1")
		time.Sleep(time.Second)
		s.takes.Store(0)
		began := time.Now()
		if got := ask(a.front, "HEAD", "http://site.example/a"); got.StatusCode != http.StatusOK || time.Since(began) > budget {
			t.Errorf("%s after %v", got.Status, time.Since(began))
		}
		time.Sleep(5 * time.Second)
	})
}

// TestSharedNoRoom: what lies in the tier that processes share answers also where
// there is no room for it, and where nobody knows for long what is still true.
func TestSharedNoRoom(t *testing.T) {
	long := strings.Repeat("all work and no play ", 7000)
	for form, vary := range map[string]string{"plain": "", "variant": german} {
		for _, hangs := range []bool{false, true} {
			t.Run(form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var s site
					s.f = func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Cache-Control", "max-age=600")
						w.Header().Set("Vary", vary)
						io.WriteString(w, long)
					}
					d, cfg := newDepot(), Config{Shared: shared{Bus: nil}}
					cfg.Shared.Bus = d
					nodes(t, 1, d, &s, cfg)[0].get(t, "/a", long)
					time.Sleep(time.Second)
					s.asked(t, 1)
					if !hangs {
						cfg.MaxBytes = 2 << 20 // a sixteenth is less
					}
					late := nodes(t, 1, d, &s, cfg)
					ctx, stop := context.WithCancel(context.Background())
					var loses sync.WaitGroup
					loses.Go(func() {
						for hangs && ctx.Err() == nil {
							d.hangUp()
							time.Sleep(300 * time.Microsecond)
						}
					})
					for range 3 {
						if took := crowd(t, late, 20, "/a", long); took > 30*time.Millisecond {
							t.Errorf("somebody waited for %v", took)
						}
					}
					stop()
					loses.Wait()
					s.asked(t, 0)
				})
			})
		}
	}
}

// TestSharedRenewal: what is shown stale by all is renewed by one.
func TestSharedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=60, stale-while-revalidate=60", "Vary", german)
		all := nodes(t, 4, d, &s.site, Config{Shared: shared{Bus: d}})
		crowd(t, all, 10, "/a", "/ade of 1", german, "de")
		s.asked(t, 1)
		s.takes.Store(int64(100 * time.Millisecond))
		for n := range int64(3) {
			time.Sleep(70 * time.Second)
			s.n.Store(n + 2)
			if took := crowd(t, all, 100, "/a", "", german, "de"); took > 20*time.Millisecond {
				t.Errorf("somebody waited for %v", took)
			}
			time.Sleep(time.Second)
			s.asked(t, 1)
		}
		time.Sleep(5 * time.Second)
		crowd(t, all, 10, "/a", "/ade of 4", german, "de")
	})
}

// TestSharedSlow: the others wait for the process that asks as long as LeaseWait has
// it, which is Wait if nothing is said, and then ask as well.
func TestSharedSlow(t *testing.T) {
	for wait, calls := range map[time.Duration]int64{2 * time.Second: 4, 8 * time.Second: 1, 0: 1} {
		synctest.Test(t, func(t *testing.T) {
			d, s := newDepot(), newEdition("Cache-Control", "max-age=60")
			s.takes.Store(int64(5 * time.Second))
			all := nodes(t, 4, d, &s.site, Config{Shared: shared{Bus: d, LeaseWait: wait}})
			if took := crowd(t, all, 100, "/a", "/a of 1"); took > 7200*time.Millisecond {
				t.Errorf("somebody waited for %v", took)
			}
			s.asked(t, calls)
		})
	}
}

// TestSharedDay: what lies in the tier that processes share does so for a day at most.
func TestSharedDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=864000")
		cfg := Config{Shared: shared{Bus: d}}
		nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/a of 1")
		for after, calls := range []int64{0, 1} {
			s.calls.Store(0)
			time.Sleep(23*time.Hour - time.Duration(after)*21*time.Hour) // and then 2 more
			opens(t, d, &s.site, cfg).get(t, "/a", "/a of 1")
			s.asked(t, calls)
		}
	})
}

// TestSharedMarkers: what is noted about a URL is noted for all.
func TestSharedMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition()
		cfg := Config{Shared: shared{Bus: d}}
		early := nodes(t, 1, d, &s.site, cfg)[0]
		s.fields.Store(&[]string{"Cache-Control", "max-age=600", "Vary", german})
		early.get(t, "/varies", "/variesde of 1", german, "de")
		early.get(t, "/varies", "/variesfr of 1", german, "fr")
		s.fields.Store(&[]string{"Cache-Control", "private"})
		early.get(t, "/passes", "/passes of 1")
		s.asked(t, 3)

		late := opens(t, d, &s.site, cfg)
		s.fields.Store(&[]string{"Cache-Control", "max-age=600", "Vary", german})
		got := late.get(t, "/varies", "/variesde of 1", german, "de")
		saysAll(t, got, "Cache-Status", "seawall; hit; ttl=600")
		late.get(t, "/varies", "/variesfr of 1", german, "fr")
		s.asked(t, 0)
		got = late.get(t, "/varies", "/variesit of 1", german, "it")
		saysAll(t, got, "Cache-Status", "seawall; fwd=vary-miss; fwd-status=200; stored")
		early.get(t, "/varies", "/variesit of 1", german, "it")
		s.asked(t, 1)

		s.fields.Store(&[]string{"Cache-Control", "private"})
		s.takes.Store(int64(time.Second))
		if took := crowd(t, []*node{late, opens(t, d, &s.site, cfg)}, 100, "/passes", "/passes of 1"); took > 1020*time.Millisecond {
			t.Errorf("somebody waited for %v", took)
		}
		s.asked(t, 200)
		time.Sleep(time.Minute) // HitForMiss
		s.fields.Store(&[]string{"Cache-Control", "max-age=600"})
		crowd(t, []*node{late, early}, 100, "/passes", "/passes of 1")
		s.asked(t, 1)
	})
}

// TestSharedWants: a crowd that has something already, and of which the handler
// says so, is asked for once without a condition, whatever process it comes to.
func TestSharedWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDepot(), newEdition("Cache-Control", "max-age=600", "Etag", "yes")
		cfg := Config{Shared: shared{Bus: d}}
		all := nodes(t, 2, d, &s.site, cfg)
		for i := range 4 {
			got := all[i%2].get(t, "/a", "", "If-None-Match", `"1"`)
			if got.StatusCode != http.StatusNotModified {
				t.Errorf("%d: %s", i, got.Status)
			}
		}
		if n := s.calls.Swap(0); n > 2 {
			t.Errorf("the site was asked %d times", n)
		}
		all[0].get(t, "/a", "/a of 1")
		s.asked(t, 0)
	})
}

// TestSharedForeign: what another version has written, or nobody, is nothing.
func TestSharedForeign(t *testing.T) {
	const begins = "\x01\x00\xc8\x01" // version, whole, 200
	for name, change := range map[string]func(value []byte) []byte{
		"older version":    func(v []byte) []byte { return bytes.Replace(v, []byte(begins), []byte("\x00\x00\xc8\x01"), 1) },
		"newer version":    func(v []byte) []byte { return bytes.Replace(v, []byte(begins), []byte("\x02\x00\xc8\x01"), 1) },
		"another kind":     func(v []byte) []byte { return bytes.Replace(v, []byte(begins), []byte("\x01\x09\xc8\x01"), 1) },
		"another codec":    func(v []byte) []byte { return bytes.Replace(v, []byte("seawall-http"), []byte("seawall-HTTP"), 1) },
		"another envelope": func(v []byte) []byte { return append([]byte{v[0], v[1] + 1}, v[2:]...) },
		"cut off":          func(v []byte) []byte { return v[:len(v)/2] },
		"empty":            func([]byte) []byte { return []byte{} },
		"zeros":            func(v []byte) []byte { return make([]byte, len(v)) },
		"not compressed":   func(v []byte) []byte { v[2] |= 1; return v },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDepot(), newEdition("Cache-Control", "max-age=600")
				cfg := Config{Shared: shared{Bus: d}}
				nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/a of 1")
				d.alters(t, change)
				s.n.Store(2)
				s.calls.Store(0)
				late := nodes(t, 3, d, &s.site, cfg)
				crowd(t, late, 10, "/a", "/a of 2")
				s.asked(t, 1)
				if n := late[0].Stats().Store.L2.Foreign + late[1].Stats().Store.L2.Foreign + late[2].Stats().Store.L2.Foreign; n == 0 {
					t.Error("nobody has counted it")
				}
			})
		})
	}
}

// TestSharedClocks: where processes do not agree on the time, an Age is wrong by so
// much, and nothing else is.
func TestSharedClocks(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0: "9", 30 * time.Second: "40", -5 * time.Second: "5", -time.Hour: "0", // how far the reader is ahead of the writer
	} {
		synctest.Test(t, func(t *testing.T) {
			d, s := newDepot(), newEdition("Cache-Control", "max-age=600", "Etag", "yes")
			d.way.Store(0)
			cfg := Config{Shared: shared{Bus: d}}
			nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/a of 1")
			if at := time.Now(); ahead != 0 {
				d.alters(t, func(v []byte) []byte { return bytes.Replace(v, varint(at), varint(at.Add(-ahead)), 1) })
			}
			time.Sleep(7 * time.Second)
			late := nodes(t, 1, d, &s.site, cfg)[0]
			saysAll(t, late.get(t, "/a", "/a of 1"), "Age", want)
			s.asked(t, 1)
			time.Sleep(5 * time.Second)
			if age := late.get(t, "/a", "/a of 1").Header.Get("Age"); strings.HasPrefix(age, "-") || age == want {
				t.Errorf("5 s later it is %q", age)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // so far ahead that nothing is ever fresh
		d, s := newDepot(), newEdition("Cache-Control", "max-age=600", "Etag", "yes")
		d.way.Store(0)
		cfg := Config{Shared: shared{Bus: d}}
		nodes(t, 1, d, &s.site, cfg)[0].get(t, "/a", "/a of 1")
		at := time.Now()
		d.alters(t, func(v []byte) []byte { return bytes.Replace(v, varint(at), varint(at.Add(-time.Hour)), 1) })
		late := opens(t, d, &s.site, cfg)
		saysAll(t, late.get(t, "/a", "/a of 1"), "Cache-Status", "seawall; fwd=stale; fwd-status=304; stored; ttl=600")
		s.asked(t, 2)
		late.get(t, "/a", "/a of 1")
		s.asked(t, 0)
	})
}

// TestSharedSizes: what is too long for the tier that processes share each keeps
// by itself; what can be is compressed there.
func TestSharedSizes(t *testing.T) {
	random := make([]byte, 50_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	text := bytes.Repeat([]byte("all work and no play "), 2500)
	for name, c := range map[string]struct {
		shared      shared
		body        []byte
		least, most int // in L2
		calls       int64
	}{
		"text":           {body: text, least: 100, most: 5000, calls: 1},
		"never":          {body: text, least: len(text), most: len(text) + 500, calls: 1, shared: shared{CompressAbove: seawall.Off}},
		"at random":      {body: random, least: len(random), most: len(random) + 500, calls: 1},
		"too long":       {body: text, calls: 4, shared: shared{MaxValue: len(text)}},
		"just not so":    {body: text, least: 100, most: 5000, calls: 1, shared: shared{MaxValue: len(text) + 500}},
		"above too long": {body: text, calls: 4, shared: shared{MaxValue: 20_000, CompressAbove: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s site
				s.f = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=600")
					w.Write(c.body)
				}
				d, cfg := newDepot(), Config{Shared: c.shared}
				cfg.Shared.Bus = d
				all := nodes(t, 4, d, &s, cfg)
				for range 2 {
					crowd(t, all, 10, "/a", string(c.body))
				}
				s.asked(t, c.calls)
				time.Sleep(time.Second)
				there := 0
				d.each(func(_ string, v []byte) []byte { there = len(v); return v })
				if there < c.least || there > c.most {
					t.Errorf("%d bytes lie there, want from %d to %d", there, c.least, c.most)
				}
			})
		})
	}
}
