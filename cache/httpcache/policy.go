package httpcache

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/internal/respwriter"
)

// Policy says for one route what clients, this cache and a CDN may keep, and for how
// long. The zero Policy forbids all of them to keep anything.
type Policy struct {
	// Client is max-age: for clients, and all that have no number of their own.
	Client time.Duration
	// Shared is s-maxage: for this cache, and a CDN without CDN. With it, answers may
	// be kept also where the request was authorized, and are shown stale only as far
	// as StaleWhileRevalidate and StaleIfError say here. Default that of Client.
	Shared time.Duration
	// CDN is CDN-Cache-Control (RFC 9213), for a CDN in front that is told of purges.
	// This cache goes by it, too, unless there is a Shared. Default that of Shared.
	CDN time.Duration
	// StaleWhileRevalidate and StaleIfError of RFC 5861. Default none.
	StaleWhileRevalidate, StaleIfError time.Duration
	// Private is for one user: nobody but the client may keep it.
	Private bool
	// MustRevalidate forbids to show it when it is stale, whatever happens.
	MustRevalidate bool
	// Immutable tells clients that it will not change while it is fresh (RFC 8246).
	Immutable bool
	// Vary are request fields that the answer depends on.
	Vary []string
	// Tags with which PurgeTags finds it.
	Tags []string
}

// Set writes a Policy into the header of an answer, in whole seconds: what is shorter
// than one is one.
func (p Policy) Set(header http.Header) {
	b := make([]string, 0, 8)
	age := func(name string, d time.Duration) string {
		if d > 0 {
			d = max(d, time.Second) // none would forbid what it is to allow
		}
		return name + "=" + strconv.FormatInt(int64(max(d, 0)/time.Second), 10)
	}
	switch {
	case p.Client == 0 && p.Shared == 0 && p.CDN == 0:
		header.Set("Cache-Control", "no-store")
		return
	case p.Private:
		b = append(b, "private", age("max-age", p.Client))
	default:
		b = append(b, age("max-age", p.Client))
		if p.Shared > 0 {
			b = append(b, age("s-maxage", p.Shared))
		}
	}
	stale := make([]string, 0, 2)
	if p.StaleWhileRevalidate > 0 {
		stale = append(stale, age("stale-while-revalidate", p.StaleWhileRevalidate))
	}
	if p.StaleIfError > 0 {
		stale = append(stale, age("stale-if-error", p.StaleIfError))
	}
	b = append(b, stale...)
	if p.MustRevalidate {
		b = append(b, "must-revalidate")
		stale = append(stale, "must-revalidate")
	}
	if p.CDN > 0 && !p.Private {
		header.Set("CDN-Cache-Control", strings.Join(append([]string{age("max-age", p.CDN)}, stale...), ", "))
		if p.Shared > 0 { // otherwise this cache would go by what is for the CDN
			header.Set(ownTarget, strings.Join(append([]string{age("s-maxage", p.Shared)}, stale...), ", "))
		}
	}
	if p.Immutable {
		b = append(b, "immutable")
	}
	header.Set("Cache-Control", strings.Join(b, ", "))
	for _, name := range p.Vary {
		if !slices.Contains(header.Values("Vary"), name) {
			header.Add("Vary", name)
		}
	}
	if len(p.Tags) > 0 {
		Tag(header, p.Tags...)
	}
}

// Tag gives an answer tags with which PurgeTags finds it. They must have neither
// spaces nor commas in them.
func Tag(header http.Header, tags ...string) {
	header.Add("Surrogate-Key", strings.Join(tags, " "))
}

// Middleware sets a Policy for the answers of a handler that are the page (200, 203,
// 204, 206, 300, 304), have moved for good (301, 308) or do not exist (404, 410), unless
// the handler says something itself. Other redirects are mostly for one client: to log
// in, to agree.
func (p Policy) Middleware() seawall.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header["Upgrade"] != nil {
				next.ServeHTTP(w, r)
				return
			}
			pw := &policyWriter{w: w, p: p}
			next.ServeHTTP(respwriter.Over(pw), r)
			pw.begun(http.StatusOK)
		})
	}
}

// policyWriter sets a Policy when the status is known.
type policyWriter struct {
	w    http.ResponseWriter
	p    Policy
	done bool
}

func (p *policyWriter) begun(status int) {
	if p.done || status < 200 && status != http.StatusSwitchingProtocols {
		return
	}
	p.done = true
	header := p.w.Header()
	if header["Cache-Control"] == nil && hasPolicy(status) {
		p.p.Set(header)
	}
}

func hasPolicy(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 304, 308, 404, 410:
		return true
	}
	return false
}

func (p *policyWriter) Unwrap() http.ResponseWriter { return p.w }
func (p *policyWriter) Header() http.Header         { return p.w.Header() }

func (p *policyWriter) WriteHeader(status int) {
	p.begun(status)
	p.w.WriteHeader(status)
}

func (p *policyWriter) Write(b []byte) (int, error) {
	p.begun(http.StatusOK)
	return p.w.Write(b)
}

func (p *policyWriter) WriteString(s string) (int, error) {
	p.begun(http.StatusOK)
	return io.WriteString(p.w, s)
}

func (p *policyWriter) ReadFrom(src io.Reader) (int64, error) {
	return copyFrom(src, p, p.done, func() io.Writer { return p.w })
}

func (p *policyWriter) FlushError() error {
	p.begun(http.StatusOK)
	return http.NewResponseController(p.w).Flush()
}

func (p *policyWriter) HijackConn() (net.Conn, *bufio.ReadWriter, error) {
	p.done = true
	return http.NewResponseController(p.w).Hijack() //nolint:wrapcheck // as it is without a Policy
}
