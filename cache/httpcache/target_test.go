package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// TestKeyedByDefault: what handlers believe of where they are and what they are asked
// is not shown to others.
func TestKeyedByDefault(t *testing.T) {
	for _, name := range []string{
		"X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Path", "X-Forwarded-Uri",
		"X-Original-Host", "X-Original-Uri", "X-Http-Method", "X-Method-Override",
	} {
		front := newCache(t, Config{MaxBytes: 2 << 20}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, r.Header.Get(name))
		}))
		ask(front, "GET", "/a", name, "evil")
		if got := ask(front, "GET", "/a"); body(got) != "" {
			t.Errorf("others see what a client has sent as %s: %v", name, got.Header)
		}
	}
}

// TestAbsoluteTarget: a target in the absolute form is answered by what is stored if
// it has nothing that is not in the key, and else fills nothing.
func TestAbsoluteTarget(t *testing.T) {
	for target, kept := range map[string]bool{
		"/news":                                   true,
		"http://example.com/news":                 true,
		"http://EXAMPLE.com:80/news":              true,
		"ftp://example.com/news":                  false,
		"https://example.com/news":                false,
		"http://evil.example/news":                false,
		"http://evil.example%2F@example.com/news": false,
		"http://@example.com/news":                false,
		"//evil.example/news":                     false,
		"http:news":                               false,
	} {
		h := newCache(t, Config{MaxBytes: 2 << 20})
		front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			fmt.Fprintf(w, "%s", r.URL)
		}))
		r := httptest.NewRequest(http.MethodGet, "/news", nil)
		var err error
		if r.URL, err = url.Parse(target); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if status := w.Header().Get("Cache-Status"); w.Code != http.StatusOK || (status != "") != kept || (h.Stats().Bypassed == 0) != kept {
			t.Errorf("%s: %q, want kept: %v", target, status, kept)
		}
	}
}
