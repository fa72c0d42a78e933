package httpcache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

// jittered is d within a quarter.
func jittered(d time.Duration) int64 { return int64(float64(d) * (0.75 + mathrand.Float64()/2)) }

// storable says whether a response may be kept and shown to others (RFC 9111, 3).
func (h *Cache) storable(rec *recorder, status int, header http.Header, d *directives, t *times, now int64) bool {
	r := rec.x.r
	switch {
	case r.Method != http.MethodGet || status < 200 || h.on(ruleStatus) && (status >= len(h.statuses) || !h.statuses[status]):
	case status == http.StatusPartialContent || status == http.StatusNotModified:
	case r.Header["Range"] != nil && (header["Content-Range"] != nil || status == http.StatusRequestedRangeNotSatisfiable):
		// a part, whatever its status says, or none
	case h.forbidden(status, d), h.personal(rec, header, d):
	case rec.x.asked != nil && rec.x.asked.noStore && h.on(ruleRequestNoStore):
	case rec.unclear(header):
	case trailers(header) || isEventStream(header) || rec.declared > h.cfg.MaxBody:
	case !t.explicit && t.lifetime <= 0 && h.on(ruleExplicit) && !d.noCache && !d.public:
	default:
		return h.retention(t, header["Etag"] != nil || header["Last-Modified"] != nil, now) > 0
	}
	return false
}

// forbidden says whether the response itself says no.
func (h *Cache) forbidden(status int, d *directives) bool {
	if d.mustUnderstand && h.on(ruleMustUnderstand) {
		return !understood(status) || d.private && h.on(rulePrivate) // no-store is for those who do not know it
	}
	return d.noStore && h.on(ruleNoStore) || d.private && h.on(rulePrivate)
}

// personal says whether it is for one user, as far as is known. A cookie that a
// middleware in front has set says nothing of the answer, and is not kept.
func (h *Cache) personal(rec *recorder, header http.Header, d *directives) bool {
	if rec.x.r.Header["Authorization"] != nil && !d.public && d.sMaxage == absent && !d.mustRevalidate && h.on(ruleAuthorization) {
		return true
	}
	cookies, outer := header["Set-Cookie"], rec.before["Set-Cookie"]
	if len(cookies) == 0 || !h.on(ruleSetCookie) || h.on(ruleOuterFields) && slices.Equal(cookies, outer) {
		return false
	}
	// Fields that a directive names are not kept.
	return !h.on(ruleQualified) || !slices.Contains(d.noCacheFields, "Set-Cookie") && !slices.Contains(d.privateFields, "Set-Cookie")
}

// understood are statuses whose rules for caches this one follows (RFC 9111,
// 5.2.2.3).
func understood(status int) bool {
	return http.StatusText(status) != "" && status != http.StatusPartialContent && status != http.StatusNotModified
}

// known says whether the handler can be asked about a response: not by an entity tag
// that this cache has made.
func (h *Cache) known(p *Response) bool {
	return get(p.fields, "Last-Modified") != nil || p.etag != "" && !(h.cfg.ETag && p.etag == weakETag(p.body))
}

// retention is for how long a response is of use.
func (h *Cache) retention(t *times, validators bool, now int64) time.Duration {
	left := max(t.fresh(now), 0)
	more := time.Duration(0)
	if !t.noCache {
		more = max(h.window(t.staleRevalidate, h.cfg.StaleWhileRevalidate), h.window(t.staleError, h.cfg.StaleIfError))
		if left == 0 { // already stale: for how much longer
			more += min(t.lifetime-t.current(now), 0)
		}
	}
	if validators {
		more = max(more, h.cfg.Keep)
	}
	if left == 0 && !validators && (t.noCache || max(t.staleRevalidate, t.staleError) <= 0) {
		return 0 // to be shown only when something fails: unless it says so, that is not what it came for
	}
	return min(left+max(more, 0), longest)
}

// failure says whether an answer is one that something stale is better than: the
// handler's failures, and what middlewares of seawall within refuse.
func (h *Cache) failure(status int, header http.Header) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return header[seawall.ReasonHeader] != nil
}

// marker is what is noted about a URL whose answer cannot be kept.
func (h *Cache) marker(rec *recorder, status int) loaded {
	x := rec.x
	note := &Response{kind: passes}
	_, authorized := x.r.Header["Authorization"]
	switch {
	case x.r.Method != http.MethodGet, x.r.Header["Range"] != nil, x.asked != nil && x.asked.noStore,
		x.p != nil && x.p.kind == passes, status >= 500 || h.failure(status, rec.w.Header()):
		return loaded{err: errNotKept}
	case authorized && !rec.unfit: // the others may have theirs
		return loaded{err: errNotKept}
	case rec.old != nil && (authorized || !rec.unfit || rec.old.times.fresh(h.clock.Exact()) > 0 || status >= len(h.statuses) || !h.statuses[status]):
		// else what is stored will not be true again, and this comes in its place
		return loaded{err: errNotKept}
	case status == http.StatusNotModified:
		note.kind = wants
	}
	note.times.began = x.began
	return loaded{p: note, meta: cache.Meta{TTL: h.cfg.HitForMiss}}
}

