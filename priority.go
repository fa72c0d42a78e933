package seawall

import "fmt"

// Priority says who is served first when not everybody can be. The zero value
// is Normal.
type Priority int8

// The priorities, lowest first.
const (
	// Background is work nobody waits for: prefetch, sync, reports.
	Background Priority = iota - 2
	// Sheddable is work a user can do without for an hour: recommendations,
	// avatars, counters.
	Sheddable
	// Normal is everything nobody has thought about yet.
	Normal
	// Critical is what the business stands on: logins, payments. Keep it
	// small: what is Critical is shed only when Critical alone exceeds the
	// capacity.
	Critical
)

// NumPriorities is how many priorities there are.
const NumPriorities = 4

// Priorities lists them, the highest first.
func Priorities() [NumPriorities]Priority {
	return [...]Priority{Critical, Normal, Sheddable, Background}
}

var priorityNames = [NumPriorities]string{"background", "sheddable", "normal", "critical"}

// Valid reports whether p is one of the four.
func (p Priority) Valid() bool { return p >= Background && p <= Critical }

// String returns the name used in header fields, metric labels and logs.
func (p Priority) String() string {
	if !p.Valid() {
		return fmt.Sprintf("priority(%d)", int8(p))
	}
	return priorityNames[p-Background]
}

// ParsePriority is the inverse of String. Case does not matter.
func ParsePriority(s string) (Priority, error) {
	for i, name := range priorityNames {
		if equalFold(s, name) {
			return Background + Priority(i), nil
		}
	}
	return Normal, fmt.Errorf("seawall: unknown priority %q (want critical, normal, sheddable or background)", clip(s, 32))
}

// MarshalText returns the priority's name.
func (p Priority) MarshalText() ([]byte, error) {
	if !p.Valid() {
		return nil, fmt.Errorf("seawall: priority must be between %d and %d (got %d)", Background, Critical, int8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText accepts what ParsePriority accepts.
func (p *Priority) UnmarshalText(text []byte) error {
	v, err := ParsePriority(string(text))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// equalFold compares ASCII without regard to case. Unlike strings.EqualFold it
// knows no Unicode folding: a Kelvin sign is no k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// clip cuts what came from outside before it goes into a message.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
