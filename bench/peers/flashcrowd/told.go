package main

import (
	"net"
	"net/http"

	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/spike"
)

// newRate is a rate limit set at the true capacity: golang.org/x/time/rate,
// whose documentation says Allow "if you intend to drop or skip events that
// exceed the rate limit". The burst is a full house. Nobody tells it when the
// backend changes: it is a number in a configuration.
func newRate(sc spike.Scenario) (*guard, error) {
	limiter := rate.NewLimiter(rate.Limit(sc.Backend.Capacity()), sc.Backend.Slots)
	return &guard{middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !limiter.Allow() {
				http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

// newConns is a limit on connections set at the true number of slots:
// golang.org/x/net/netutil.LimitListener. Without keep-alive, in its favour:
// otherwise visitors who have their answer would hold the seats. Who is not
// accepted waits in the kernel and is never told no.
func newConns(sc spike.Scenario) (*guard, error) {
	return &guard{
		middleware: seawall.Chain(),
		listener:   func(l net.Listener) net.Listener { return netutil.LimitListener(l, sc.Backend.Slots) },
		oneRequest: true,
	}, nil
}
