package seawall_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// problem has the members of RFC 9457 and the one extension of ours.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Reason string `json:"reason"`
}

type graphqlAnswer struct {
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code   string `json:"code"`
			Status int    `json:"status"`
		} `json:"extensions"`
	} `json:"errors"`
}

// decode wants body to be exactly one JSON value with the members of v.
func decode(t *testing.T, body []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Errorf("body %q: %v", body, err)
	}
	if dec.More() || !bytes.HasSuffix(body, []byte("}\n")) {
		t.Errorf("body %q is not one line with one value", body)
	}
}

func respond(r *http.Request, rej *seawall.Rejection) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	seawall.Respond(w, r, rej)
	return w
}

// checkFields wants what every refusal has.
func checkFields(t *testing.T, h http.Header, reason, retryAfter string) {
	t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", seawall.ReasonHeader: reason, "Retry-After": retryAfter} {
		got, present := h[name]
		if present != (want != "") || present && (len(got) != 1 || got[0] != want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	checkLegal(t, h)
}

// checkLegal wants names and values that no field, line or log can be broken
// out of.
func checkLegal(t *testing.T, h http.Header) {
	t.Helper()
	for name, values := range h {
		if name != http.CanonicalHeaderKey(name) {
			t.Errorf("field %q is not in canonical form", name)
		}
		for _, v := range values {
			for i := range len(v) {
				if v[i] < ' ' || v[i] > '~' {
					t.Errorf("field %s: %q holds byte %#x", name, v, v[i])
				}
			}
			if v == "" || strings.TrimSpace(v) != v {
				t.Errorf("field %s: %q", name, v)
			}
		}
	}
}

func TestRespondProblem(t *testing.T) {
	for reason, status := range reasons {
		for name, c := range map[string]struct{ set, want int }{
			"own":          {0, status},
			"service's":    {503, 503},
			"client's":     {429, 429},
			"another":      {502, 502},
			"without name": {529, 529},
			"nonsense":     {200, status},
		} {
			t.Run(string(reason)+"/"+name, func(t *testing.T) {
				w := respond(httptest.NewRequest("GET", "/", nil),
					&seawall.Rejection{Component: "shed", Reason: reason, Status: c.set, RetryAfter: 2500 * time.Millisecond})
				if w.Code != c.want {
					t.Errorf("status %d, want %d", w.Code, c.want)
				}
				checkFields(t, w.Header(), string(reason), "3")
				if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("Content-Type %q", got)
				}
				if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
					t.Errorf("Content-Length %s for %d bytes", got, w.Body.Len())
				}
				var p problem
				decode(t, w.Body.Bytes(), &p)
				if p.Type != "about:blank" || p.Status != c.want || p.Reason != string(reason) || p.Title == "" || p.Detail == "" {
					t.Errorf("%+v", p)
				}
				// RFC 9457, 4.2.1: with about:blank the title is the status's.
				if text := http.StatusText(c.want); text != "" && p.Title != text {
					t.Errorf("title %q, want %q", p.Title, text)
				}
			})
		}
	}
}

func TestRespondRetryAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", -time.Second: "", 1: "1", time.Second: "1", time.Second + 1: "2",
		120 * time.Second: "120", 121 * time.Second: "121", math.MaxInt64: "86400",
	} {
		w := respond(httptest.NewRequest("GET", "/", nil), &seawall.Rejection{Reason: seawall.Overloaded, RetryAfter: d})
		checkFields(t, w.Header(), "overloaded", want)
	}
}

func TestRespondForms(t *testing.T) {
	const isProblem, isGraphQL, isGRPC = "application/problem+json", "application/graphql-response+json", "application/grpc"
	for name, c := range map[string]struct {
		major  int
		fields []string
		want   string
	}{
		"plain":                      {1, nil, isProblem},
		"browser":                    {1, []string{"Accept: text/html,*/*"}, isProblem},
		"grpc":                       {2, []string{"Content-Type: application/grpc"}, isGRPC},
		"grpc+proto":                 {2, []string{"Content-Type: application/grpc+proto"}, isGRPC},
		"grpc;":                      {2, []string{"Content-Type: application/grpc;x=y"}, isGRPC},
		"grpc before graphql":        {2, []string{"Content-Type: application/grpc", "Accept: application/graphql-response+json"}, isGRPC},
		"grpc on HTTP/1":             {1, []string{"Content-Type: application/grpc"}, isProblem},
		"grpc-web":                   {2, []string{"Content-Type: application/grpc-web+proto"}, isProblem},
		"twice":                      {2, []string{"Content-Type: application/grpc", "Content-Type: application/grpc"}, isProblem},
		"graphql":                    {1, []string{"Accept: application/graphql-response+json"}, isGraphQL},
		"graphql among others":       {2, []string{"Accept: application/graphql-response+json; charset=utf-8, application/json; q=0.9"}, isGraphQL},
		"graphql on a second line":   {1, []string{"Accept: application/json", "Accept: application/graphql-response+json"}, isGraphQL},
		"legacy graphql as JSON":     {1, []string{"Accept: application/json", "Content-Type: application/json"}, isProblem},
		"graphql as the sent format": {1, []string{"Content-Type: application/graphql-response+json"}, isProblem},
	} {
		t.Run(name, func(t *testing.T) {
			r := from(somebody, c.fields...)
			r.ProtoMajor = c.major
			w := respond(r, &seawall.Rejection{Reason: seawall.RateLimited, RetryAfter: time.Second})
			if got := w.Header().Get("Content-Type"); got != c.want {
				t.Fatalf("Content-Type %q, want %q", got, c.want)
			}
			checkFields(t, w.Header(), "rate_limited", "1")
			switch c.want {
			case isGraphQL:
				var g graphqlAnswer
				decode(t, w.Body.Bytes(), &g)
				if len(g.Errors) != 1 || g.Errors[0].Message == "" || g.Errors[0].Extensions.Code != "RATE_LIMITED" || g.Errors[0].Extensions.Status != 429 {
					t.Errorf("%s", w.Body)
				}
				if w.Code != 429 || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
					t.Errorf("status %d, length %s of %d", w.Code, w.Header().Get("Content-Length"), w.Body.Len())
				}
			case isGRPC:
				if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Grpc-Status") != "8" || w.Header().Get("Grpc-Message") != "rate_limited" {
					t.Errorf("status %d, %v, body %q", w.Code, w.Header(), w.Body)
				}
			}
		})
	}
}

