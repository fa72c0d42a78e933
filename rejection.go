package seawall

import (
	"net/http"
	"time"
)

// Reason says why a request was rejected. Reasons are constants and errors at
// once: errors.Is(err, seawall.Overloaded) asks for one of them, and
// errors.Is(err, seawall.ErrRejected) for any.
type Reason string

// The reasons, as they appear in metrics, logs and the Seawall-Reason field.
const (
	RateLimited      Reason = "rate_limited"
	Overloaded       Reason = "overloaded"
	CircuitOpen      Reason = "circuit_open"
	QueueFull        Reason = "queue_full"
	TenantFull       Reason = "tenant_full"
	Expired          Reason = "expired"
	Duplicate        Reason = "duplicate"
	DeadlineExceeded Reason = "deadline_exceeded"
	Draining         Reason = "draining"
	// Canceled is a client that left before its turn.
	Canceled Reason = "canceled"
)

// ErrRejected matches every Rejection, whatever its reason.
const ErrRejected Reason = "rejected"

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// Status is the HTTP status a reason is answered with unless the Rejection
// says otherwise: 429 when the client exceeded its own share, 504 when its
// deadline has passed, 409 for a duplicate, and 503 when the service is short.
func (r Reason) Status() int {
	switch r {
	case RateLimited, TenantFull:
		return http.StatusTooManyRequests
	case DeadlineExceeded, Expired:
		return http.StatusGatewayTimeout
	case Duplicate:
		return http.StatusConflict
	default:
		return http.StatusServiceUnavailable
	}
}

// Rejection is the one error with which every package of seawall says no.
// Nothing of the request has been carried out when it is returned, so it is
// safe to repeat it, later.
//
// A Rejection may be shared between requests: treat it as read-only.
type Rejection struct {
	// Component is the package that said no, Name the instance.
	Component, Name string
	Reason          Reason
	// RetryAfter is how long to stay away, already spread at random so that
	// not everybody comes back at once. Zero is unknown.
	RetryAfter time.Duration
	// Status replaces Reason.Status, as when a rate limit is the service's
	// own and not the client's. Default 0, the reason's.
	Status int
	// Problem is the body of the answer. Default: one that tells Reason and
	// Status.
	Problem *Problem
	// Cause is the error behind it, such as a context's. Never shown to
	// clients.
	Cause error
}

// Error names component, instance and reason.
func (e *Rejection) Error() string {
	s := "seawall/" + e.Component
	if e.Name != "" {
		s += " " + e.Name
	}
	s += ": rejected: " + string(e.Reason)
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is matches ErrRejected and the Rejection's own Reason.
func (e *Rejection) Is(target error) bool {
	r, ok := target.(Reason)
	return ok && (r == ErrRejected || r == e.Reason)
}

// Unwrap returns the Cause.
func (e *Rejection) Unwrap() error { return e.Cause }

// StatusCode returns the HTTP status the rejection is answered with.
func (e *Rejection) StatusCode() int {
	if e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	return e.Reason.Status()
}

// RetryAfterSeconds is RetryAfter in whole seconds, rounded up: coming back
// early is worse than late. It is at most 86400, and zero if unknown.
func (e *Rejection) RetryAfterSeconds() int {
	if e.RetryAfter <= 0 {
		return 0
	}
	const most = 24 * time.Hour
	return int((min(e.RetryAfter, most) + time.Second - 1) / time.Second)
}
