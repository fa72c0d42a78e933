package spike

import (
	"context"
	"errors"
	"sync"
)

// Balance is how a balancer picks an instance.
type Balance uint8

// The ways.
const (
	// RoundRobin takes one after the other, however they fare.
	RoundRobin Balance = iota + 1
	// LeastInFlight takes the one with the fewest requests under way, as far as
	// the balancer knows: a client that has given up is none, even if the instance
	// works on. Of equals it takes one after the other.
	LeastInFlight
)

// maxTargets is how many instances may stand behind a balancer.
const maxTargets = 1000

// Balanced returns a target that spreads requests over several instances, 1 to
// 1,000, as a load balancer before a service does. It looks at nothing but the
// requests under way: an instance that refuses quickly draws more of them under
// LeastInFlight, which is what happens behind real balancers.
func Balanced(how Balance, targets ...Target) (Target, error) {
	if how != RoundRobin && how != LeastInFlight {
		return nil, badf("Balance", "RoundRobin or LeastInFlight", uint8(how))
	}
	if len(targets) < 1 || len(targets) > maxTargets {
		return nil, badf("len(targets)", "between 1 and %d", len(targets), maxTargets)
	}
	for _, t := range targets {
		if t == nil {
			return nil, errors.New("seawall/spike: target must not be nil")
		}
	}
	b := &balancer{how: how, inFlight: make([]int, len(targets))}
	targets = append([]Target(nil), targets...) // the caller's may change
	return func(ctx context.Context, r *Request) Outcome {
		i := b.pick()
		defer b.done(i)
		return targets[i](ctx, r)
	}, nil
}

type balancer struct {
	how Balance

	mu       sync.Mutex
	next     int
	inFlight []int
}

func (b *balancer) pick() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.inFlight)
	best := b.next
	if b.how == LeastInFlight {
		for k := 1; k < n; k++ {
			if i := (b.next + k) % n; b.inFlight[i] < b.inFlight[best] {
				best = i
			}
		}
	}
	b.next = (best + 1) % n
	b.inFlight[best]++
	return best
}

func (b *balancer) done(i int) {
	b.mu.Lock()
	b.inFlight[i]--
	b.mu.Unlock()
}
