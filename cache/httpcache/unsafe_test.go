package httpcache

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

//house:sleep in bubbles of synctest

// TestUnsafeWhateverElse: what changes something makes the page invalid, also where it
// comes from who bypasses the cache, offers an upgrade (curl --http2), or comes while an
// operator has all pass.
func TestUnsafeWhateverElse(t *testing.T) {
	for name, fields := range map[string][]string{
		"nothing":      nil,
		"bypassing":    {"Cookie", "session=ann"},
		"curl --http2": {"Upgrade", "h2c", "Connection", "Upgrade, HTTP2-Settings"},
		"operator":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newCache(t, Config{Bypass: func(r *http.Request) bool { return r.Header["Cookie"] != nil }})
				version := 0
				front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						version++
						w.Header().Set("Seawall-Cache-Control", "max-age=60")
						w.WriteHeader(http.StatusNoContent)
						return
					}
					w.Header().Set("Cache-Control", "max-age=60")
					fmt.Fprint(w, version)
				}))
				ask(front, "GET", "/a")
				time.Sleep(time.Second)
				h.passAll.Store(name == "operator")
				if got := ask(front, "POST", "/a", fields...); got.StatusCode != http.StatusNoContent || got.Header["Seawall-Cache-Control"] != nil {
					t.Errorf("%s: %d %v", name, got.StatusCode, got.Header)
				}
				h.passAll.Store(false)
				if b := body(ask(front, "GET", "/a")); b != "1" {
					t.Errorf("%s: %s after the change", name, b)
				}
			})
		})
	}
}

// takeable is a connection that a handler may take over.
type takeable struct {
	http.ResponseWriter
	taken int
}

func (c *takeable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.taken++
	return nil, nil, nil
}

// TestUnsafeHijacked: a handler can take the connection of such a request, and as nobody
// sees what comes of it the page is invalid then.
func TestUnsafeHijacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newCache(t, Config{})
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				if _, _, err := w.(http.Hijacker).Hijack(); err != nil {
					t.Error(err)
				}
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
		}}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		time.Sleep(time.Second)
		w := &takeable{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest("POST", "/a", nil)
		r.Header.Set("Upgrade", "mine")
		front.ServeHTTP(w, r)
		if w.taken != 1 {
			t.Errorf("taken %d times", w.taken)
		}
		if ask(front, "GET", "/a"); o.calls.Load() != 3 {
			t.Errorf("asked %d times", o.calls.Load())
		}
	})
}

// TestUnsafeAsItCame: the handler gets the request that came, with the parameters that
// are not in the key.
func TestUnsafeAsItCame(t *testing.T) {
	h := newCache(t, Config{IgnoreQuery: []string{"utm_*"}})
	var seen *http.Request
	front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = r }))
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MADE-UP"} {
		r := httptest.NewRequest(method, "/a?utm_source=ann&x=1", nil)
		front.ServeHTTP(httptest.NewRecorder(), r)
		if seen != r || r.URL.RawQuery != "utm_source=ann&x=1" {
			t.Errorf("%s: the handler sees %v", method, seen.URL)
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		if ask(front, method, "/a?utm_source=ann&x=1"); seen.URL.RawQuery != "x=1" {
			t.Errorf("%s: the handler sees %v", method, seen.URL)
		}
	}
}

// TestCopiedBack: where it gets another request, what net/http and who stands in front
// look at afterwards is in theirs.
func TestCopiedBack(t *testing.T) {
	form := &multipart.Form{}
	front := newCache(t, Config{}).Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Pattern, r.MultipartForm = "/a", form }))
	r := httptest.NewRequest("GET", "/a", nil)
	front.ServeHTTP(httptest.NewRecorder(), r)
	if r.Pattern != "/a" || r.MultipartForm != form {
		t.Errorf("%q %v", r.Pattern, r.MultipartForm)
	}
}

// TestUploads: nothing of an upload stays on disk.
func TestUploads(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var written atomic.Int64
	s := httptest.NewServer(newCache(t, Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		files, _ := os.ReadDir(dir)
		written.Store(int64(len(files)))
		w.WriteHeader(http.StatusNoContent)
	})))
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, _ := m.CreateFormFile("f", "f")
	f.Write(make([]byte, 11<<20))
	m.Close()
	r, err := http.Post(s.URL, m.FormDataContentType(), &b)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	s.Close() // waits until the server has done with it
	if files, _ := os.ReadDir(dir); written.Load() != 1 || len(files) != 0 {
		t.Errorf("%d files were written, %d stay", written.Load(), len(files))
	}
}

// TestUploadTooLong: the connection of an upload that is longer than its handler reads
// is closed, whatever status says so.
func TestUploadTooLong(t *testing.T) {
	for _, c := range []struct {
		status, limit int
		closes        bool
	}{
		{400, 10, true}, {413, 10, true}, {200, 10, true}, {400, 1 << 20, false}, {200, 1 << 20, false},
	} {
		s := httptest.NewServer(newCache(t, Config{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, int64(c.limit))
			if _, err := io.ReadAll(r.Body); (err != nil) != c.closes {
				t.Error(err)
			}
			w.WriteHeader(c.status)
		})))
		r, err := http.Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", 100<<10)))
		if err != nil {
			t.Fatal(err)
		}
		if r.Close != c.closes || r.StatusCode != c.status {
			t.Errorf("%d of at most %d bytes: status %d, closes %v", c.status, c.limit, r.StatusCode, r.Close)
		}
		r.Body.Close()
		s.Close()
	}
}
