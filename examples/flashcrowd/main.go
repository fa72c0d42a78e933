package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seawall-go/seawall/spike"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // a run failed, or a target was missed
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	spike.ChildMain() // the crowd: this program, started once more
	spike.ServeMain(processorSites)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(realMain(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "flashcrowd: %v (-help shows all flags)\n", err)
		return exitUsage
	case o.list:
		printList(stdout, o)
		return exitOK
	}
	code, err := o.demonstrate(ctx, stdout)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "flashcrowd: interrupted; nothing was written")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "flashcrowd: %v\n", err)
		return exitFailed
	}
	return code
}

// demonstrate runs everything and writes everything.
func (o *options) demonstrate(ctx context.Context, out io.Writer) (code int, err error) {
	started := time.Now()
	live := newDisplay(out, o.quiet)
	defer live.close()
	if !o.quiet {
		fmt.Fprintf(out, "%s. The load: %s.\n\n", o.plan(), describeMix(o.mix))
	}
	blocks, err := o.play(ctx, live)
	if err != nil {
		return exitFailed, err
	}
	fmt.Fprint(out, report(blocks, o))
	doc := newDocument(o, blocks, started)
	if o.check {
		doc.Targets = o.judge(blocks)
		fmt.Fprintln(out)
		if writeFindings(out, doc.Targets) > 0 {
			code = exitFailed
		}
	}
	return code, o.write(out, doc)
}

// runs is how many crowds will be sent with so many seeds, repetitions not
// counted, and about how long that takes: after each run the last clients wait
// for their answers.
func (o *options) runs(seeds int) (n int, takes time.Duration) {
	for i := range o.trials {
		t := &o.trials[i]
		who := len(o.contendersFor(t)) * seeds
		n += who
		takes += time.Duration(who) * (t.first.Load.Duration + 700*time.Millisecond)
	}
	return n, takes
}

// plan says what is to come.
func (o *options) plan() string {
	n, takes := o.runs(o.seeds)
	if least, atLeast := o.runs(o.seeds/2 + 1); o.all && least < n {
		return fmt.Sprintf("%d to %d crowds to run, %v to %v", least, n, round(atLeast), round(takes))
	}
	return fmt.Sprintf("%s to run, about %v", plural(n, "crowd"), round(takes))
}
