package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seawall-go/seawall"
)

const component = "ratelimit"

// Limits are the policies of a service.
type Limits struct {
	rules  atomic.Pointer[rules]
	due    atomic.Int64 // when a campaign or an override has something to say, in units
	offset int64        // of this process's campaign from the fleet's, from 0 to 1 in 2^32

	mu        sync.Mutex // of all below, and of changes
	overrides map[string]override
	closed    bool
	retired   []*Shared // replaced by Update, and not closed yet
}

// rules are Limits at one time.
type rules struct {
	limits *Limits
	cfg    Config
	all    []*policy
}

// New returns Limits. It takes the memory of the policies that have a Key, 9
// MiB each by default, and starts nothing.
func New(cfg Config) (*Limits, error) {
	l := &Limits{overrides: make(map[string]override), offset: randomOffset()}
	if err := l.Update(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Update exchanges the configuration. What clients have used up stays with
// policies of the same name, unless their Bytes or their store changes, or their
// rates are more than about 16 times apart. Overrides stay. After an error all is
// as before.
func (l *Limits) Update(cfg Config) error {
	cfg, err := cfg.resolve()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("seawall/ratelimit: Update after Close")
	}
	now := l.rules.Load()
	next := &rules{limits: l, cfg: cfg}
	for _, c := range cfg.Policies {
		p, err := newPolicy(c, &cfg, now.named(c.Name))
		if err != nil {
			return fmt.Errorf("seawall/ratelimit: policy %q: %w", c.Name, bare{err})
		}
		next.all = append(next.all, p)
	}
	if err := next.checkCampaign(); err != nil {
		return err
	}
	// Nothing can fail from here on.
	slices.SortStableFunc(next.all, func(a, b *policy) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, p := range next.all {
		p.goOn(now.named(p.cfg.Name))
	}
	l.applyTo(next) // or a dry run would refuse until then
	l.rules.Store(next)
	l.retire(now, next)
	return nil
}

// retire keeps the shared limits that are no longer used until Close gives back
// what they have leased. One that is used again by then is none of them.
func (l *Limits) retire(before, after *rules) {
	if before == nil {
		return
	}
	for _, p := range before.all {
		if p.shared != nil && !slices.ContainsFunc(after.all, func(q *policy) bool { return q.shared == p.shared }) {
			l.retired = append(l.retired, p.shared)
		}
	}
	// One is kept: it has megabytes, and its leases are void after 200 ms anyway.
	if n := len(l.retired); n > 1 {
		l.retired = slices.Clone(l.retired[n-1:])
	}
}

// Close gives back the tokens leased from stores, and waits for calls to them,
// until ctx is done. Without shared policies there is nothing to close. Requests
// after it are still limited, by this process alone.
func (l *Limits) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	all := slices.Clone(l.retired)
	for _, p := range l.rules.Load().all {
		if p.shared != nil {
			all = append(all, p.shared)
		}
	}
	l.mu.Unlock()
	var errs []error
	for _, s := range all {
		if err := s.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("seawall/ratelimit: closing policy %q: %w", s.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (rs *rules) named(name string) *policy {
	if rs != nil {
		for _, p := range rs.all {
			if p.cfg.Name == name {
				return p
			}
		}
	}
	return nil
}

// bare is an error of this package without the package's name, which is said
// already.
type bare struct{ error }

func (b bare) Error() string {
	const prefix = "seawall/ratelimit: "
	s := b.error.Error()
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):]
	}
	return s
}

func (b bare) Unwrap() error { return b.error }

// Take charges a request of that class, and answers nothing. The error is a
// *seawall.Rejection.
func (l *Limits) Take(r *http.Request, class seawall.Class) error {
	if class.Exempt {
		return nil
	}
	rs := l.rules.Load()
	c := charges.Get().(*charge)
	c.class = class
	p, rej := rs.decide(r, c)
	c.release()
	if p != nil {
		return rej
	}
	return nil
}

// Middleware lets requests through to next that no policy refuses.
func (l *Limits) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rs := l.rules.Load()
		c := charges.Get().(*charge)
		if !rs.cfg.nobody || r.Method == http.MethodOptions {
			c.class = rs.cfg.Classify(r)
		}
		if c.class.Exempt {
			c.release()
			next.ServeHTTP(w, r)
			return
		}
		p, rej := rs.decide(r, c)
		rs.tell(w, c, p != nil)
		c.release()
		if p != nil {
			rs.cfg.Respond(w, r, rej)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// decide is take, and tells the Observer.
func (rs *rules) decide(r *http.Request, c *charge) (refusing *policy, rej *seawall.Rejection) {
	refusing = rs.take(r, c)
	if refusing != nil {
		rej = refusing.rejection(c.entries[c.n-1].d)
	}
	if rs.cfg.Observer != nil {
		rs.observe(r.Context(), c, refusing, rej)
	}
	return refusing, rej
}

func (rs *rules) observe(ctx context.Context, c *charge, p *policy, rej *seawall.Rejection) {
	e := seawall.Event{
		Component: component, Name: rs.cfg.Name, Outcome: seawall.Admitted,
		Priority: c.class.Priority, DryRun: rs.cfg.DryRun, Route: c.class.Route, User: c.class.User, Wait: toDuration(c.waited, 1),
	}
	switch {
	case p != nil:
		e.Outcome, e.Reason, e.RetryAfter = seawall.Rejected, seawall.RateLimited, rej.RetryAfter
		e.DryRun = false // an operator's override counts for more
	case c.would != nil:
		e.Outcome, e.Reason, e.DryRun = seawall.Rejected, seawall.RateLimited, true
	case c.without:
		e.Outcome, e.Reason = seawall.Degraded, seawall.CircuitOpen
	}
	rs.cfg.Observer.Observe(ctx, e)
}
