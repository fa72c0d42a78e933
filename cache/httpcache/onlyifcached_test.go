package httpcache

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A client that wants nothing but what is stored is not told that the service is at
// its capacity.
func TestOnlyIfCachedIsTold(t *testing.T) {
	for name, want := range map[string][]string{"": {"seawall; detail=only-if-cached"}, "off": nil} {
		h := newCache(t, Config{CacheStatus: name})
		o := &origin{f: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }}
		got := ask(h.Middleware(o), "GET", "/a", "Cache-Control", "only-if-cached")
		if text := body(got); got.StatusCode != 504 || !strings.Contains(text, "only-if-cached") || strings.Contains(text, "capacity") {
			t.Errorf("%d %s", got.StatusCode, text)
		}
		if how := got.Header["Cache-Status"]; len(how) != len(want) || len(how) > 0 && how[0] != want[0] {
			t.Errorf("Cache-Status %q", how)
		}
		if n := o.calls.Load(); n != 0 {
			t.Errorf("asked %d times", n)
		}
	}
}
