package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestVariantsBounded: of one URL no more variants are kept than MaxVariants, and those
// that are asked for stay, whatever else comes.
func TestVariantsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, hot = 8, 4
		h := newCache(t, Config{MaxVariants: most})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Vary", "Accept-Language")
			io.WriteString(w, r.Header.Get("Accept-Language"))
		}}
		front := h.Middleware(o)
		get := func(language string) bool {
			before := o.calls.Load()
			if got := body(ask(front, "GET", "/a", "Accept-Language", language)); got != language {
				t.Errorf("got %q for %q", got, language)
			}
			return o.calls.Load() == before
		}
		missed := 0
		for i := range 1000 {
			if get(fmt.Sprint("x-", i)) {
				t.Errorf("x-%d was there", i)
			}
			if !get(fmt.Sprint("de-", i%hot)) {
				missed++
			}
		}
		if missed > 2*hot {
			t.Errorf("what is asked for was missed %d times", missed)
		}
		s := h.Stats()
		if s.Store.Entries != most+1 || s.VariantsOut < 900 {
			t.Errorf("%d entries, %d variants went", s.Store.Entries, s.VariantsOut)
		}
		// All at once, and all of them again: one has to go all the same.
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				get(fmt.Sprint("y-", i%20))
				time.Sleep(time.Duration(i) * time.Microsecond)
			})
		}
		all.Wait()
		if n := h.Stats().Store.Entries; n > most+1 {
			t.Errorf("%d entries", n)
		}
	})
}

// TestTurns: one that is asked for between any two that come stays for ever, and where
// all are, the oldest goes.
func TestTurns(t *testing.T) {
	var v variants
	a, b, c := hashOf([]byte("a")), hashOf([]byte("b")), hashOf([]byte("c"))
	if sumIn(variantMark+a.String()) != a {
		t.Error("a hash is not what its form says")
	}
	for _, sum := range []hashSum{a, b, c, b} {
		v.add(sum)
	}
	if old, full := v.oldest(3); old != a || !full {
		t.Errorf("%v is to go of %v", old, v.hashes)
	}
	v.add(a)
	if old, _ := v.oldest(3); old != c {
		t.Errorf("%v is to go of %v", old, v.hashes)
	}
	v.remove(c)
	v.remove(c)
	if old, full := v.oldest(3); full {
		t.Errorf("%v is to go of %v", old, v.hashes)
	}
}
