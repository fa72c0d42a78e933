package httpcache

import (
	"net/http"
	"testing"
)

// TestLandedMeanwhile: who found nothing, and comes to ask the handler when somebody
// else's answer is there, is shown that.
func TestLandedMeanwhile(t *testing.T) {
	for name, control := range map[string]string{"kept": "max-age=60", "varies": "max-age=60", "private": "private"} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			fields := []string{"Cache-Control", control}
			if name == "varies" {
				fields = append(fields, "Vary", "Accept-Encoding")
			}
			answer := page(fields...)
			h := newCache(t, Config{})
			next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				answer(w, r)
			})
			late := newClient(h.Middleware(next))
			x := &exchange{r: late.r, next: next, primary: h.keyOf(late.r), said: saidAny}
			h.find(x)
			newClient(h.Middleware(next)).ask()
			h.fetch(&late.w, x, miss)
			want := 1
			if name == "private" {
				want = 2 // each has their own
			}
			if calls != want || late.w.bytes != 2048 || len(late.w.header[cacheStatusField]) != 1 {
				t.Errorf("%d calls, %d bytes, %s", calls, late.w.bytes, late.way())
			}
		})
	}
}

// TestNoted: what was not to be kept is noted for those who come while others wait,
// unless everything has been purged meanwhile.
func TestNoted(t *testing.T) {
	for _, c := range []struct {
		name   string
		page   http.HandlerFunc
		during func(*Cache)
		noted  bool
		kind   kind
	}{
		{"private", page("Cache-Control", "private"), nil, true, passes},
		{"304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, nil, true, wants},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, nil, false, 0},
		{"purged", page("Cache-Control", "private"), func(h *Cache) { h.Purge(t.Context(), "http://shop.example/feed/popular?page=1") }, false, 0},
		{"cleared", page("Cache-Control", "private"), func(h *Cache) { h.Clear(t.Context()) }, false, 0},
	} {
		h := newCache(t, Config{})
		front := newClient(h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.during != nil {
				c.during(h)
			}
			c.page(w, r)
		})))
		front.ask()
		p := h.peek(h.keyOf(front.r))
		if (p != nil) != c.noted || p != nil && p.kind != c.kind {
			t.Errorf("%s: noted: %t", c.name, p != nil)
		}
	}
}
