package spike

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// once calls a target as a run does.
func once(target Target, patience time.Duration, r Request) (Outcome, time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	return target(ctx, &r), time.Since(start)
}

func TestBackendTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		taken, released := 0, 0
		guard := func(ctx context.Context, r *Request) (func(), error) {
			switch r.User {
			case 1:
				return nil, errors.New("no")
			case 2:
				<-ctx.Done()
				return nil, ctx.Err()
			}
			taken++
			return func() { released++ }, nil
		}
		for _, tt := range []struct {
			user     uint64
			patience time.Duration
			want     Outcome
			took     time.Duration
		}{
			{0, sec, Success, 100 * ms}, {1, sec, Rejected, 0}, {2, 50 * ms, TimedOut, 50 * ms}, {0, 50 * ms, TimedOut, 50 * ms},
		} {
			if got, took := once(b.Target(guard), tt.patience, Request{User: tt.user}); got != tt.want || took != tt.took {
				t.Errorf("user %d: %v after %v, want %v after %v", tt.user, got, took, tt.want, tt.took)
			}
		}
		synctest.Wait()
		// The client has gone, its work has not.
		if taken != 2 || released != 1 {
			t.Errorf("taken %d, released %d while work goes on", taken, released)
		}
		_ = b.Drain(t.Context())
		synctest.Wait()
		if released != 2 {
			t.Errorf("released %d in the end", released)
		}
		inject(t, b, FaultErrors, 1)
		if got, _ := once(b.Target(nil), sec, Request{}); got != Failed {
			t.Errorf("an injected error is %v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := b.Target(nil)(ctx, &Request{}); got != Failed {
			t.Errorf("a run that was stopped is %v", got)
		}
	})
}

func TestHandlerTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch UserFromCookie(r) {
			case 0: // no status: 200
			case 1:
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusNoContent)
				w.WriteHeader(http.StatusTeapot) // the first counts
			case 2:
				io.WriteString(w, "200")
				w.WriteHeader(http.StatusTooManyRequests)
			case 3:
				http.Error(w, "busy", http.StatusTooManyRequests)
			case 4:
				http.Error(w, "busy", http.StatusServiceUnavailable)
			case 5:
				http.Redirect(w, r, "/", http.StatusFound)
			case 6:
				panic(http.ErrAbortHandler)
			case 7:
				runtime.Goexit()
			case 8:
				defer close(finished)
				<-r.Context().Done()
				time.Sleep(sec)
			case 9:
				w.(http.Flusher).Flush()
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		want := []Outcome{Success, Success, Success, Rejected, Rejected, Failed, Failed, Failed, TimedOut, Success}
		for user, want := range want {
			if got, _ := once(HandlerTarget(h, nil), sec, Request{User: uint64(user)}); got != want {
				t.Errorf("user %d: %v, want %v", user, got, want)
			}
		}
		<-finished // the handler outlives its client
	})
}

// TestHandlerRequest: a handler sees what a server would show it.
func TestHandlerRequest(t *testing.T) {
	var got *http.Request
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })
	prepare := func(hr *http.Request, r *Request) { hr.Header.Set("X-Step", string('0'+rune(r.Step))) }
	once(HandlerTarget(h, prepare), sec, Request{User: 0x1020304, Priority: seawall.Critical, Step: 3})
	if got.Method != "GET" || got.URL.Path != "/critical" || got.RequestURI != "/critical" || got.Proto != "HTTP/1.1" || got.Body == nil {
		t.Errorf("got %+v", got)
	}
	if got.RemoteAddr != "10.2.3.4:40000" || got.Header.Get("X-Step") != "3" || PriorityFromPath(got) != seawall.Critical || UserFromCookie(got) != 0x1020304 {
		t.Errorf("got %+v", got)
	}
}

func TestPriorityAndUserOfStrangers(t *testing.T) {
	for path, want := range map[string]seawall.Priority{
		"/critical": seawall.Critical, "/a/b/sheddable": seawall.Sheddable, "/background": seawall.Background,
		"/": seawall.Normal, "/critical/": seawall.Normal, "/admin": seawall.Normal,
	} {
		if got := PriorityFromPath(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for cookie, want := range map[string]uint64{
		"session=u7": 7, "a=b; session=u18446744073709551615": 1<<64 - 1,
		"": 0, "session=7": 0, "session=u": 0, "session=u-1": 0, "session=u99999999999999999999": 0, "other=u7": 0,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookie)
		if got := UserFromCookie(r); got != want {
			t.Errorf("%q is %d, want %d", cookie, got, want)
		}
	}
}

func TestBackendHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench(t, 1, 100*ms)
		serve := func(ctx context.Context) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
			return w
		}
		if w := serve(t.Context()); w.Code != 200 || w.Body.String() != "ok\n" || w.Header().Get("Content-Length") != "3" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if w := serve(gone); w.Code != http.StatusServiceUnavailable {
			t.Errorf("whose client has gone: %d", w.Code)
		}
		inject(t, b, FaultErrors, 1)
		if w := serve(t.Context()); w.Code != http.StatusInternalServerError {
			t.Errorf("injected: %d", w.Code)
		}
	})
}
