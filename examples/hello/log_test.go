package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// However many are refused: one line, and none when nothing has happened since.
func TestLogRefusals(t *testing.T) {
	var out bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(old)
	synctest.Test(t, func(t *testing.T) {
		shedder := protect(true)
		h := shedder.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }))
		if got := logRefusals(shedder, 0); got != 0 || out.Len() > 0 {
			t.Errorf("at first: %d refused, %q", got, out.String())
		}
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/recommendations", nil))
			})
		}
		wg.Wait()
		refused := logRefusals(shedder, 0)
		line := out.String()
		if refused == 0 || strings.Count(line, "\n") != 1 || !strings.Contains(line, "msg=shedding") || !strings.Contains(line, "dry_run=false") {
			t.Errorf("%d refused, logged %q", refused, line)
		}
		if got := logRefusals(shedder, refused); got != refused || out.String() != line {
			t.Errorf("nothing has happened since, but %d refused, logged %q", got, out.String())
		}
	})
}
