package seawall

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func TestNewProblem(t *testing.T) {
	p, err := NewProblem(map[string]any{"status": 429, "title": "Zu viele\n\"Anfragen\" <&>"})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(p.String()), &back); err != nil || back["title"] != "Zu viele\n\"Anfragen\" <&>" || back["status"] != 429.0 {
		t.Errorf("%v: %s", err, p)
	}
	for name, of := range map[string]any{
		"null": nil, "string": "x", "number": 1, "array": []int{1}, "function": func() {}, "infinity": map[string]float64{"x": math.Inf(1)}, "nil map": map[string]int(nil),
	} {
		p, err := NewProblem(of)
		if err == nil || !strings.HasPrefix(err.Error(), "seawall: a problem must be ") || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if s := (*Problem)(nil).String(); s != "" {
		t.Errorf("no problem is %q", s)
	}
}

// TestRespondProblem: a Rejection's own problem is the body of plain answers, and
// its status stays the Rejection's; clients of gRPC and GraphQL get what they
// understand.
func TestRespondProblem(t *testing.T) {
	own, err := NewProblem(map[string]any{"type": "https://example.com/mine", "status": 429})
	if err != nil {
		t.Fatal(err)
	}
	with := &Rejection{Component: "ratelimit", Reason: RateLimited, RetryAfter: 3e9, Problem: own}
	without := &Rejection{Component: "ratelimit", Reason: RateLimited, RetryAfter: 3e9}
	answer := func(rej *Rejection, method string, fields ...string) *http.Response {
		r := allocRequest("192.0.2.1:1", fields...)
		r.Method = method
		if len(fields) > 0 && strings.Contains(fields[0], "grpc") {
			r.ProtoMajor = 2
		}
		w := httptest.NewRecorder()
		Respond(w, r, rej)
		return w.Result()
	}
	read := func(resp *http.Response) string {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	for range 2 { // it is sent many times
		get := answer(with, http.MethodGet)
		if body := read(get); body != own.String() || get.StatusCode != 429 || get.Header.Get("Content-Type") != "application/problem+json" ||
			get.Header.Get("Content-Length") != strconv.Itoa(len(body)) || get.Header.Get("Retry-After") != "3" || get.Header.Get(ReasonHeader) != "rate_limited" {
			t.Errorf("GET: %d %v %s", get.StatusCode, get.Header, body)
		}
	}
	head := answer(with, http.MethodHead)
	if body := read(head); body != "" || head.Header.Get("Content-Length") != strconv.Itoa(len(own.String())) || head.StatusCode != 429 {
		t.Errorf("HEAD: %d %v %q", head.StatusCode, head.Header, body)
	}
	busy := answer(&Rejection{Reason: RateLimited, Status: 503, Problem: own}, http.MethodGet)
	if busy.StatusCode != 503 {
		t.Errorf("status %d", busy.StatusCode)
	}
	for _, fields := range [][]string{
		{"Content-Type: application/grpc"}, {"Content-Type: application/grpc+proto"}, {"Accept: application/graphql-response+json"},
	} {
		a, b := answer(with, http.MethodPost, fields...), answer(without, http.MethodPost, fields...)
		body := read(a)
		if a.StatusCode != b.StatusCode || body != read(b) || strings.Contains(body, "example.com/mine") {
			t.Errorf("%s: %d %q", fields, a.StatusCode, body)
		}
		for name := range b.Header {
			if a.Header.Get(name) != b.Header.Get(name) {
				t.Errorf("%s: %s: %s, without a problem %s", fields, name, a.Header.Get(name), b.Header.Get(name))
			}
		}
	}
	if plain := read(answer(without, http.MethodGet)); !strings.Contains(plain, "about:blank") {
		t.Errorf("without a problem: %s", plain)
	}
}

func TestAllocProblem(t *testing.T) {
	skipAllocsUnderRace(t)
	own, err := NewProblem(struct {
		Status int `json:"status"`
	}{429})
	if err != nil {
		t.Fatal(err)
	}
	rej := &Rejection{Reason: RateLimited, RetryAfter: 3e9, Problem: own}
	w, r := &nullWriter{header: make(http.Header)}, allocRequest("192.0.2.1:1")
	checkAllocs(t, "a problem", 0, func() { Respond(w, r, rej) })
}