// note keeps a marker for those who come while others wait.
func (h *Cache) note(rec *recorder, l loaded) {
	if rec.t != nil || l.err != nil {
		rec.t.settle(l)
		return
	}
	l.meta.Since = rec.since
	_ = h.set(context.WithoutCancel(rec.x.r.Context()), rec.x, rec.x.key.own(), l.p, l.meta) // purged or closed: then it is not
}

// keep stores a response, and says whether it did.
func (h *Cache) keep(rec *recorder, p *Response) bool {
	x := rec.x
	if x.primary.Vary != "" {
		word, bit := h.keyedBit(&x.primary)
		word.Or(bit) // before the look at what is deleted: who deletes looks the other way round
	}
	meta := cache.Meta{TTL: h.retention(&p.times, h.known(p), h.clock.Exact()), Since: rec.since, Tags: h.storeTags(&x.primary, p.tags)}
	if meta.TTL <= 0 || len(meta.Tags) > mostTags || h.deletedSince(&x.primary, x.began) {
		rec.t.settle(loaded{err: errNotKept})
		return false
	}
	if cap(p.body) > len(p.body)+len(p.body)/8 {
		p.body = slices.Clip(append(make([]byte, 0, len(p.body)), p.body...))
	}
	ctx := context.WithoutCancel(x.r.Context())
	var err error
	switch {
	case len(rec.names) == 0 && x.marker == nil, x.marker != nil && subset(rec.names, x.marker.names):
		if rec.t == nil {
			err = h.set(ctx, x, x.key.own(), p, meta)
			break
		}
		rec.t.settle(loaded{p: p, meta: meta})
		if err = (<-rec.t.got).err; errors.Is(err, context.DeadlineExceeded) || err != nil && rec.f.isStuck() {
			err = h.set(ctx, x, x.key.own(), p, meta) // it took longer than LoadTimeout
		}
	default:
		err = h.keepVariant(ctx, rec, p, meta)
	}
	if err == nil && x.marker != nil {
		h.bound(ctx, x.primary, x.marker, x.key.Vary[len(x.primary.Vary):])
	}
	if err != nil {
		return false
	}
	h.stats.stored.Add(1)
	return true
}

// set keeps what was not loaded by the store's leave. What another process has purged
// meanwhile is found out by a tag then.
func (h *Cache) set(ctx context.Context, x *exchange, key Key, p *Response, meta cache.Meta) error {
	if h.cfg.Shared.L2 != nil {
		if tag := urlTag(&x.primary); !slices.Contains(meta.Tags, tag) {
			meta.Tags = append(slices.Clip(meta.Tags), tag)
		}
		return h.store.SetWith(ctx, key, p, meta)
	}
	mu := h.writing(&x.primary)
	mu.Lock()
	defer mu.Unlock() // nothing waits in there without an L2
	if h.deletedSince(&x.primary, x.began) {
		return errNotKept
	}
	if there, _, ok := h.store.Peek(key); ok && there.times.began > x.called {
		return errNotKept // of two who asked by themselves the other came after this one, and was faster
	}
	return h.store.SetWith(ctx, key, p, meta)
}

// keepVariant is for the first time that a URL is seen to vary, or to vary by more
// than before.
func (h *Cache) keepVariant(ctx context.Context, rec *recorder, p *Response, meta cache.Meta) error {
	x := rec.x
	note := &Response{kind: varies, names: rec.names, gen: newGen()}
	if x.marker != nil {
		note.names = union(rec.names, x.marker.names)
	}
	note.times.began = x.began
	key := h.variant(x.primary.own(), note, x.r.Header)
	if err := h.set(ctx, x, key, p, meta); err != nil {
		rec.t.settle(loaded{err: errNotKept})
		return err
	}
	note.variants.add(sumIn(key.Vary[len(x.primary.Vary):]))
	noted := cache.Meta{TTL: max(day, meta.TTL), Since: meta.Since}
	if rec.t != nil && x.marker == nil {
		rec.t.settle(loaded{p: note, meta: noted})
		return (<-rec.t.got).err
	}
	rec.t.settle(loaded{err: errNotKept})
	return h.set(ctx, x, x.primary.own(), note, noted)
}

