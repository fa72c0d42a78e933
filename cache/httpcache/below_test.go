package httpcache

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// unwraps is the writer of a middleware in front that only says what is below it.
type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// TestBelow: who flushes, or takes the connection, by an http.ResponseController does so
// through this package's writers, also where the writer below them only unwraps.
func TestBelow(t *testing.T) {
	flushes := func(w http.ResponseWriter) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.WriteHeader(http.StatusNotFound)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "raw")
	}
	hijacks := func(w http.ResponseWriter) {
		w.Header().Set("Cache-Control", "max-age=60")
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
		c.Close()
	}
	for name, answers := range map[string]func(http.ResponseWriter){"flushes": flushes, "hijacks": hijacks} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answers(w) })
		h := newCache(t, Config{})
		for which, front := range map[string]http.Handler{"cache": h.Middleware(handler), "policy": Policy{}.Middleware()(handler)} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { front.ServeHTTP(unwraps{w}, r) }))
			for i := range 2 {
				r, err := s.Client().Get(s.URL + "/a")
				if err != nil {
					t.Fatal(err)
				}
				if b := body(r); r.StatusCode != http.StatusNotFound || b != "raw" {
					t.Errorf("%s, %s, %d: %d %q %v", name, which, i, r.StatusCode, b, r.Header)
				}
			}
			s.Close()
		}
		if stored := h.Stats().Stored; (stored == 1) != (name == "flushes") {
			t.Errorf("%s: %d stored", name, stored)
		}
	}
}
