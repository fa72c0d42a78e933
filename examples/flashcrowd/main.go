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
		fmt.Fprintf(out, "%s to run, about %v. The load: %s.\n\n", plural(o.runs(), "crowd"), round(o.estimate()), describeMix(o.mix))
	}
	blocks, err := o.play(ctx, live)
	if err != nil {
		return exitFailed, err
	}
	fmt.Fprint(out, report(blocks, o))
	doc := newDocument(o, blocks, started)
	if o.check {
		doc.Targets = judge(blocks, o.short)
		fmt.Fprintln(out)
		if writeFindings(out, doc.Targets) > 0 {
			code = exitFailed
		}
	}
	return code, o.write(out, doc)
}

// runs is how many crowds will be sent, repetitions not counted.
func (o *options) runs() int {
	n := 0
	for _, sc := range o.scenarios {
		n += len(o.contendersFor(sc.Name)) * o.seeds
	}
	return n
}

// estimate is about how long all of it takes: after each run the last clients
// wait for their answers.
func (o *options) estimate() time.Duration {
	return time.Duration(o.runs()) * (o.duration + 700*time.Millisecond)
}
