package httpcache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// Config sets up a Cache.
type Config struct {
	// Name tells this instance from others in events, on pages, and in an L2.
	// Default "default".
	Name string

	// MaxBytes bounds what is kept in memory: bodies, fields, keys and all that is
	// needed to keep them. At least 2 MiB. A response larger than a sixteenth of what
	// is left when the engine has its own is not kept. Answers under way take up to half
	// of it besides (32 MiB with L1); what there is no room for then passes through.
	// Default 64 MiB.
	MaxBytes int64
	// L1 is an engine of your own choice in place of that. It is closed with the Cache.
	L1 cache.L1[Key, *Response]
	// Shared is the tier that processes share. With it one process loads for all,
	// and a purge is heard by all. Codec is not yours to
	// set here. Default none.
	Shared cache.Shared[Key, *Response]
	// MaxTags is how many tags are known at once; see [cache.Config]. For prefixes
	// there are 256 for each of PurgeDepth, 1024 as a rule, and URLs that are kept with
	// fields of KeyHeaders take one each. Default these for prefixes, 1024, and one for
	// each 8 KiB of MaxBytes, at most 100 000; with L1 100 000.
	MaxTags int

	// MaxBody is the longest body that is kept, in bytes: at most a 24th of MaxBytes,
	// so that it has room there with its fields. A longer one passes through as it is
	// written. Default 1 MiB, or that 24th if it is less.
	MaxBody int64
	// MaxVariants is how many variants of one URL are kept; the oldest one goes that
	// nobody has asked for again.
	// Default 32.
	MaxVariants int
	// Statuses that are kept if the response says for how long. Default all below 500
	// that can be (RFC 9111, 3), but for those that are about one client or the fields
	// of one request: 400 to 403, 406 to 409, 411 to 413, 415 to 417, 421 to 426, 428,
	// 429, 431. Never 206, 304, or those below 200.
	Statuses []int
	// Heuristic is the part of a response's age since Last-Modified that it is taken
	// to be fresh for if it does not say, at most a day (RFC 9111, 4.2.2). Default 0:
	// what does not say is not kept.
	Heuristic float64
	// Targets are the targeted fields (RFC 9213) that this cache goes by, the first
	// that is there and valid. Default Seawall-Cache-Control, which is for it alone
	// and goes no further, and CDN-Cache-Control. An empty slice is none.
	Targets []string

	// StaleIfError is for how long after its lifetime a response is still shown when
	// the handler fails (5xx) or a middleware of seawall within refuses, unless the
	// response says something else (RFC 5861) or forbids it. Default 10 min;
	// seawall.Off is never.
	StaleIfError time.Duration
	// StaleWhileRevalidate is for how long it is still shown at once, while one
	// request in the background renews it. Default 0: only as the response says.
	StaleWhileRevalidate time.Duration
	// Keep is for how long a response that can be asked about (an ETag or Last-Modified
	// of the handler's) is kept when it may not be shown any more. Default 1 h;
	// seawall.Off is not at all.
	Keep time.Duration
	// ErrorPause is how long after a failure a response that may be shown stale is
	// not tried again, within a quarter at random. Default 1 s.
	ErrorPause time.Duration
	// MinReload is the age from which on a client's "no-cache", "max-age" or "min-fresh"
	// has a response renewed: a crowd that reloads asks the handler that often and no more.
	// Default 1 s; seawall.Off obeys each.
	MinReload time.Duration
	// HitForMiss is for how long after an answer that could not be kept nobody waits
	// for the answer to somebody else. Default 1 min.
	HitForMiss time.Duration
	// Wait is how long at most one request waits for the answer to another that asks
	// the same, in this process or, if Shared.LeaseWait is 0, in another. Then it asks
	// by itself. Default 10 s.
	Wait time.Duration
	// LoadTimeout is how long a request in the background may take, and for how long
	// one process alone may ask for all. Default 30 s.
	LoadTimeout time.Duration
	// MaxRefreshes is how many requests may be under way in the background. Default 32.
	MaxRefreshes int

	// Bypass says which requests this cache has no business with. What changes something
	// makes its URL invalid all the same. Default none.
	Bypass func(*http.Request) bool
	// Scheme tells the scheme that the client used, if somebody in front ends TLS:
	// it is part of the key. Default by r.TLS.
	Scheme func(*http.Request) string
	// IgnoreQuery are query parameters that do not change the answer, such as "utm_*"
	// or "fbclid": links of a campaign that would each be a miss. They are not part of
	// the key, and the handler does not see them. Default none.
	IgnoreQuery []string
	// KeyHeaders are request fields of which handlers build answers although no Vary
	// says so. Where one is there, it is part of the key. Default those that make an
	// application believe in another host, path, scheme or method: X-Forwarded- with
	// Host, Proto, Scheme, Port, Prefix, Path, Uri, Server; X-Host, X-Original-Host,
	// X-Original-Url, X-Original-Uri, X-Rewrite-Url, X-Http-Method,
	// X-Http-Method-Override, X-Method-Override. An empty slice is none.
	KeyHeaders []string

	// TagFields are response fields that list tags, apart by spaces or commas. Default
	// Surrogate-Key and Cache-Tag. An empty slice is none.
	TagFields []string
	// KeepTags sends them on, for a CDN in front. Default false.
	KeepTags bool
	// PurgeDepth is how many of the leading segments of a path can be purged as a
	// prefix; see PurgePrefix. Default 4; seawall.Off is none.
	PurgeDepth int
	// OnPurge hears of each purge after it has been done here, to tell a CDN. Its
	// error is that of the purge. Default none.
	OnPurge func(context.Context, Purge) error

	// ETag adds a weak ETag, a hash of the body, to what is kept without one, so that
	// clients who have it already are told so in 200 bytes. Default false.
	ETag bool
	// CacheStatus is the name of this cache in the Cache-Status field (RFC 9211).
	// Default "seawall"; "off" leaves the field out.
	CacheStatus string

	// Responder answers only-if-cached where nothing is (504). Default seawall.Respond.
	Responder seawall.Responder
	// Observer is told of answers that are stale because something failed. Default
	// none.
	Observer seawall.Observer
}

