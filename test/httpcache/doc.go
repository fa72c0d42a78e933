// Package httpcachetest holds the tests of cache/httpcache that need sockets, other
// packages of seawall, or the real heap.
package httpcachetest
