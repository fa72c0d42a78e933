// Package seawalltest helps to test services that use seawall, and middlewares,
// its own or yours:
//
//   - [Conformance] checks that a middleware lets the requests it admits pass as
//     if it was not there: 62 checks over real sockets.
//   - [NewServer] is an HTTP server on a network in memory, which works in a
//     testing/synctest bubble: a test of an hour takes a millisecond.
//   - [Recorder] is an Observer to look at afterwards.
//   - [Main] and [CheckLeaks] fail tests that leave goroutines behind.
//
// # The checks of Conformance
//
// A client of the bare handler and one of the handler behind the middleware must
// see no difference, and the handler must not either. net/http/httptest's
// ResponseRecorder shows little of that, so every check runs a server on
// loopback, which speaks HTTP/1 and unencrypted HTTP/2. All 62 take about two
// seconds. The names say what fails:
//
//   - Interfaces: flusher, hijacker, readerfrom, stringwriter, h2-flusher,
//     h2-pusher, h2-no-fake-hijack, no-fake-pusher, bare-writer, rc-flush,
//     rc-hijack, rc-readdeadline, rc-writedeadline, rc-fullduplex.
//   - Answers: headers-exact, sniff, head, 304, range, stream-first-byte,
//     h2-stream-first-byte, no-buffering, trailers, h2-trailers, early-hints,
//     no-superfluous, double-writeheader, bad-status-panics, write-error.
//   - Requests: request-intact, ctx-no-deadline, upload, multipart, expect-100,
//     maxbytes-close, full-duplex, h2-duplex, disconnect-cancels,
//     h2-reset-cancels, pattern-outward, pathvalue-inward.
//   - Panics: panic-propagates, panic-origin, abort-handler, abort-before-write,
//     h2-abort-resets, same-goroutine.
//   - Capacity: slots-after-panic, slots-after-abort, slots-after-goexit,
//     slots-after-disconnect, slots-after-hijack, limit-exact.
//   - Connections: websocket, websocket-rc, keepalive, http10, h2-concurrent,
//     shutdown-waits, stack-twice, no-goroutine-leak, no-bg-goroutines.
//
// The surest way to pass is not to wrap the http.ResponseWriter, not to copy the
// http.Request, and to give back in a defer what was taken. What the usual ways
// cost, as this package's own tests have it: a writer that embeds
// http.ResponseWriter to note the status fails 18 checks, with an Unwrap method
// still 8, http.TimeoutHandler 25, and http.MaxBytesHandler 1.
//
// Two of the checks cannot be passed by any wrapper of the ResponseWriter that
// only forwards: maxbytes-close, as http.MaxBytesReader asks the writer by a
// method that is not exported (https://go.dev/issue/73754), and the type
// assertions, unless the wrapper has exactly the methods of what it wraps.
package seawalltest
