package seawall_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

var reasons = map[seawall.Reason]int{
	seawall.RateLimited:      429,
	seawall.TenantFull:       429,
	seawall.Overloaded:       503,
	seawall.CircuitOpen:      503,
	seawall.QueueFull:        503,
	seawall.Draining:         503,
	seawall.Expired:          504,
	seawall.DeadlineExceeded: 504,
	seawall.Duplicate:        409,
}

func TestReasonStatus(t *testing.T) {
	for reason, status := range reasons {
		if got := reason.Status(); got != status {
			t.Errorf("%s: status %d, want %d", reason, got, status)
		}
		if reason.Error() != string(reason) {
			t.Errorf("%s: error text %q", reason, reason.Error())
		}
	}
	for _, reason := range []seawall.Reason{"", "something new", seawall.ErrRejected} {
		if got := reason.Status(); got != http.StatusServiceUnavailable {
			t.Errorf("%q: status %d, want 503", reason, got)
		}
	}
}

func TestRejectionIs(t *testing.T) {
	rej := &seawall.Rejection{Component: "shed", Name: "api", Reason: seawall.Overloaded, Cause: context.Canceled}
	for name, err := range map[string]error{
		"plain":   rej,
		"wrapped": fmt.Errorf("calling: %w", rej),
		"twice":   fmt.Errorf("a: %w", fmt.Errorf("b: %w", rej)),
		"joined":  errors.Join(io.EOF, rej),
		"caused": &seawall.Rejection{Component: "stack", Reason: seawall.QueueFull, Cause: rej,
			RetryAfter: time.Second},
	} {
		if !errors.Is(err, seawall.ErrRejected) {
			t.Errorf("%s: not ErrRejected", name)
		}
		if !errors.Is(err, seawall.Overloaded) {
			t.Errorf("%s: not Overloaded", name)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the cause is lost", name)
		}
		for other := range reasons {
			if other != seawall.Overloaded && errors.Is(err, other) && name != "caused" {
				t.Errorf("%s: claims to be %s", name, other)
			}
		}
		var got *seawall.Rejection
		if !errors.As(err, &got) {
			t.Errorf("%s: errors.As finds no Rejection", name)
		} else if name != "caused" && got != rej {
			t.Errorf("%s: errors.As finds another one", name)
		}
	}
	for _, err := range []error{io.EOF, context.Canceled, errors.New("overloaded"), nil} {
		if errors.Is(err, seawall.ErrRejected) || errors.Is(err, seawall.Overloaded) {
			t.Errorf("%v is a rejection", err)
		}
	}
	if errors.Is(&seawall.Rejection{Reason: seawall.Overloaded}, seawall.Reason("overload")) {
		t.Error("matches part of a name")
	}
	if errors.Unwrap(&seawall.Rejection{}) != nil {
		t.Error("a cause out of nothing")
	}
}

func TestRejectionErrorText(t *testing.T) {
	for _, c := range []struct {
		rej  seawall.Rejection
		want string
	}{
		{seawall.Rejection{Component: "shed", Reason: seawall.Overloaded}, "seawall/shed: rejected: overloaded"},
		{seawall.Rejection{Component: "shed", Name: "api", Reason: seawall.Overloaded}, "seawall/shed api: rejected: overloaded"},
		{seawall.Rejection{Component: "queue", Name: "mail", Reason: seawall.Expired, Cause: context.DeadlineExceeded}, "seawall/queue mail: rejected: expired: context deadline exceeded"},
	} {
		if got := c.rej.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestRejectionStatusCode(t *testing.T) {
	for _, c := range []struct{ set, want int }{
		{0, 429}, {503, 503}, {400, 400}, {599, 599}, {529, 529},
		{399, 429}, {600, 429}, {200, 429}, {100, 429}, {-1, 429}, {math.MaxInt, 429}, {math.MinInt, 429},
	} {
		rej := &seawall.Rejection{Reason: seawall.RateLimited, Status: c.set}
		if got := rej.StatusCode(); got != c.want {
			t.Errorf("status %d: answered with %d, want %d", c.set, got, c.want)
		}
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	nan := math.NaN() // what a duration made of it is, is up to the machine
	for _, c := range []struct {
		d    time.Duration
		want int
	}{
		{0, 0},
		{-1, 0},
		{-time.Hour, 0},
		{math.MinInt64, 0},
		{1, 1},
		{time.Millisecond, 1},
		{time.Second - 1, 1},
		{time.Second, 1},
		{time.Second + 1, 2},
		{1500 * time.Millisecond, 2},
		{119*time.Second + 1, 120},
		{120 * time.Second, 120},
		{121 * time.Second, 121},
		{24*time.Hour - 1, 86400},
		{24 * time.Hour, 86400},
		{24*time.Hour + 1, 86400},
		{math.MaxInt64, 86400},
	} {
		if got := (&seawall.Rejection{RetryAfter: c.d}).RetryAfterSeconds(); got != c.want {
			t.Errorf("%v: %d s, want %d", c.d, got, c.want)
		}
	}
	for _, f := range []float64{nan, math.Inf(1), math.Inf(-1), 1e300} {
		if got := (&seawall.Rejection{RetryAfter: time.Duration(f)}).RetryAfterSeconds(); got < 0 || got > 86400 {
			t.Errorf("duration of %v: %d s", f, got)
		}
	}
}
