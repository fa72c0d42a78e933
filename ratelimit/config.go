package ratelimit

import (
	"fmt"

	"github.com/seawall-go/seawall"
)

// Config sets up Limits.
type Config struct {
	// Name tells this instance from others in events and on pages. Default
	// "default".
	Name string
	// Policies are all checked, the ones with a Key first, in their order: who
	// exceeds its own share takes nothing from what all share. At least one, at
	// most 16.
	Policies []Policy
	// Classify tells the class of a request to Middleware. Default: every
	// request Normal, users told apart by client address.
	Classify seawall.Classifier
	// Fields says when responses carry RateLimit fields. Default Near.
	Fields Fields
	// DryRun charges, counts and reports, but refuses nobody. Default false.
	DryRun bool
	// Observer is told of every decision. Default none.
	Observer seawall.Observer
	// Respond writes refusals in Middleware. Default seawall.Respond.
	Respond seawall.Responder
}

// Fields says when the fields RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers-10) are sent.
type Fields uint8

// The modes.
const (
	// Near: with a refusal, and when less than a quarter of a quota is left.
	Near Fields = iota
	// Always: two allocations a request.
	Always
	// Never sends none but Retry-After.
	NoFields
	// Legacy sends X-RateLimit-Limit, -Remaining and -Reset (in seconds) of the
	// policy with the least left, always.
	Legacy
)

const maxPolicies = 16

func (c Config) resolve() (Config, error) {
	if c.Name == "" {
		c.Name = "default"
	}
	if c.Respond == nil {
		c.Respond = seawall.Respond
	}
	if c.Fields > Legacy {
		return c, fmt.Errorf("seawall/ratelimit: Fields must be Near, Always, NoFields or Legacy (got %d)", c.Fields)
	}
	if n := len(c.Policies); n < 1 || n > maxPolicies {
		return c, fmt.Errorf("seawall/ratelimit: Policies must be between 1 and %d (got %d)", maxPolicies, n)
	}
	if c.Classify == nil {
		classify, err := seawall.NewClassifier(seawall.ClassifierConfig{})
		if err != nil {
			return c, err
		}
		c.Classify = classify
	}
	return c, nil
}
