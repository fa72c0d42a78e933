package seawall_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/seawall-go/seawall"
)

// named appends its name on the way in and on the way out.
func named(log *[]string, name string) seawall.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*log = append(*log, name+" in")
			next.ServeHTTP(w, r)
			*log = append(*log, name+" out")
		})
	}
}

func TestChainOrder(t *testing.T) {
	var log []string
	h := seawall.Chain(named(&log, "a"), nil, named(&log, "b"), nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		log = append(log, "handler")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	want := []string{"a in", "b in", "handler", "b out", "a out"}
	if !slices.Equal(log, want) {
		t.Errorf("order %q, want %q", log, want)
	}
}

func TestChainOfNothingIsTheHandlerItself(t *testing.T) {
	h := http.NotFoundHandler()
	mux := http.NewServeMux()
	for name, chain := range map[string]seawall.Middleware{"empty": seawall.Chain(), "nil parts": seawall.Chain(nil, nil)} {
		if got := chain(mux); got != http.Handler(mux) {
			t.Errorf("%s: handler was wrapped in %T", name, got)
		}
		if chain(h) == nil {
			t.Errorf("%s: no handler", name)
		}
	}
}

// A chain is built once and wraps many handlers; the caller may go on to change
// the slice it came from.
func TestChainIsReusable(t *testing.T) {
	var log []string
	parts := []seawall.Middleware{named(&log, "a"), named(&log, "b")}
	chain := seawall.Chain(parts...)
	parts[0], parts[1] = nil, nil
	for range 2 {
		log = nil
		chain(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if want := []string{"a in", "b in", "b out", "a out"}; !slices.Equal(log, want) {
			t.Errorf("order %q, want %q", log, want)
		}
	}
	// Chains are middlewares: they nest.
	log = nil
	nested := seawall.Chain(chain, named(&log, "c"))
	nested(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if want := []string{"a in", "b in", "c in", "c out", "b out", "a out"}; !slices.Equal(log, want) {
		t.Errorf("nested order %q, want %q", log, want)
	}
}

func TestMust(t *testing.T) {
	if got := seawall.Must(42, nil); got != 42 {
		t.Errorf("Must(42, nil) = %d", got)
	}
	cause := errors.New("no")
	defer func() {
		if v := recover(); v != any(cause) {
			t.Errorf("panic value %v, want the error itself", v)
		}
	}()
	seawall.Must(0, cause)
	t.Error("no panic")
}
