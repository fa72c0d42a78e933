package peers

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	gregjones "github.com/gregjones/httpcache"
)

// TestCrowds: of a thousand who ask at once all get the page, and it is seen how
// often the handler was called.
func TestCrowds(t *testing.T) {
	for _, l := range HTTPCache().Libraries {
		t.Run(l.Name, func(t *testing.T) {
			s := scene(t, l, HTTPCoalesce)
			if _, ok := s.Calls(); ok {
				t.Error("calls before there was a crowd")
			}
			if err := s.Run(2*crowdSize+10, 1); err != nil {
				t.Error(err)
			}
			calls, ok := s.Calls()
			if l.Name == "seawall" && calls != 1 || calls < 1 || calls > crowdSize || !ok {
				t.Errorf("%v calls for a crowd, %t", calls, ok)
			}
			if l.Name == "none" && calls != crowdSize {
				t.Errorf("%v calls without a cache", calls)
			}
		})
	}
}

// TestCrowdSees: seawall would not be measured if it called the handler twice.
func TestCrowdSees(t *testing.T) {
	s := paged(HTTPCoalesce, page, nil)
	s.admits, s.count = true, s.coalesced.served
	if err := s.Run(100, 1); err == nil {
		t.Error("the handler was called for each, and there is no error")
	}
}

// TestPageSees: who is not shown the whole page is not counted.
func TestPageSees(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"short":  func(w http.ResponseWriter, _ *http.Request) { w.Write(aPage[1:]) },
		"failed": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway); page(w, r) },
	} {
		for _, c := range HTTPCache().Cases() {
			if n := paged(c, h, nil).loop(3); n != 0 {
				t.Errorf("%s, %s: %d of 3", c, name, n)
			}
		}
	}
}

// TestHitsOnly: all pages are there before, and nobody else's handler is called for
// what is measured as a hit.
func TestHitsOnly(t *testing.T) {
	c := newCrowd()
	c.here = make(chan struct{})
	close(c.here)
	for _, l := range HTTPCache().Libraries {
		s := scene(t, l, HTTPHit)
		c.calls.Store(0)
		shown := 0
		for i := range many {
			shown += c.visitors[i%crowdSize].visit(s.pages, "page="+strconv.Itoa(i))
		}
		want := uint64(0)
		if l.Name == "none" {
			want = many
		}
		if calls := c.calls.Load(); shown != many || calls != want {
			t.Errorf("%s: %d shown, %d calls, want %d", l.Name, shown, calls, want)
		}
	}
}

// TestEmptied: what has no bound is emptied now and then.
func TestEmptied(t *testing.T) {
	a, b := &boundedAdapter{}, &boundedCache{}
	if err := a.clear(); err != nil {
		t.Fatal(err)
	}
	b.MemoryCache = gregjones.NewMemoryCache()
	for i := range uint64(mostPages + 1) {
		a.Set(i, aPage, time.Now())
		a.Set(i, aPage, time.Now()) // as a hit does
		b.Set(newPage(), aPage)
	}
	if _, there := a.Get(0); there || a.stored != 1 || b.stored != 1 {
		t.Errorf("%t, %d, %d", there, a.stored, b.stored)
	}
	if _, there := a.Get(mostPages); !there {
		t.Error("the last one is gone, too")
	}
}
