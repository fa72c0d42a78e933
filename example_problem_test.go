package seawall_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seawall-go/seawall"
)

// A refusal that says more than its reason, rendered once.
func ExampleNewProblem() {
	problem := seawall.Must(seawall.NewProblem(struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
		Plan   string `json:"plan"`
	}{"https://example.com/problems/plan-exhausted", http.StatusTooManyRequests, "free"}))

	w := httptest.NewRecorder()
	seawall.Respond(w, httptest.NewRequest(http.MethodGet, "/", nil), &seawall.Rejection{
		Component: "plans", Reason: seawall.RateLimited, RetryAfter: time.Hour, Problem: problem,
	})
	fmt.Println(w.Code, w.Header().Get("Retry-After"))
	fmt.Print(w.Body)
	// Output:
	// 429 3600
	// {"type":"https://example.com/problems/plan-exhausted","status":429,"plan":"free"}
}
