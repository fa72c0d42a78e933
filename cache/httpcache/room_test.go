package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestBodyHasRoom: what is said to be stored is there. The longest body of which that is
// said has room in the memory, with fields of the usual length.
func TestBodyHasRoom(t *testing.T) {
	for _, maxBytes := range []int64{2 << 20, 4 << 20, 8 << 20, 16 << 20, 24 << 20, 64 << 20} {
		for name, c := range map[string]struct {
			more int64 // than MaxBody
			kept bool
		}{"longest": {0, true}, "longer": {1, false}} {
			t.Run(fmt.Sprint(maxBytes, " ", name), func(t *testing.T) {
				h := newCache(t, Config{MaxBytes: maxBytes})
				long := strings.Repeat("x", int(h.cfg.MaxBody+c.more))
				o := &origin{f: func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Link", strings.Repeat("</style.css>; rel=preload, ", 40))
					io.WriteString(w, long)
				}}
				front := h.Middleware(o)
				first := ask(front, "GET", "/a").Header.Get("Cache-Status")
				ask(front, "GET", "/a")
				if asked := o.calls.Load(); strings.HasSuffix(first, "; stored") != c.kept || (asked == 1) != c.kept || (h.Stats().Stored == 1) != c.kept {
					t.Errorf("%d bytes: %q, asked %d times, stored %d, want kept: %v", len(long), first, asked, h.Stats().Stored, c.kept)
				}
			})
		}
	}
}
