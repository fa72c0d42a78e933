package ratelimit

import (
	"fmt"
	"net/http"
	"time"

	"github.com/seawall-go/seawall"
)

// Policy is one limit. A request is charged to every policy that applies to it,
// or to none if one of them refuses.
type Policy struct {
	// Name is the policy's in header fields and metrics: letters, digits, "-",
	// "_" and ".", at most 64. Default "default", or by number if there are more.
	Name string
	// Rate is required, or else Quota.
	Rate Rate
	// Quota in place of Rate counts by windows of the calendar.
	Quota Quota
	// RateFor gives a request another rate, such as that of a customer's tier; false
	// leaves it at Rate. Up to 1000 different ones are remembered. Default none.
	RateFor func(*http.Request) (Rate, bool)
	// Key is what requests are counted by. Default: all together, which is a
	// limit of the service: who exceeds it is answered 503, not 429.
	Key Key
	// Match says to which requests the policy applies. Default all.
	Match func(*http.Request) bool
	// Cost is how many tokens a request takes; 0 and less is none. Default 1.
	Cost func(*http.Request) int64
	// Reserve keeps a part of the burst for the higher priorities. Default none.
	Reserve Reserve
	// Bytes is the memory for keys. Default 8 MiB, for a million of them.
	Bytes int
	// Sharing makes the limit one of all the processes of a fleet. What Class.User
	// and Class.Tenant name has to be the same in all of them: that needs
	// seawall.Identity.Secret. Default none: this process alone.
	Sharing *Sharing
	// ShowKeys keeps the keys refused most as they are, for Stats and pages; a
	// client address is personal data in many countries. Default: their hashes.
	ShowKeys bool
	// WideSlots is as in KeyedConfig. Default false.
	WideSlots bool
	// DryRun charges and counts, but refuses nobody. Default false.
	DryRun bool
}

// PerIP is so many requests of a client address, an IPv6 /64 being one.
func PerIP(n int64, d time.Duration) Policy {
	return Policy{Name: "per-ip", Rate: Per(n, d), Key: ByClientIP(seawall.ClientIP{})}
}

// PerUser is so many requests of a user.
func PerUser(n int64, d time.Duration) Policy {
	return Policy{Name: "per-user", Rate: Per(n, d), Key: ByUser()}
}

// PerTenant is so many requests of a tenant.
func PerTenant(n int64, d time.Duration) Policy {
	return Policy{Name: "per-tenant", Rate: Per(n, d), Key: ByTenant()}
}

// PerRoute is so many requests of each route.
func PerRoute(n int64, d time.Duration) Policy {
	return Policy{Name: "per-route", Rate: Per(n, d), Key: ByRoute()}
}

// Total is so many requests of all clients together.
func Total(n int64, d time.Duration) Policy {
	return Policy{Name: "total", Rate: Per(n, d)}
}

const maxName = 64

func validName(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("Name must be at most %d bytes (got %d)", maxName, len(s))
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("Name may hold letters, digits, \"-\", \"_\" and \".\" (got %q)", s)
		}
	}
	return nil
}