// Purge is what is no longer true.
type Purge struct {
	// One of these is set.
	URLs   []string
	Tags   []string
	Prefix string
	All    bool
}

const (
	component  = "httpcache"
	statusOff  = "off"
	ownTarget  = "Seawall-Cache-Control"
	cdnTarget  = "Cdn-Cache-Control"
	mostPrefix = 16
)

// notByDefault are statuses that one client could make others see.
var notByDefault = []int{
	206, 304, 400, 401, 402, 403, 406, 407, 408, 409, 411, 412, 413, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431,
}

var (
	defaultTargets    = []string{ownTarget, cdnTarget}
	defaultTagFields  = []string{"Surrogate-Key", "Cache-Tag"}
	defaultKeyHeaders = []string{
		"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path",
		"X-Forwarded-Uri", "X-Forwarded-Server", "X-Host", "X-Original-Host", "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
	}
)

func (c Config) resolve() (Config, error) {
	if c.Name == "" {
		c.Name = "default"
	}
	if c.L1 == nil && c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.L1 != nil && c.MaxBytes != 0 {
		return c, fmt.Errorf("seawall/httpcache: MaxBytes must be 0 with L1 (got %d)", c.MaxBytes)
	}
	if c.CacheStatus == "" {
		c.CacheStatus = "seawall"
	}
	if first := c.CacheStatus[0] | 0x20; !isToken(c.CacheStatus) || !isLower(first) {
		return c, fmt.Errorf("seawall/httpcache: CacheStatus must be a token that begins with a letter (got %.40q)", c.CacheStatus)
	}
	if !(c.Heuristic >= 0 && c.Heuristic <= 1) || math.IsNaN(c.Heuristic) {
		return c, fmt.Errorf("seawall/httpcache: Heuristic must be from 0 to 1 (got %v)", c.Heuristic)
	}
	c.IgnoreQuery = slices.Clone(c.IgnoreQuery)
	for _, name := range c.IgnoreQuery {
		if name == "" || strings.ContainsAny(name, "=&") {
			return c, fmt.Errorf("seawall/httpcache: IgnoreQuery must be names of parameters (got %.40q)", name)
		}
	}
	if codec := c.Shared.Codec; codec != nil {
		return c, fmt.Errorf("seawall/httpcache: Shared.Codec must not be set (got %.40q): nobody else can write a Response", codec.Name())
	}
	for _, status := range c.Statuses {
		if status < 200 || status > 599 || status == http.StatusPartialContent || status == http.StatusNotModified {
			return c, fmt.Errorf("seawall/httpcache: Statuses must be from 200 to 599 without 206 and 304 (got %d)", status)
		}
	}
	if c.Responder == nil {
		c.Responder = seawall.Respond
	}
	err := errors.Join(
		names("Targets", &c.Targets, defaultTargets), names("KeyHeaders", &c.KeyHeaders, defaultKeyHeaders), names("TagFields", &c.TagFields, defaultTagFields),
		duration("StaleIfError", &c.StaleIfError, 10*time.Minute, true), duration("StaleWhileRevalidate", &c.StaleWhileRevalidate, 0, true),
		duration("Keep", &c.Keep, time.Hour, true), duration("ErrorPause", &c.ErrorPause, time.Second, false),
		duration("MinReload", &c.MinReload, time.Second, true), duration("HitForMiss", &c.HitForMiss, time.Minute, false),
		duration("Wait", &c.Wait, 10*time.Second, false), duration("LoadTimeout", &c.LoadTimeout, 30*time.Second, false),
		count("MaxVariants", &c.MaxVariants, 32, 1024, false), count("MaxRefreshes", &c.MaxRefreshes, 32, 1<<20, false),
		count("PurgeDepth", &c.PurgeDepth, 4, mostPrefix, true), count("MaxBody", &c.MaxBody, c.mostBody(1<<20), 1<<30, false),
	)
	if most := c.mostBody(c.MaxBody); err == nil && most < c.MaxBody {
		err = fmt.Errorf("seawall/httpcache: MaxBody must be at most a 24th of MaxBytes, %d (got %d with %d)", most, c.MaxBody, c.MaxBytes)
	}
	return c, err
}

