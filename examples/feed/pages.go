package main

import (
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache/httpcache"
)

// newPages is in front of all handlers, and keeps their whole answers: one that is
// there costs no query, no encoding and no handler.
func (c config) newPages(observer seawall.Observer) (*httpcache.Cache, error) {
	return httpcache.New(httpcache.Config{
		Name:        "pages",
		MaxBytes:    64 << 20,
		ETag:        true,                                 // the handlers have none
		IgnoreQuery: []string{"utm_*", "fbclid", "gclid"}, // a campaign's links are one page
		Observer:    observer,
		Shared:      shared[httpcache.Key, *httpcache.Response](c, "pages"),
		// Behind a proxy that ends TLS, Scheme must say what clients used, and
		// OnPurge is where a CDN is told.
	})
}

// policies say who may keep the answers of which route.
type policies struct {
	everybodys httpcache.Policy
	ones       httpcache.Policy // one user's
}

// policies: a page is fresh for seconds, as what it is made of is cached, too, and
// the two add up. Clients keep none of it, and ask each time: 304 is cheap, and what
// is purged is gone.
func (c config) policies() policies {
	return policies{
		everybodys: httpcache.Policy{Shared: c.fresh, StaleWhileRevalidate: c.fresh, StaleIfError: time.Hour},
		ones:       httpcache.Policy{Private: true, Client: c.fresh},
	}
}