const day = 24 * time.Hour

// bound lets one variant go where there are too many: the oldest, unless it has been
// shown since it was last to go.
func (h *Cache) bound(ctx context.Context, primary Key, marker *Response, vary string) {
	v, sum := &marker.variants, sumIn(vary)
	v.remove(sum)
	for turn := 0; ; turn++ {
		old, full := v.oldest(h.cfg.MaxVariants)
		if !full {
			break
		}
		key := primary
		key.Vary += variantMark + old.String()
		if p := h.peek(key); p != nil && p.face.Swap(nil) != nil && turn < h.cfg.MaxVariants {
			v.add(old)
			continue
		}
		v.remove(old)
		h.stats.variantsOut.Add(1)
		_ = h.store.Delete(ctx, key) // closed: then nothing is kept anyway
	}
	v.add(sum)
}

func newGen() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func subset(names, of []string) bool {
	for _, name := range names {
		if !slices.Contains(of, name) {
			return false
		}
	}
	return true
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// mostVary is of how many request fields a response may depend: each of them is
// looked at with each request.
const mostVary = 64

// unclear says whether nobody can tell on what a response depends: Vary says so
// (RFC 9111, 4.1) or cannot be read, or names what a handler within has given the
// request, which is not there yet when the next one is looked up.
func (rec *recorder) unclear(header http.Header) bool {
	if !rec.h.on(ruleVaryStar) {
		return false
	}
	for _, line := range header["Vary"] {
		for part := range strings.SplitSeq(line, ",") {
			if part = trimOWS(part); part != "" && !isToken(part) || part == "*" {
				return true
			}
		}
	}
	names := rec.varyNames(header)
	if rec.x.marker != nil {
		names = union(names, rec.x.marker.names)
	}
	for _, name := range names {
		if given := rec.given.Header[name]; given != nil && !slices.Equal(given, rec.x.r.Header[name]) {
			return true
		}
	}
	return len(names) > mostVary
}

// varyNames are the request fields that a response depends on, sorted.
func (rec *recorder) varyNames(header http.Header) []string {
	if !rec.h.on(ruleVary) || header["Vary"] == nil {
		return nil
	}
	var names []string
	for _, line := range header["Vary"] {
		for part := range strings.SplitSeq(line, ",") {
			if part = trimOWS(part); isToken(part) && part != "*" {
				names = append(names, strings.Clone(http.CanonicalHeaderKey(part)))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// varyPart is what a request says in the fields that an answer depends on.
func varyPart(names []string, header http.Header) string {
	part := ""
	for _, name := range names {
		part = appendPart(part, "f", name, normalized(name, header[name]))
	}
	return part
}

func isEventStream(header http.Header) bool {
	kind, _, _ := strings.Cut(first(header["Content-Type"]), ";")
	return strings.EqualFold(trimOWS(kind), "text/event-stream")
}

// updated brings what is stored up to date by a 304, and shows it. It returns false
// if that 304 is about something else (RFC 9111, 3.2 and 4.3.4).
func (rec *recorder) updated() bool {
	h, old := rec.h, rec.old
	header := rec.w.Header()
	if h.on(ruleOtherValidator) && !about(old, first(header["Etag"])) {
		return false
	}
	now := h.clock.Exact()
	news := maps.Clone(header)
	p, d := h.freshened(rec, header, now)
	rec.restore()
	for name, values := range news { // what is for this client alone
		if h.isOwn(name, &d) {
			header[name] = values
		}
	}
	rec.draft, rec.names = p, rec.varyNames(fieldsHeader(p.fields))
	said, _ := h.control(news)
	kept := false
	switch {
	case h.forbidden(old.status, &d), h.forbidden(old.status, &said): // said also by who stands in front
		rec.t.settle(loaded{err: errNotKept})
		_ = h.delete(context.WithoutCancel(rec.x.r.Context()), rec.x.primary) // closed: then nothing is kept anyway
	case h.personal(rec, news, &d), rec.unclear(fieldsHeader(p.fields)), rec.x.asked != nil && rec.x.asked.noStore && h.on(ruleRequestNoStore):
		h.open(rec.f, false, nil, "")
		rec.t.settle(loaded{err: errNotKept})
	default:
		kept = h.keep(rec, p)
	}
	how := shown{fwd: rec.fwd, status: http.StatusNotModified, stored: kept}
	if p.times.fresh(now) > 0 && kept {
		h.open(rec.f, true, rec.names, varyPart(rec.names, rec.x.r.Header))
		h.land(rec.f, p, how)
	} else {
		h.land(rec.f, nil, shown{})
	}
	h.show(rec.w, rec.x, p, now, how)
	return true
}

// freshened is a stored response with the fields of a newer one about the same,
// and what these say together. Those that are one client's own are left out.
func (h *Cache) freshened(rec *recorder, header http.Header, now int64) (*Response, directives) {
	p := h.merged(rec.old, header, rec.before)
	says := fieldsHeader(p.fields)
	says["Age"], says["Date"] = header["Age"], header["Date"]
	if p.own != nil {
		says[ownTarget] = p.own
	}
	d, targeted := h.control(says)
	p.times = h.timesOf(p.status, says, &d, targeted, rec.x.began, now)
	p.fields = slices.DeleteFunc(p.fields, func(f field) bool { return h.isOwn(f.name, &d) })
	p.derive()
	return p, d
}

// about says whether a 304 with an entity tag, or none, is about what is stored.
func about(old *Response, etag string) bool {
	if weak, ok := strings.CutPrefix(etag, "W/"); ok {
		return old.etag == "" || strings.TrimPrefix(old.etag, "W/") == weak
	}
	return etag == "" || etag == old.etag
}

// isOwn says whether a field of an answer is for the one who asked.
func (h *Cache) isOwn(name string, d *directives) bool {
	return name == "Set-Cookie" && h.on(ruleSetCookie) ||
		h.on(ruleQualified) && (slices.Contains(d.noCacheFields, name) || slices.Contains(d.privateFields, name))
}

func (h *Cache) merged(old *Response, header, before http.Header) *Response {
	p := &Response{kind: whole, status: old.status, body: old.body, date: old.date, tags: old.tags, own: old.own, gone: old.gone}
	p.fields = slices.Clone(old.fields)
	if !h.on(ruleUpdate) {
		return p
	}
	d, _ := h.control(header)
	fresh, _ := h.kept(header, before, &d)
	for _, f := range fresh {
		if !notUpdated[f.name] {
			p.fields = put(p.fields, f.name, f.values)
			p.fields[slices.IndexFunc(p.fields, func(is field) bool { return is.name == f.name })].adds = f.adds
		}
	}
	if header["Date"] == nil {
		p.fields = put(p.fields, "Date", []string{formatDate(time.Now())})
	}
	if tags := h.tagsOf(header); tags != nil {
		p.tags = tags
	}
	if own := header[ownTarget]; own != nil {
		p.own = cloneAll(own)
	}
	return p
}

func fieldsHeader(fields []field) http.Header {
	header := make(http.Header, len(fields))
	for _, f := range fields {
		header[f.name] = f.values
	}
	return header
}

// headUpdate: what the answer to a HEAD tells about a stored GET (RFC 9111, 4.3.5).
func (h *Cache) headUpdate(rec *recorder, status int, header http.Header) {
	old := rec.old
	if old == nil || status != http.StatusOK || old.status != http.StatusOK || !h.on(ruleHeadUpdate) {
		return
	}
	same := func(name string) bool {
		v := first(header[name])
		return v == "" || v == first(get(old.fields, name))
	}
	length := first(header["Content-Length"])
	ctx := context.WithoutCancel(rec.x.r.Context())
	if !same("Etag") || !same("Last-Modified") || length != "" && length != old.length[0] {
		_ = h.store.Delete(ctx, rec.x.key) // closed: then nothing is kept anyway
		return
	}
	if first(header["Etag"]) == "" && first(header["Last-Modified"]) == "" {
		return // nothing says that it is the same
	}
	if rec.x.asked != nil && rec.x.asked.noStore && h.on(ruleRequestNoStore) {
		return
	}
	var known []string
	if rec.x.marker != nil {
		known = rec.x.marker.names
	}
	p, d := h.freshened(rec, header, h.clock.Exact())
	if h.forbidden(old.status, &d) || h.personal(rec, header, &d) || rec.unclear(header) || !subset(rec.varyNames(header), known) {
		return
	}
	meta := cache.Meta{TTL: h.retention(&p.times, true, h.clock.Exact()), Since: rec.since, Tags: h.storeTags(&rec.x.primary, p.tags)}
	if meta.TTL > 0 && !h.deletedSince(&rec.x.primary, rec.x.began) {
		_ = h.set(ctx, rec.x, rec.x.key.own(), p, meta)
	}
}

// weakETag is a hash of a body: the same in all processes.
func weakETag(body []byte) string {
	return `W/"` + strconv.FormatUint(fnv(body), 36) + "-" + strconv.FormatInt(int64(len(body)), 36) + `"`
}

func fnv(b []byte) uint64 {
	n := uint64(14695981039346656037)
	for _, c := range b {
		n = (n ^ uint64(c)) * 1099511628211
	}
	return n
}
