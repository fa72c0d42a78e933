package ratelimit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

// TestStatusOfARefusal: 429 to who exceeded its own share, 503 where the service
// is short; a body unless HEAD was asked, the reason, and never to be cached.
func TestStatusOfARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := limits(t, Config{Policies: []Policy{PerIP(1, time.Hour)}}).Middleware(nothing)
		all := limits(t, Config{Policies: []Policy{Total(1, time.Hour)}}).Middleware(nothing)
		for want, h := range map[int]http.Handler{429: own, 503: all} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				r := from("192.0.2.1:1")
				r.Method = method
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if method == http.MethodGet {
					w = httptest.NewRecorder() // the first one was admitted
					h.ServeHTTP(w, r)
				}
				resp := w.Result()
				wantStatus(t, resp, want)
				wantField(t, resp, "Cache-Control", "no-store")
				wantField(t, resp, "Seawall-Reason", "rate_limited")
				wantField(t, resp, "Content-Type", "application/problem+json")
				body, _ := io.ReadAll(resp.Body)
				if (len(body) == 0) != (method == http.MethodHead) {
					t.Errorf("%s: %d bytes", method, len(body))
				}
				if f := fieldsOf(t, resp.Header); len(f.names) != 1 || f.r[f.names[0]] != 0 || f.t[f.names[0]] != 3600 {
					t.Errorf("%s: %+v", method, f)
				}
			}
		}
	})
}

// TestRetryAfterIsSpread: never before t, at most a tenth and a second later, and
// not the same for all.
func TestRetryAfterIsSpread(t *testing.T) {
	for _, every := range []int64{1, 2, 30, 600, 7200} {
		synctest.Test(t, func(t *testing.T) {
			h := limits(t, Config{Policies: []Policy{{Rate: Per(1, time.Duration(every)*time.Second), Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes}}}).Middleware(nothing)
			wantStatus(t, ask(h, "192.0.2.1"), 200)
			time.Sleep(time.Second / 3) // so that there is something to round
			seen := map[int64]bool{}
			for range 300 {
				resp := ask(h, "192.0.2.1")
				wantStatus(t, resp, 429)
				after, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if told := fieldsOf(t, resp.Header).t["default"]; told != every || after < told || after > told+told/10+1 {
					t.Fatalf("one each %d s: Retry-After %d, t=%d", every, after, told)
				}
				seen[after] = true
			}
			if len(seen) < 2 || every == 600 && len(seen) < 30 {
				t.Errorf("one each %d s: all come back at %v", every, seen)
			}
		})
	}
}

// TestSeveralPoliciesInOneField: all that were asked, in one line each, in the
// order in which they were; those after the one that refuses are not.
func TestSeveralPoliciesInOneField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limits(t, Config{Fields: Always, Policies: []Policy{
			Total(10, time.Second),
			PerIP(20, time.Minute),
			{Name: "key", Rate: Per(5, time.Hour), Key: ByHeader("X-Api-Key")},
			{Name: "post", Rate: Per(5, time.Hour), Match: func(r *http.Request) bool { return r.Method == http.MethodPost }},
		}}).Middleware(nothing)
		for _, want := range []struct {
			status int
			names  string
			key    []string
		}{
			{200, "per-ip key total", []string{"X-Api-Key", "a"}},
			{429, "per-ip key", []string{"X-Api-Key", "a"}},
			{503, "per-ip total", nil},
		} {
			resp := ask(h, "192.0.2.1", want.key...)
			wantStatus(t, resp, want.status)
			if got := strings.Join(fieldsOf(t, resp.Header).names, " "); got != want.names {
				t.Errorf("status %d: policies %s, want %s", resp.StatusCode, got, want.names)
			}
			for _, name := range fieldNames {
				if n := len(resp.Header[name]); n != 1 {
					t.Errorf("%d lines of %s", n, name)
				}
			}
		}
	})
}

// TestModes: which fields are sent when.
func TestModes(t *testing.T) {
	const two, three = "Ratelimit Ratelimit-Policy", "X-Ratelimit-Limit X-Ratelimit-Remaining X-Ratelimit-Reset"
	for mode, want := range map[Fields][3]string{
		Near: {"", two, two}, Always: {two, two, two}, NoFields: {}, Legacy: {three, three, three},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := limits(t, Config{Fields: mode, Policies: []Policy{{Rate: Per(40, time.Minute), Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes}}}).Middleware(nothing)
			for i := range 5 { // of a burst of 4: three quarters, none left, refused
				resp := ask(h, "192.0.2.1")
				var got []string
				for name := range strings.FieldsSeq(two + " " + three) {
					if resp.Header[name] != nil {
						got = append(got, name)
					}
				}
				stage := [5]int{0, 0, 0, 1, 2}[i]
				if strings.Join(got, " ") != want[stage] {
					t.Errorf("mode %d, request %d: %v, want %s", mode, i+1, got, want[stage])
				}
				if (resp.Header.Get("Retry-After") != "") != (i == 4) {
					t.Errorf("mode %d, request %d: Retry-After %q", mode, i+1, resp.Header.Get("Retry-After"))
				}
			}
		})
	}
}

func TestLegacyFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limits(t, Config{Fields: Legacy, Policies: []Policy{Total(1000, time.Second), PerIP(20, time.Minute)}}).Middleware(nothing)
		for _, want := range [][3]string{{"20", "1", "3"}, {"20", "0", "6"}, {"20", "0", "6"}} {
			resp := ask(h, "192.0.2.1")
			wantField(t, resp, "X-RateLimit-Limit", want[0])
			wantField(t, resp, "X-RateLimit-Remaining", want[1])
			wantField(t, resp, "X-RateLimit-Reset", want[2])
		}
	})
}

// TestTIsWhenThereIsMore: after t seconds more is left than before.
func TestTIsWhenThereIsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limits(t, Config{Fields: Always, Policies: []Policy{{
			Rate: Per(60, 7*time.Minute), Key: ByClientIP(seawall.ClientIP{}), Bytes: minBytes,
			Cost: func(r *http.Request) int64 { return int64(len(r.Header["X-Cost"])) },
		}}}).Middleware(nothing)
		for range 5 {
			ask(h, "192.0.2.1", "X-Cost", "1")
			time.Sleep(1234 * time.Millisecond)
			before := fieldsOf(t, ask(h, "192.0.2.1").Header)
			time.Sleep(time.Duration(before.t["default"]) * time.Second)
			if after := fieldsOf(t, ask(h, "192.0.2.1").Header); after.r["default"] <= before.r["default"] {
				t.Errorf("r=%d, and t=%d seconds later r=%d", before.r["default"], before.t["default"], after.r["default"])
			}
		}
	})
}

// TestRedirectsAreTold: the draft (section 6) allows the fields with any status
// and only asks for care with 3xx, since a client could wait before it follows a
// Location. What a handler will answer is not known when they are set; whoever
// redirects much says NoFields or takes them out.
func TestRedirectsAreTold(t *testing.T) {
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("RateLimit")
		http.Redirect(w, r, "/b", http.StatusSeeOther)
	})
	h := limits(t, Config{Fields: Always, Policies: []Policy{PerIP(100, time.Minute)}}).Middleware(redirect)
	resp := ask(h, "192.0.2.1")
	wantStatus(t, resp, http.StatusSeeOther)
	wantField(t, resp, "RateLimit", "")
	wantField(t, resp, "RateLimit-Policy", `"per-ip";q=100;w=60`)
}

// TestNamesCannotInject: what would end a String or a line is no name.
func TestNamesCannotInject(t *testing.T) {
	for _, name := range []string{"a\"", "a\\", "a\r\nSet-Cookie: b=c", "a;r=9", "a, \"b\"", "ä", "\x00", " "} {
		if _, err := New(Config{Policies: []Policy{{Name: name, Rate: Per(1, time.Second)}}}); err == nil || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestPriorityIsNotTheClients: no field of a stranger reaches what is kept for
// higher priorities.
func TestPriorityIsNotTheClients(t *testing.T) {
	h := limits(t, Config{Policies: []Policy{{Rate: Per(100, time.Hour), Reserve: Reserve{0.5, 0.5, 0.5, 0}}}}).Middleware(nothing)
	admitted := 0
	for range 20 {
		resp := ask(h, "192.0.2.1", seawall.PriorityHeader, "critical", "Priority", "u=0", "X-Forwarded-For", "127.0.0.1", "Seawall-Floor", "critical")
		if resp.StatusCode == http.StatusOK {
			admitted++
		}
	}
	if admitted != 5 {
		t.Errorf("%d admitted of the 5 that are not kept", admitted)
	}
}

// TestRespondIsAsked: a Responder of one's own gets the Rejection and may answer
// anything.
func TestRespondIsAsked(t *testing.T) {
	h := limits(t, Config{
		Name: "api", Policies: []Policy{PerIP(1, time.Hour)},
		Respond: func(w http.ResponseWriter, _ *http.Request, rej *seawall.Rejection) {
			w.Header().Set("X-Who", rej.Component+" "+rej.Name+" "+string(rej.Reason))
			w.WriteHeader(http.StatusTeapot)
		},
	}).Middleware(nothing)
	wantStatus(t, ask(h, "192.0.2.1"), 200)
	resp := ask(h, "192.0.2.1")
	wantStatus(t, resp, http.StatusTeapot)
	wantField(t, resp, "X-Who", "ratelimit api rate_limited")
}
