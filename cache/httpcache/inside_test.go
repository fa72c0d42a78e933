package httpcache

import (
	"net/http"
	"testing"
	"testing/synctest"
)

// TestKeptInside: what a handler says to this cache alone does not reach clients,
// whatever becomes of the answer.
func TestKeptInside(t *testing.T) {
	for name, c := range map[string]struct {
		cfg      Config
		method   string
		control  string
		tags     string // that clients see
		outsides string
	}{
		"kept":            {Config{}, "GET", "max-age=60", "", ""},
		"not kept":        {Config{}, "GET", "no-store", "", ""},
		"unsafe":          {Config{}, "POST", "no-store", "", ""},
		"for a CDN":       {Config{KeepTags: true}, "GET", "max-age=60", "a b", ""},
		"for it, passing": {Config{KeepTags: true}, "GET", "no-store", "a b", ""},
		"who is outside":  {Config{TagFields: []string{"Cache-Tag"}}, "GET", "max-age=60", "a b", "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, c.cfg)
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "no-store") // for all others
					w.Header().Set("Seawall-Cache-Control", c.control)
					w.Header().Set("Surrogate-Key", "a b")
					if c.outsides == "" {
						w.Header().Set("Cache-Tag", "c")
					}
				}))
				outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.outsides != "" {
						w.Header().Set("Cache-Tag", c.outsides)
					}
					front.ServeHTTP(w, r)
				})
				wantTag := c.outsides
				if c.cfg.KeepTags {
					wantTag = "c"
				}
				for i := range 2 {
					got := ask(outside, c.method, "/a")
					if got.Header.Get("Surrogate-Key") != c.tags || got.Header.Get("Cache-Tag") != wantTag ||
						got.Header["Seawall-Cache-Control"] != nil || got.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("answer %d: %v", i+1, got.Header)
					}
				}
			})
		})
	}
}
