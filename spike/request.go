package spike

import (
	"context"
	"fmt"
	"time"

	"github.com/seawall-go/seawall"
)

// Outcome is what became of a request, as its user saw it.
type Outcome uint8

// The outcomes.
const (
	// Success is an answer within the client's patience.
	Success Outcome = iota
	// Rejected is an explicit no (429 or 503).
	Rejected
	// TimedOut is no answer before the client gave up.
	TimedOut
	// Failed is any other failure: a refused connection, a 500.
	Failed
	// Dropped was never sent: the generator had reached one of its own bounds.
	Dropped

	numOutcomes = 5
)

var outcomeNames = [numOutcomes]string{"success", "rejected", "timed_out", "failed", "dropped"}

// String returns the name used in JSON.
func (o Outcome) String() string {
	if int(o) >= len(outcomeNames) {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomeNames[o]
}

// MarshalText returns the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) {
	if int(o) >= len(outcomeNames) {
		return nil, fmt.Errorf("seawall/spike: unknown outcome %d", uint8(o))
	}
	return []byte(outcomeNames[o]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if string(text) == name {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("seawall/spike: unknown outcome %.32q", text)
}

// Request is what a target is asked to do. It is valid until the target
// returns; a target that goes on afterwards keeps a copy.
type Request struct {
	// ID is unique within a run and the same for the same seed. The attempts of
	// a request share it.
	ID uint64
	// User is the number of the user, from 0; abusers come after the others.
	User uint64
	// Abuser says that the user is one of Load.Abusers. It is for those who
	// count, not for a guard: a server does not see it.
	Abuser bool
	// Priority is drawn from the mix, once a journey.
	Priority seawall.Priority
	// Journey numbers the journey, from 1; 0 is a single request.
	Journey uint64
	// Step counts the requests of a journey, from 1; 0 is a single request.
	Step int
	// Route is drawn from Load.Routes, from 0; Routes is how many there are, 0
	// when the load has none (and all is route 0).
	Route, Routes int
	// Attempt is 1 at first and counts up with retries.
	Attempt int
	// Intended is when the request was due, from the start of the run.
	Intended time.Duration
}

// Target serves a request and says what came of it. It is called from many
// goroutines at once and must return soon after ctx is done. The run overrules
// it in one point: what comes back later than the client's patience is
// TimedOut.
type Target func(ctx context.Context, r *Request) Outcome
