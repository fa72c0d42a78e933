package shed_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/shed"
)

// unwraps is a middleware's writer of which http.ResponseController alone finds out
// what is below.
type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

type flushStub struct{ stubWriter }

func (*flushStub) Flush() {}

// TestStreamBelow: a stream that begins by way of http.ResponseController is seen to
// begin, however far below it is that can do it.
func TestStreamBelow(t *testing.T) {
	for name, begin := range map[string]func(*http.ResponseController) error{
		"flush":  (*http.ResponseController).Flush,
		"hijack": func(c *http.ResponseController) error { _, _, err := c.Hijack(); return err },
	} {
		s := seawall.Must(shed.New(shed.Config{}))
		var inside int64 = -1
		front := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if err := begin(http.NewResponseController(w)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			inside = int64(s.Stats().InFlight)
		}))
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept", "text/event-stream")
		front.ServeHTTP(unwraps{&flushStub{stubWriter{header: make(http.Header)}}}, r)
		if inside != 0 {
			t.Errorf("%s: %d inside while it goes on", name, inside)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