// tags is MaxTags, or else what leaves room for those of handlers beside all that
// there can be of prefixes.
func (c *Config) tags() int {
	if c.MaxTags != 0 || c.L1 != nil {
		return c.MaxTags
	}
	return int(min(max(c.MaxBytes>>13, 0), 100_000)) + c.PurgeDepth*prefixNames + 1024
}

// mostBody is n, or what MaxBytes has room for. The engine keeps up to a sixteenth of
// what it does not need itself, which is a third in a small one.
func (c Config) mostBody(n int64) int64 {
	if c.L1 != nil || c.MaxBytes < 24 { // which is an error anyway
		return n
	}
	return min(n, c.MaxBytes/24)
}

// names makes field names canonical.
func names(field string, list *[]string, otherwise []string) error {
	if *list == nil {
		*list = otherwise
		return nil
	}
	*list = slices.Clone(*list)
	for i, name := range *list {
		if !isToken(name) {
			return fmt.Errorf("seawall/httpcache: %s must be names of fields (got %.40q)", field, name)
		}
		(*list)[i] = http.CanonicalHeaderKey(strings.Clone(name))
	}
	return nil
}

func duration(field string, d *time.Duration, otherwise time.Duration, canBeOff bool) error {
	switch {
	case *d == 0:
		*d = otherwise
	case *d == seawall.Off && canBeOff:
		*d = 0
	case *d < 0 || *d > longest:
		return fmt.Errorf("seawall/httpcache: %s must be positive and at most %v (got %v)", field, longest, *d)
	}
	return nil
}

// longest bounds all times: a year.
const longest = 365 * 24 * time.Hour

func count[N int | int64](field string, n *N, otherwise, most N, canBeOff bool) error {
	switch {
	case *n == 0:
		*n = otherwise
	case *n == seawall.Off && canBeOff:
		*n = 0
	case *n < 0 || *n > most:
		return fmt.Errorf("seawall/httpcache: %s must be from 1 to %d (got %d)", field, most, *n)
	}
	return nil
}
