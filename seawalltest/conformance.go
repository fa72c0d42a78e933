package seawalltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-go/seawall"
)

// Conformance says that a middleware lets a request that it admits pass as if it
// was not there. It runs 62 checks over real loopback sockets, with HTTP/1.1,
// HTTP/1.0 and unencrypted HTTP/2:
//
//	func TestConformance(t *testing.T) {
//		limiter := seawall.Must(...)
//		seawalltest.Conformance{InFlight: limiter.InFlight}.Run(t, limiter.Middleware)
//	}
//
// The middleware must be set up to admit everything: some 10,000 requests within
// seconds, 32 of them at a time, all from 127.0.0.1. The zero Conformance is
// ready to use; it skips the six checks of capacity. The goroutines of other
// tests do not disturb it. It cannot run in a testing/synctest bubble, where
// sockets hang.
type Conformance struct {
	// InFlight returns how many requests hold a seat of the middleware. It must
	// be 0 after all have ended, however they ended. Without it the five checks
	// slots-after-* are skipped. Default nil.
	InFlight func() int
	// Limited makes a fresh middleware that serves exactly n requests at a time;
	// others it may refuse, or let wait. Without it the check limit-exact is
	// skipped. Default nil.
	Limited func(n int) seawall.Middleware
	// New makes a fresh middleware like the one to check. With it, the check
	// no-bg-goroutines also sees what is started when a middleware is made, and
	// not only what it starts when it is put around a handler. Default nil.
	New func() seawall.Middleware
	// Except names checks that the middleware fails by design, such as
	// "headers-exact" of one that adds header fields. Run runs them and logs
	// their results. A name that is not among [Checks] fails the test. Default
	// none.
	Except []string

	patience time.Duration // of one check; 0 means defaultPatience
	events   int           // of one check slots-after-*; 0 means defaultEvents
}

// Result is what one check of a [Conformance] found.
type Result struct {
	// Name is one of [Checks].
	Name string
	// Err says what the middleware breaks; nil if nothing, or if skipped.
	Err error
	// Skipped says why the check was not run; "" if it was.
	Skipped string
	// Took is how long the check ran.
	Took time.Duration
}

// String returns the name and the finding.
func (r Result) String() string {
	switch {
	case r.Skipped != "":
		return r.Name + ": skipped: " + r.Skipped
	case r.Err != nil:
		return r.Name + ": " + r.Err.Error()
	}
	return r.Name + ": ok"
}

// checkInfo is one line of the table of checks.
type checkInfo struct {
	name string
	run  func(*check)
	need need
}

// need is the hook without which a check is skipped.
type need int

const (
	needNothing need = iota
	needInFlight
	needLimited
)

// allChecks returns the checks in the order in which they run.
func allChecks() []checkInfo {
	return slices.Concat(interfaceChecks, answerChecks, requestChecks, panicChecks, capacityChecks, connectionChecks)
}

// Checks returns the names of all checks in the order in which they run.
func Checks() []string {
	var names []string
	for _, info := range allChecks() {
		names = append(names, info.name)
	}
	return names
}

// Run runs every check of mw as a subtest of its own name.
func (c Conformance) Run(t *testing.T, mw seawall.Middleware) {
	t.Helper()
	if err := c.validate(mw); err != nil {
		t.Fatal(err)
	}
	for _, info := range allChecks() {
		t.Run(info.name, func(t *testing.T) {
			switch r := c.check(info, mw); {
			case r.Skipped != "":
				t.Skip(r.Skipped)
			case slices.Contains(c.Except, info.name) && r.Err != nil:
				t.Logf("excepted: %v", r.Err)
			case slices.Contains(c.Except, info.name):
				t.Log("excepted, but passes")
			case r.Err != nil:
				t.Error(r.Err)
			}
		})
	}
}

// Check runs every check of mw and returns what they found, in the order of
// [Checks]. It fails no test, and Except means nothing to it.
func (c Conformance) Check(mw seawall.Middleware) []Result {
	var results []Result
	for _, info := range allChecks() {
		results = append(results, c.check(info, mw))
	}
	return results
}

func (c Conformance) check(info checkInfo, mw seawall.Middleware) Result {
	switch {
	case info.need == needInFlight && c.InFlight == nil:
		return Result{Name: info.name, Skipped: "Conformance.InFlight is nil"}
	case info.need == needLimited && c.Limited == nil:
		return Result{Name: info.name, Skipped: "Conformance.Limited is nil"}
	}
	return runCheck(info, c, mw)
}

func (c Conformance) validate(mw seawall.Middleware) error {
	if mw == nil {
		return errors.New("seawalltest: the middleware is nil")
	}
	var unknown []string
	for _, name := range c.Except {
		if !slices.Contains(Checks(), name) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return fmt.Errorf("seawalltest: Conformance.Except names unknown checks: %s", strings.Join(unknown, ", "))
	}
	return nil
}
