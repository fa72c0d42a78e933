package ratelimit

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestPanicGivesBack: when a function of a later policy panics, what earlier ones
// have charged is given back.
func TestPanicGivesBack(t *testing.T) {
	l := seawall.Must(New(Config{Policies: []Policy{
		{Name: "a", Rate: Per(10, time.Hour).WithBurst(10), Key: ByRoute(), Bytes: minBytes},
		{Name: "b", Rate: Per(10, time.Hour), Cost: func(*http.Request) int64 { panic("x") }}}}))
	r := httptest.NewRequest("GET", "/", nil)
	for range 10 {
		func() {
			defer func() { _ = recover() }()
			_ = l.Take(r, seawall.Class{Route: "/"})
		}()
	}
	k := l.rules.Load().all[0].keyed
	if d := k.take(k.hash([]byte("/")), []byte("/"), clock(), 0, 0); d.Remaining() < 10 {
		t.Errorf("%d of 10 left; nothing was admitted", d.Remaining())
	}
}

// TestLeaseStaysVoid: for weeks, though its time wraps around.
func TestLeaseStaysVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := sharedWith(store, perSecond(1000, 1000), 1, nil)
		for range 300 {
			s.Take(ctxBG, "a", 1, seawall.Normal)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if h := s.Stats().Held; h != 0 {
			t.Fatal("held", h)
		}
		time.Sleep(8 * 24 * time.Hour)
		if h := s.Stats().Held; h != 0 {
			t.Errorf("%d tokens held after 8 idle days: a burst of 1000 and these may be used at once", h)
		}
		_ = s.Close(ctxBG)
		time.Sleep(time.Second)
	})
}

// TestIdleAlone: the table for the day the store is lost is swept on the others,
// too.
func TestIdleAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(time.Millisecond)
		s := sharedWith(store, perSecond(1000, 100), 1, nil)
		s.Take(ctxBG, "a", 1, seawall.Normal)
		for range 60 * 4 {
			time.Sleep(15 * time.Minute)
			s.Take(ctxBG, "b", 1, seawall.Normal)
		}
		store.down.Store(true)
		s.Take(ctxBG, "b", 50, seawall.Normal)
		if d := s.Take(ctxBG, "a", 1, seawall.Normal); !d.OK {
			t.Errorf("60 h after its only request a is refused for %v (%v)", d.RetryAfter(), d.Source)
		}
		_ = s.Close(ctxBG)
		time.Sleep(time.Second)
	})
}

// TestWideShared: WideSlots is for the table of that day.
func TestWideShared(t *testing.T) {
	l := seawall.Must(New(Config{Policies: []Policy{{Rate: Per(1, time.Hour), Key: ByHeader("X"), WideSlots: true, Bytes: minBytes,
		Sharing: &Sharing{Store: newModelStore(0), Nodes: 1}}}}))
	if l.rules.Load().all[0].shared.alone.keys.wide == nil {
		t.Error("WideSlots is ignored with Sharing")
	}
}

// TestSlowStore: a round trip longer than a lease lives is no harm, if the budget
// has room for it.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newModelStore(250 * time.Millisecond)
		s := sharedWith(store, perSecond(100, 100), 2, func(c *SharedConfig) { c.Sharing.Budget = time.Second })
		fell := 0
		for range 20 {
			if d := s.Take(ctxBG, "a", 1, seawall.Normal); d.Source == Fallback {
				fell++
			}
		}
		t.Logf("%d of 20 fell back, %d calls, up %v", fell, store.calls.Load(), s.guard.Up())
		if fell > 0 {
			t.Errorf("%d of 20 decisions without a store that always answers within its budget", fell)
		}
		time.Sleep(20 * time.Second)
	})
}
