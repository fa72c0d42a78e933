package httpcache

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var faults = map[string]int32{"dead": dead, "frozen": frozen, "slow": slow}

// eachFault runs a test for all faults, with a bus and without.
func eachFault(t *testing.T, test func(t *testing.T, d *depot, fault int32, s *edition, cfg Config)) {
	for name, fault := range faults {
		for form, fields := range map[string][]string{"plain": {}, "variant": {"Vary", "Accept-Language"}} {
			for _, bus := range buses() {
				t.Run(name+"/"+form+"/"+bus, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						d, s := newDepot(), newEdition(append([]string{"Cache-Control", "max-age=600"}, fields...)...)
						cfg := Config{Shared: shared{Bus: d}}
						if bus != "bus" {
							cfg.Shared.Bus = nil
						}
						test(t, d, fault, s, cfg)
						d.fault.Store(sound) // so that it can be closed
						time.Sleep(10 * time.Second)
					})
				})
			}
		}
	}
}

const (
	german  = "Accept-Language"
	budget  = 50 * time.Millisecond
	settled = 5 * time.Second // until an L2 is known to be away, or back
)

// TestSharedAway: where the tier that processes share does not answer, each answers
// by itself, and soon nobody waits for it.
func TestSharedAway(t *testing.T) {
	eachFault(t, func(t *testing.T, d *depot, fault int32, s *edition, cfg Config) {
		all := nodes(t, 4, d, &s.site, cfg)
		takes := 100 * time.Millisecond
		s.takes.Store(int64(takes))
		d.fault.Store(fault)
		// A look, the tags of what it brought, a lease, and what is then to be written.
		if took := crowd(t, all, 100, "/cold", "/coldde of 1", german, "de"); took > takes+4*budget {
			t.Errorf("the first waited for %v", took)
		}
		s.asked(t, 4)
		crowd(t, all, 10, "/cold", "/coldde of 1", german, "de")
		s.asked(t, 0)
		time.Sleep(settled)
		if took := crowd(t, all, 100, "/known", "/knownde of 1", german, "de"); took > takes+time.Millisecond {
			t.Errorf("somebody waited for %v, and it was known to be away", took)
		}
		s.asked(t, 4)
		d.fault.Store(sound)
		for range 3 { // somebody has to look whether it is back
			crowd(t, all, 1, "/back", "", german, "de")
			time.Sleep(settled)
		}
		s.calls.Store(0)
		crowd(t, all, 100, "/new", "/newde of 1", german, "de")
		s.asked(t, 1)
	})
}

// TestSharedAwayPurge: what is forgotten while it is away is forgotten here at once,
// and by all when it is back.
func TestSharedAwayPurge(t *testing.T) {
	for way, purge := range purges {
		t.Run(way, func(t *testing.T) {
			eachFault(t, func(t *testing.T, d *depot, fault int32, s *edition, cfg Config) {
				if fault == slow { // it is to this as frozen is
					return
				}
				s.fields.Store(&[]string{"Cache-Control", "max-age=600", "Surrogate-Key", "wares"})
				all := nodes(t, 3, d, &s.site, cfg)
				for _, a := range all {
					a.get(t, "/shop/a", "/shop/a of 1")
				}
				d.fault.Store(fault)
				all[0].get(t, "/b", "") // finds out
				time.Sleep(settled)
				s.n.Store(2)
				began := time.Now()
				if err := purge(t, all[1]); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 4*budget {
					t.Errorf("it took %v", took)
				}
				all[1].get(t, "/shop/a", "/shop/a of 2")
				d.fault.Store(sound)
				time.Sleep(settled)
				all[1].heard()
				for _, a := range all {
					a.get(t, "/shop/a", "/shop/a of 2")
				}
			})
		})
	}
}

// TestSharedAwayAndFailing: what is good by HTTP is shown while neither the tier
// that processes share nor the handler has anything better.
func TestSharedAwayAndFailing(t *testing.T) {
	eachFault(t, func(t *testing.T, d *depot, fault int32, s *edition, cfg Config) {
		all := nodes(t, 2, d, &s.site, cfg)
		crowd(t, all, 1, "/a", "/ade of 1", german, "de")
		d.fault.Store(fault)
		for _, other := range []string{"/b", "/c", "/d"} { // each finds out
			crowd(t, all, 1, other, "")
			time.Sleep(budget)
		}
		d.hangUp()
		s.status.Store(http.StatusServiceUnavailable)
		for _, rest := range []time.Duration{0, time.Minute, 10 * time.Minute} {
			time.Sleep(rest)
			s.calls.Store(0)
			crowd(t, all, 100, "/a", "/ade of 1", german, "de")
			time.Sleep(100 * time.Millisecond)
			crowd(t, all, 100, "/a", "/ade of 1", german, "de")
			if n := s.calls.Load(); n > 2 {
				t.Errorf("the handler was asked %d times, by two in its pause", n)
			}
		}
		time.Sleep(9 * time.Minute) // 600 s, and 10 min of StaleIfError
		for _, a := range all {
			if got := a.get(t, "/a", "", german, "de"); got.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s, and it is too old by far", got.Status)
			}
		}
	})
}

