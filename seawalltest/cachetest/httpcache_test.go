package cachetest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seawall-go/seawall/cache"
)

// over is an engine behind a wire.
func over(w *wire, f faults, bus func() cache.Bus) Engine {
	w.server = newServer(f)
	return Engine{
		Node:  func(*testing.T, string) (cache.L2, cache.Bus) { return w, bus() },
		Stop:  func() { w.become("dead") },
		Start: func() { w.become("") },
		Listening: func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.ears)
		},
	}
}

func noBus() cache.Bus { return nil }

// play has a scene in a bubble, with each of the fields it may vary by.
func play(t *testing.T, name string, made func() Engine) (err error) {
	t.Helper()
	for _, s := range scenes {
		for _, vary := range s.vary {
			if s.name == name && err == nil {
				synctest.Test(t, func(t *testing.T) {
					e := made()
					err = s.run(t, &e, vary)
				})
			}
		}
	}
	return err
}

func TestHTTPCache(t *testing.T) {
	for _, s := range scenes {
		if err := play(t, s.name, func() Engine {
			e := over(new(wire), faults{}, noBus)
			e.Listening = nil
			return e
		}); err != nil {
			t.Errorf("%s, without a bus: %v", s.name, err)
		}
		if err := play(t, s.name, func() Engine {
			w := new(wire)
			return over(w, faults{}, func() cache.Bus { return wireBus{w} })
		}); err != nil {
			t.Errorf("%s, with a bus: %v", s.name, err)
		}
	}
}

// silent is a bus on which nothing is heard.
type silent struct{ wireBus }

func (silent) Publish(context.Context, []byte) error { return nil }

// lossy is a server that remembers nothing.
type lossy struct{ *wire }

func (lossy) Fill(context.Context, []cache.Item, string) error { return nil }

// TestHTTPCacheFinds: what a store, a bus or a server does wrong is found.
func TestHTTPCacheFinds(t *testing.T) {
	plain := func(w *wire, f faults) Engine {
		e := over(w, f, noBus)
		e.Listening = nil
		return e
	}
	for _, tc := range []struct {
		name, scene string
		made        func() Engine // in each bubble another
	}{
		{"everybody has the lease", "crowd", func() Engine { return plain(new(wire), faults{anyLease: true}) }},
		{"nothing is kept", "crowd", func() Engine {
			w := new(wire)
			e := plain(w, faults{})
			e.Node = func(*testing.T, string) (cache.L2, cache.Bus) { return lossy{w}, nil }
			return e
		}},
		{"nothing is deleted", "purge", func() Engine { return plain(&wire{keepsDeleted: true}, faults{}) }},
		{"the bus is silent", "purge", func() Engine {
			w := new(wire)
			return over(w, faults{}, func() cache.Bus { return silent{wireBus{w}} })
		}},
		{"nobody listens", "purge", func() Engine {
			e := plain(new(wire), faults{})
			e.Listening = func() int { return 0 }
			return e
		}},
		{"it does not go", "gone", func() Engine {
			e := plain(new(wire), faults{})
			e.Stop = func() {}
			return e
		}},
		{"it does not come back", "gone", func() Engine {
			e := plain(new(wire), faults{})
			e.Start = func() {}
			return e
		}},
		{"no store", "crowd", func() Engine {
			return Engine{Node: func(*testing.T, string) (cache.L2, cache.Bus) { return nil, new(silent) }}
		}},
	} {
		err := play(t, tc.scene, tc.made)
		if err == nil {
			t.Errorf("%s: nothing was found", tc.name)
		} else {
			t.Logf("%s: %.200v", tc.name, err)
		}
	}
}