func TestRespondGRPCStatus(t *testing.T) {
	for reason, want := range map[seawall.Reason]string{
		seawall.RateLimited: "8", seawall.TenantFull: "8", seawall.Overloaded: "14", seawall.CircuitOpen: "14", seawall.QueueFull: "14",
		seawall.Draining: "14", seawall.DeadlineExceeded: "4", seawall.Expired: "4", seawall.Duplicate: "6", "new": "14",
	} {
		r := from(somebody, "Content-Type: application/grpc")
		r.ProtoMajor = 2
		if got := respond(r, &seawall.Rejection{Reason: reason}).Header().Get("Grpc-Status"); got != want {
			t.Errorf("%s: grpc-status %s, want %s", reason, got, want)
		}
	}
}

// A Reason is a string of anybody's choice: no header, JSON or log line may be
// broken out of with it.
func TestRespondHostileReason(t *testing.T) {
	for in, want := range map[seawall.Reason]string{
		"":                           "rejected",
		"custom_reason-1.2":          "custom_reason-1.2",
		"a\r\nSet-Cookie: b=c":       "a__Set-Cookie__b_c",
		`a","status":200,"x":"`:      "a___status__200__x___",
		"a\x00\x1f\x7f\\u0000":       "a____u0000",
		"<script>":                   "_script_",
		"Größe":                      "Gr__e",
		"\xff\xfe":                   "__",
		"a\u2028b":                   "a_b",
		" ":                          "_",
		seawall.Reason(x(64)):        x(64),
		seawall.Reason(x(65)):        x(64) + "...",
		seawall.Reason(x(1 << 20)):   x(64) + "...",
		seawall.Reason(x(63) + "é"):  x(63) + "_...", // cut in the middle of a letter
		seawall.Reason("OVERLOADED"): "OVERLOADED",
	} {
		for _, kind := range []string{"application/json", "application/graphql-response+json", "grpc"} {
			r := from(somebody, "Accept: "+kind)
			if kind == "grpc" {
				r = from(somebody, "Content-Type: application/grpc")
				r.ProtoMajor = 2
			}
			w := respond(r, &seawall.Rejection{Reason: in})
			checkFields(t, w.Header(), want, "")
			switch kind {
			case "application/json":
				var p problem
				decode(t, w.Body.Bytes(), &p)
				if p.Status != 503 || p.Reason != want {
					t.Errorf("%q: %+v", in, p)
				}
			case "application/graphql-response+json":
				var g graphqlAnswer
				decode(t, w.Body.Bytes(), &g)
				if g.Errors[0].Extensions.Code != strings.ToUpper(want) {
					t.Errorf("%q: %+v", in, g)
				}
			}
		}
	}
}

func x(n int) string { return strings.Repeat("x", n) }

// The cause and the instance are for logs, not for clients.
func TestRespondTellsNothingInternal(t *testing.T) {
	w := respond(httptest.NewRequest("GET", "/", nil), &seawall.Rejection{
		Component: "shed", Name: "billing-db-7", Reason: seawall.Overloaded, Cause: fmt.Errorf("dial 10.1.2.3: refused"),
	})
	all := fmt.Sprint(w.Header(), w.Body)
	for _, secret := range []string{"billing-db-7", "10.1.2.3", "dial"} {
		if strings.Contains(all, secret) {
			t.Errorf("the answer tells %q:\n%s", secret, all)
		}
	}
}

// The rendered answers are shared by all requests: what others do with the
// header afterwards must not reach the next one.
func TestRespondSharesNothingThatAppendChanges(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header()["Retry-After"] = []string{"999"}
	w.Header().Set("Vary", "Origin")
	rej := &seawall.Rejection{Reason: seawall.Overloaded, RetryAfter: time.Second}
	seawall.Respond(w, httptest.NewRequest("GET", "/", nil), rej)
	if got := w.Header()["Retry-After"]; len(got) != 1 || got[0] != "1" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("header %v", w.Header())
	}
	for name := range w.Header() {
		w.Header().Add(name, "mine")
		w.Header()[name] = append(w.Header()[name], "too")
		w.Header().Set(name, "all mine")
	}
	next := respond(httptest.NewRequest("GET", "/", nil), rej)
	checkFields(t, next.Header(), "overloaded", "1")
	if got := next.Header().Values("Content-Type"); len(got) != 1 || got[0] != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestRespondIsAResponder(t *testing.T) {
	var responder seawall.Responder = seawall.Respond
	w := httptest.NewRecorder()
	responder(w, httptest.NewRequest("HEAD", "/", nil), &seawall.Rejection{Reason: seawall.Draining})
	if w.Code != 503 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: status %d, body %q, length %q", w.Code, w.Body, w.Header().Get("Content-Length"))
	}
}
