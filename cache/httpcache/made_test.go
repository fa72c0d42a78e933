package httpcache

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestMadeETag: what has no validator but the entity tag that this cache has made is
// not kept for longer than it may be shown: the handler cannot be asked about it.
func TestMadeETag(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		kept   bool
	}{
		"made":              {nil, false},
		"of the handler's":  {[]string{"Etag", `W/"a"`}, true},
		"with another hint": {[]string{"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{ETag: true, StaleIfError: seawall.Off, Keep: time.Hour})
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=1")
					add(w.Header(), c.fields)
					io.WriteString(w, "hello")
				}))
				if got := ask(front, "GET", "/a"); got.Header.Get("Etag") == "" {
					t.Errorf("no entity tag: %v", got.Header)
				}
				for _, after := range []struct {
					time.Duration
					kept bool
				}{{500 * time.Millisecond, true}, {50 * time.Minute, c.kept}, {11 * time.Minute, false}} {
					time.Sleep(after.Duration)
					if p := h.peek(Key{Method: "GET", Scheme: "http", Host: "example.com", Path: "/a"}); p != nil != after.kept {
						t.Errorf("%v later it is kept: %v", after.Duration, p != nil)
					}
				}
			})
		})
	}
}