// TestSharedAwayPurgeMeanwhile: what stands in for a handler that fails does not if it
// was purged since that was asked.
func TestSharedAwayPurgeMeanwhile(t *testing.T) {
	for way, purge := range purges {
		for _, hangUp := range []bool{false, true} {
			t.Run(way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d, s := newDepot(), newEdition("Cache-Control", "max-age=600", "Surrogate-Key", "wares")
					a := nodes(t, 1, d, &s.site, Config{Shared: shared{Bus: d}})[0]
					a.get(t, "/shop/a", "/shop/a of 1")
					d.fault.Store(dead)
					for _, other := range []string{"/b", "/c", "/d"} {
						a.get(t, other, "")
						time.Sleep(budget)
					}
					if hangUp {
						d.hangUp()
						synctest.Wait()
					} else {
						time.Sleep(time.Minute)
					}
					s.status.Store(http.StatusServiceUnavailable)
					s.takes.Store(int64(time.Second))
					var wg sync.WaitGroup
					wg.Go(func() {
						if got := a.get(t, "/shop/a", ""); got.StatusCode != http.StatusServiceUnavailable {
							t.Errorf("%s %s", got.Status, got.Header.Get("Cache-Status"))
						}
					})
					time.Sleep(500 * time.Millisecond)
					s.status.Store(0)
					s.takes.Store(0)
					if err := purge(t, a); err != nil {
						t.Error(err)
					}
					wg.Wait()
					d.fault.Store(sound)
					time.Sleep(settled)
				})
			})
		}
	}
}

// TestSharedAwayAsks: while that tier is away, a handler is asked about what there
// is, and not for all of it again.
func TestSharedAwayAsks(t *testing.T) {
	eachFault(t, func(t *testing.T, d *depot, fault int32, s *edition, cfg Config) {
		s.fields.Store(&[]string{"Cache-Control", "max-age=600", "Etag", "yes", "Vary", german})
		all := nodes(t, 2, d, &s.site, cfg)
		crowd(t, all, 1, "/a", "/ade of 1", german, "de")
		d.fault.Store(fault)
		for _, other := range []string{"/b", "/c", "/d"} {
			crowd(t, all, 1, other, "")
			time.Sleep(budget)
		}
		time.Sleep(2 * time.Minute)
		for _, a := range all {
			if got := a.get(t, "/a", "/ade of 1", german, "de"); !strings.Contains(got.Header.Get("Cache-Status"), "fwd-status=304") {
				t.Error(got.Header.Get("Cache-Status"))
			}
		}
	})
}

// TestSharedFlushed: what that tier has lost is asked for anew; if that fails, and a
// Bus would have told of a purge, what there is here is shown.
func TestSharedFlushed(t *testing.T) {
	for _, bus := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d, s := newDepot(), newEdition("Cache-Control", "max-age=600")
			cfg := Config{}
			if bus {
				cfg.Shared.Bus = d
			}
			all := nodes(t, 2, d, &s.site, cfg)
			crowd(t, all, 1, "/a", "/a of 1")
			d.flush()
			d.hangUp()
			time.Sleep(61 * time.Second)
			s.status.Store(http.StatusInternalServerError)
			for _, a := range all {
				got := a.get(t, "/a", "")
				if shown := got.StatusCode == http.StatusOK; shown != bus {
					t.Errorf("with a bus %v: %s", bus, got.Status)
				}
			}
		})
	}
}

// TestSharedPurgeAndFailing: what was purged elsewhere is not shown even if the
// handler fails.
func TestSharedPurgeAndFailing(t *testing.T) {
	eachWay(t, func(t *testing.T, all []*node, s *edition, request []string, purge func(*testing.T, *node) error) {
		for _, a := range all {
			a.get(t, "/shop/a", "", request...)
		}
		if err := purge(t, all[1]); err != nil {
			t.Fatal(err)
		}
		s.status.Store(http.StatusServiceUnavailable)
		all[1].heard()
		for _, a := range all {
			if got := a.get(t, "/shop/a", "", request...); got.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s %s", got.Status, got.Header.Get("Cache-Status"))
			}
		}
	})
}
