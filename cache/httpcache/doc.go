// Package httpcache is an HTTP cache in front of any handler: a page or an answer
// of an API that a crowd asks for is computed once, and served from memory.
//
//	pages := seawall.Must(httpcache.New(httpcache.Config{}))
//	defer pages.Close(context.Background())
//	http.ListenAndServe(":8080", pages.Middleware(mux))
//
// It is a shared cache as RFC 9111 has it. What handlers say in Cache-Control,
// Expires, Vary, ETag and Last-Modified is what happens; what does not say for how
// long it is good is not kept. RFC 5861 (stale), RFC 9211 (Cache-Status), RFC 9213
// (targeted fields) and the ranges of RFC 9110 are part of it. [Policy] writes the
// fields for those who do not want to.
//
// Whoever asks for something that somebody else is just asking for waits for that
// answer; but only until its header shows that it is not for others. What cannot be
// kept is noted, and for a while nobody waits there.
//
// When the handler fails, or a middleware within refuses, clients get what was good
// a while ago, if the answer did not forbid it (Config.StaleIfError).
//
// Nothing personal is kept: no answer that is private or sets a cookie, none to an
// authorized request without leave (RFC 9111, 3.5), and of a header only what the
// handler has written. A hit asks nobody: what checks who may see a page stands in
// front of this cache, or the page is private.
//
// A page that is no longer true is purged by its URL, by a tag that its handler has
// given it ([Tag]), or with all below a path; a POST or the like that succeeds does
// so to its own URL. With Config.Shared processes have one cache together.
//
// docs/httpcache.md tells what is kept and what is not, what to say on which route,
// and what each Cache-Status means.
package httpcache
