package ratelimit

import (
	"fmt"
	"net/http"
	"slices"
	"time"

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
	// Campaign changes rates at given times, without anybody's hand. At most 1000
	// changes. Default none.
	Campaign []Change
	// Jitter is over how long the processes of a fleet spread a change; at most an
	// hour. Default 2 s; seawall.Off is none.
	Jitter time.Duration
	// DryRun charges, counts and reports, but refuses nobody. Default false.
	DryRun bool
	// Observer is told of every decision. Default none.
	Observer seawall.Observer
	nobody   bool // all are of the zero Class, but for CORS preflights
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
	// NoFields sends none but Retry-After.
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
	switch {
	case c.Jitter == 0:
		c.Jitter = defaultJitter
	case c.Jitter != seawall.Off && c.Jitter < 0 || c.Jitter > maxJitter:
		return c, fmt.Errorf("seawall/ratelimit: Jitter must be at most %v, or seawall.Off (got %v)", maxJitter, c.Jitter)
	}
	if c.Fields > Legacy {
		return c, fmt.Errorf("seawall/ratelimit: Fields must be Near, Always, NoFields or Legacy (got %d)", c.Fields)
	}
	if n := len(c.Policies); n < 1 || n > maxPolicies {
		return c, fmt.Errorf("seawall/ratelimit: Policies must be between 1 and %d (got %d)", maxPolicies, n)
	}
	c.Policies, c.Campaign = slices.Clone(c.Policies), slices.Clone(c.Campaign)
	names := make(map[string]bool)
	for i := range c.Policies {
		p := &c.Policies[i]
		if p.Name == "" {
			p.Name = "default"
			if len(c.Policies) > 1 {
				p.Name = fmt.Sprint("policy-", i+1)
			}
		}
		if err := validName(p.Name); err != nil {
			return c, fmt.Errorf("seawall/ratelimit: Policies[%d]: %w", i, err)
		}
		if names[p.Name] {
			return c, fmt.Errorf("seawall/ratelimit: two policies are called %q", p.Name)
		}
		names[p.Name] = true
	}
	if c.Classify == nil {
		var of seawall.ClassifierConfig
		if c.Observer == nil && !slices.ContainsFunc(c.Policies, func(p Policy) bool { return p.Key.user }) {
			of.UserFunc = func(*http.Request) seawall.ID { return 0 } // nobody asks who it is
			c.nobody = true
		}
		classify, err := seawall.NewClassifier(of)
		if err != nil {
			return c, err
		}
		c.Classify = classify
	}
	return c, nil
}
