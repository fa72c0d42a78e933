package seawall

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// FromPeers returns a function that tells the requests which services of your
// own make: they come straight from one of the prefixes, and carry none of
// Forwarded, X-Forwarded-For and Via, with which they would be passed on for
// somebody else. Without prefixes there are no such requests. The function
// allocates nothing. A prefix that no address can match is an error.
func FromPeers(prefixes ...netip.Prefix) (func(*http.Request) bool, error) {
	for i, p := range prefixes {
		if err := validPrefix(p); err != nil {
			return nil, fmt.Errorf("seawall: FromPeers: prefix %d %w", i, err)
		}
	}
	return fromPeers(prefixes), nil
}

// fromPeers is FromPeers for prefixes that have been validated.
func fromPeers(prefixes []netip.Prefix) func(*http.Request) bool {
	own := slices.Clone(prefixes)
	return func(r *http.Request) bool {
		if len(own) == 0 || r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil || r.Header["Via"] != nil {
			return false
		}
		return containsAddr(own, peerAddr(r))
	}
}
