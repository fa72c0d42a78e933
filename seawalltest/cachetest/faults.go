package cachetest

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/seawalltest"
)

// Engine is a server of a test's own, and what can be done to it.
type Engine struct {
	// Addr is where it answers.
	Addr string
	// Node returns what one process has of the server at addr, which may be that of
	// a proxy: a store, and a member of the bus that all processes share, or nil.
	// They end with t.
	Node func(t *testing.T, addr string) (cache.L2, cache.Bus)
	// Stop ends it as kill -9 does, and Start runs it again, empty.
	Stop, Start func()
	// Freeze keeps it from answering anything, as SIGSTOP does, until Thaw.
	Freeze, Thaw func()
	// Once is what else can happen to it, by name: it loses what it knows, or some
	// of its connections.
	Once map[string]func()
	// Listening is how many listen on the bus, which a process begins in its own
	// time. Nil if there is none, or nobody can tell.
	Listening func() int
}

// Faults runs caches of three processes over a server, which is killed, frozen,
// slow, restarted and forgetful while they read and change what is in them, and
// lets ten thousand ask for one key. It checks that no error of the server reaches
// anybody, that nobody waits for one that has been given up, that nothing is shown
// past its limit or after it was changed by the same process, and that each change
// becomes known to all. It takes about ten seconds; with SEAWALL_LONG=1 it
// also judges how long they wait, for which the machine must be quiet.
func Faults(t *testing.T, newEngine func(t *testing.T) Engine) {
	t.Helper()
	t.Run("stampede", func(t *testing.T) { stampedes(t, newEngine(t)) })
	t.Run("close", func(t *testing.T) {
		seawalltest.CheckLeaks(t)
		if err := closeFrozen(t, newEngine(t)); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"dead", "dead clear", "frozen", "frozen clear", "slow", "restarted", "disconnected"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			survives(t, &e, name)
		})
	}
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t)
		for _, name := range slices.Sorted(maps.Keys(e.Once)) {
			t.Run(name, func(t *testing.T) { survives(t, &e, name) })
		}
	})
}

func survives(t *testing.T, e *Engine, name string) {
	p := startProxy(t, e.Addr)
	if err := survive(t, faultOf(e, p, name), long(), func() (cache.L2, cache.Bus) { return e.Node(t, p.addr) }); err != nil {
		t.Error(err)
	}
}

// fault is something that happens to an engine.
type fault struct {
	begin, end func()
	away       bool // between these it answers nothing in time
	clear      bool // somebody makes everything invalid meanwhile
}

func faultOf(e *Engine, p *proxy, name string) fault {
	nothing := func() {}
	switch name {
	case "dead", "dead clear":
		return fault{begin: e.Stop, end: e.Start, away: true, clear: name == "dead clear"}
	case "frozen", "frozen clear":
		return fault{begin: e.Freeze, end: e.Thaw, away: true, clear: name == "frozen clear"}
	case "slow":
		return fault{begin: func() { p.delay.Store(int64(2 * budget)) }, end: func() { p.delay.Store(0) }, away: true}
	case "restarted":
		return fault{begin: func() { e.Stop(); e.Start() }, end: nothing}
	case "disconnected":
		return fault{begin: p.cut, end: nothing}
	}
	return fault{begin: e.Once[name], end: nothing}
}

// survive has a fleet live through a fault. Whatever it must not do is in the
// error. How long it takes is judged strictly where the machine is quiet, or time
// does not pass by itself.
func survive(t *testing.T, f fault, strict bool, connect func() (cache.L2, cache.Bus)) error {
	fl, err := newFleet(t, 3, usual, connect)
	if err != nil {
		return err
	}
	if strict {
		fl.slack = 50 * time.Millisecond
	}
	stop := fl.read()
	defer stop()
	if err := fl.agree(); err != nil {
		return err
	}
	fl.change(0, f.clear)
	f.begin()
	fl.change(1, f.clear)
	if f.away {
		if err := fl.await("all to give it up", func() bool { return fl.down() == len(fl.nodes) }); err != nil {
			return err
		}
		fl.source.failing.Store(true)
		fl.change(2, f.clear)
		fl.probe(t, strict)
		time.Sleep(2 * (shortTTL + shortLast)) // what is stale reaches its limit
		fl.source.failing.Store(false)
	}
	f.end()
	fl.change(3, f.clear)
	if err := errors.Join(fl.settle(), fl.agree()); err != nil {
		return errors.Join(err, fl.findings())
	}
	fl.raiseFloors() // and it stays so
	time.Sleep(2 * budget)
	stop()
	return fl.findings()
}

// closeFrozen closes caches that still have something to tell a server that
// hangs.
func closeFrozen(t *testing.T, e Engine) error {
	fl, err := newFleet(t, 2, usual, func() (cache.L2, cache.Bus) { return e.Node(t, e.Addr) })
	if err != nil {
		return err
	}
	if err := fl.agree(); err != nil {
		return err
	}
	e.Freeze()
	defer e.Thaw()
	fl.nodes[0].Delete(t.Context(), "deleted/0") // this one knows that it hangs
	for _, n := range fl.nodes {
		err = errors.Join(err, n.shut(t))
	}
	return err
}
