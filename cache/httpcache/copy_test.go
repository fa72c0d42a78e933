package httpcache

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// torn is a source that fails after what it has.
type torn struct{ has io.Reader }

func (t torn) Read(b []byte) (int, error) {
	if n, err := t.has.Read(b); err == nil {
		return n, nil
	}
	return 0, errors.New("the disk has gone")
}

// TestCopyFails: a handler whose source fails before the first byte may still say so,
// and that is what clients get.
func TestCopyFails(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/says" {
			w.Header().Set("Cache-Control", "max-age=60")
		}
		if n, err := io.Copy(w, torn{strings.NewReader("")}); n != 0 || err == nil {
			t.Errorf("copied %d, %v", n, err)
		}
		http.Error(w, "bad", http.StatusBadGateway)
	})
	for name, front := range map[string]http.Handler{
		"cache":  newCache(t, Config{}).Middleware(handler),
		"policy": Policy{Shared: time.Minute}.Middleware()(handler),
		"both":   newCache(t, Config{}).Middleware(Policy{Shared: time.Minute}.Middleware()(handler)),
	} {
		for _, url := range []string{"/says", "/", "/says"} {
			got := ask(front, "GET", url)
			if b := body(got); got.StatusCode != http.StatusBadGateway || b != "bad\n" || url == "/" && got.Header["Cache-Control"] != nil {
				t.Errorf("%s: %s: %d %q %v", name, url, got.StatusCode, b, got.Header)
			}
		}
	}
}

// TestCopies: what is copied comes whole, of whatever length, also where some went
// before it.
func TestCopies(t *testing.T) {
	for _, n := range []int{0, 1, sniffed - 1, sniffed, sniffed + 1, 200_000} {
		for _, control := range []string{"no-store", "max-age=60"} {
			for _, before := range []string{"", "a"} {
				want := before + strings.Repeat("x", n)
				o := &origin{f: func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", control)
					io.WriteString(w, before)
					if copied, err := io.Copy(w, io.MultiReader(strings.NewReader(want[len(before):]))); copied != int64(n) || err != nil {
						t.Errorf("copied %d of %d, %v", copied, n, err)
					}
				}}
				front := newCache(t, Config{}).Middleware(Policy{}.Middleware()(o))
				for range 2 {
					if got := ask(front, "GET", "/a"); got.StatusCode != http.StatusOK || body(got) != want {
						t.Errorf("%d bytes, %s: not what was copied", n, control)
					}
				}
				if calls := o.calls.Load(); (calls == 1) != (control == "max-age=60") {
					t.Errorf("%d bytes, %s: asked %d times", n, control, calls)
				}
			}
		}
	}
}
