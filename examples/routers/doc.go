// Package routers shows how limits know routes where net/http's ServeMux is not
// the router: see its examples.
package routers
