package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
)

// TestOnesError: an error that one client's request has caused is not shown to
// others, though a middleware says of all answers that they may be kept.
func TestOnesError(t *testing.T) {
	for _, status := range []int{400, 402, 403, 406, 409, 411, 413, 415, 422, 423, 424, 431} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				front := newCache(t, Config{MaxBytes: 2 << 20}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "public, max-age=60")
					if r.Header.Get("X-Bad") != "" {
						http.Error(w, "bad", status)
						return
					}
					io.WriteString(w, "hello")
				}))
				if got := ask(front, "GET", "/a", "X-Bad", "1"); got.StatusCode != status {
					t.Errorf("who has caused it sees %d", got.StatusCode)
				}
				if got := ask(front, "GET", "/a"); got.StatusCode != http.StatusOK {
					t.Errorf("others see %d: %v", got.StatusCode, got.Header)
				}
			})
		})
	}
}
