// Flashcrowd sends one and the same flash crowd at a server behind seawall and
// at the same server behind other Go libraries. From the root of the
// repository:
//
//	go run ./bench/peers/flashcrowd                  # ten times a calm day
//	go run ./bench/peers/flashcrowd -list            # what else there is
//	go run ./bench/peers/flashcrowd -scenario all    # every crowd
//	go run ./bench/peers/flashcrowd -check           # every crowd, exit 1 unless seawall is first in each
//
// Each contender is a real net/http server on the loopback interface, one at a
// time; the crowd comes from a process of its own. Every peer is set up as its
// own documentation says (the source of each choice stands beside it in the
// code); failsafe-tuned is what we found to be best for it. Two contenders,
// rate and conns, are told the capacity, as is the oracle: they show what is to
// be had from a number in a configuration file that happens to be right.
//
// Value sums up a run: 10 points for each Critical request answered in time, 3
// for a Normal one, 1 for a Sheddable one, of those due in the spike, as a
// part of what the oracle got from the same crowd.
package main
