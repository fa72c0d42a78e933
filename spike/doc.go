// Package spike makes a flash crowd and measures who survives it: an open-loop
// load generator, a finite backend with faults, a contender that knows the
// backend's true size, ready scenarios, figures and a table.
//
// # Open loop
//
// [Load.Run] sends requests when they are due, whatever has become of the
// earlier ones, as a crowd does. Latency counts from the moment a request was
// meant to be sent, so that a generator or a server that falls behind cannot
// hide it. How late the generator itself was is kept with each request; a
// 99th percentile above 20 ms says that the machine, not the server, was
// measured.
//
// # Targets
//
// A [Target] is a function. [HTTPTarget] sends real HTTP/1.1 requests,
// [HandlerTarget] calls an http.Handler in the process, [Backend.Target] calls
// a backend behind an admission function. The last two need no sockets, and
// nothing in the package keeps time but package time: within a
// testing/synctest bubble a scenario of 14 seconds takes a fraction of one.
// [Balanced] spreads the load over several instances.
//
// [RunChild] runs the load in a process of its own, so that the crowd and the
// server do not share a heap and a scheduler. [StartServer] does so with the
// server, for a backend that computes: a [Burner] on one processor.
//
// # Scenarios
//
// [Scenarios] lists what a server may meet (calm, a step, a flash, naive
// retries, a cold start, a backend that slows down) for a backend of a given
// size, [MoreScenarios] what else it may (abusers, slots that are lost or come
// back, heavier requests, a ramp); [Scenario.Run] plays one and [Analyze] draws
// the figures from its record. What each figure means is written at the field of
// [Figures].
package spike
