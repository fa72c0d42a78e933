package httpcache

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
	"github.com/seawall-go/seawall/internal/respwriter"
)

// recorder is the writer that a handler gets. It looks at the header when that is
// complete, and decides what becomes of the answer.
type recorder struct {
	h *Cache
	w http.ResponseWriter
	x *exchange
	// given is what the handler is asked, and may change. That of the exchange stays
	// as the client sent it: by that the next one is looked up.
	given *http.Request
	f     *flight // nil if nobody waits
	t     *ticket // nil if the store was not asked before

	old        *Response // what is there, stale
	validating bool      // the handler was asked about old
	stripped   bool      // of the client's conditions
	silent     bool      // the client has been told that it has it already
	fwd        string
	before     http.Header // what stood there before the handler
	since      cache.Stamp
	unsafe     bool // a method that changes something

	mode     mode
	status   int
	sent     bool
	draft    *Response // what will be kept, without its body
	names    []string  // of Vary
	declared int64     // Content-Length, or -1
	buf      []byte
	held     int64       // bytes for buf that are counted in h.recording
	fixed    http.Header // what it was when it was decided; nil if it has gone out
	broken   bool        // the handler was told that the client is gone
	reason   seawall.Reason
	unfit    bool // the answer would be kept for nobody, whoever asked
	// withdraws is what is to be noted in place of what is stored.
	withdraws loaded
	stall     *time.Timer
}

type mode uint8

const (
	undecided mode = iota
	passing        // as if this was not here
	holding        // until it is complete
	teeing         // to the client, and kept
	dropping       // something stored is shown instead
	unchanged      // a 304 about what is stored
)

// holdMost is how much of an answer that nobody else waits for is held back to know
// its length and whether it is complete.
const holdMost = 64 << 10

// stallMost is for how long others wait for a client that does not read what is
// sent to it: then they have the handler asked anew.
const stallMost = 250 * time.Millisecond

// record makes a recorder for one request.
func (h *Cache) record(w http.ResponseWriter, x *exchange, what verdict) *recorder {
	rec := &recorder{h: h, w: w, x: x, fwd: x.why(what, x.began), before: maps.Clone(w.Header()), since: h.store.Stamp(), declared: -1}
	if cookies := rec.before["Set-Cookie"]; cookies != nil {
		rec.before["Set-Cookie"] = slices.Clone(cookies) // who changes them in their place has set some
	}
	if x.p != nil && x.p.kind == whole && h.still(x) { // not purged since it was found
		rec.old = x.p
		rec.validating = x.p.validators() && x.r.Method == http.MethodGet && h.on(ruleValidate)
	}
	return rec
}

// run asks the handler.
func (rec *recorder) run(ctx context.Context) {
	defer rec.release()
	r := rec.request(ctx)
	rec.serve(r)
	if rec.finish(r) { // a 304 about something that is not stored
		rec.again(ctx)
	}
}

func (rec *recorder) serve(r *http.Request) {
	if r != rec.x.r {
		defer func() { // what net/http, and who stands in front, look at afterwards
			rec.x.r.Pattern = r.Pattern
			if r.MultipartForm != nil {
				rec.x.r.MultipartForm = r.MultipartForm
			}
		}()
	}
	rec.x.next.ServeHTTP(respwriter.Over(rec), r)
}

// again asks once more, without the condition that was misunderstood.
func (rec *recorder) again(ctx context.Context) {
	rec.restore()
	rec.validating, rec.mode, rec.buf = false, undecided, nil
	r := rec.request(ctx)
	rec.serve(r)
	rec.finish(r)
}

// request is what the handler is asked, with fields of its own: it may change them.
// What changes something gets the one that came: nothing of it is needed here again.
func (rec *recorder) request(ctx context.Context) *http.Request {
	r := rec.x.r
	if rec.unsafe {
		rec.given = r
		return r
	}
	rec.x.called = rec.h.clock.Exact()
	out := r.WithContext(ctx)
	out.Header = r.Header.Clone()
	rec.given = out
	if rec.validating || rec.stripped || rec.x.p != nil && rec.x.p.kind == wants && r.Method == http.MethodGet {
		delete(out.Header, "If-None-Match")
		delete(out.Header, "If-Modified-Since")
		rec.stripped = true
	}
	if rec.validating {
		if tag := rec.old.etag; tag != "" && !(rec.h.cfg.ETag && tag == weakETag(rec.old.body)) { // the handler does not know that one
			out.Header["If-None-Match"] = []string{rec.old.etag}
		}
		if modified := get(rec.old.fields, "Last-Modified"); modified != nil {
			out.Header["If-Modified-Since"] = modified[:1:1]
		}
	}
	if out.URL.RawQuery != rec.x.primary.Query && len(rec.h.ignore) > 0 {
		u := *r.URL
		u.RawQuery = rec.x.primary.Query
		out.URL, out.RequestURI = &u, u.RequestURI()
	}
	return out
}

// decide is called with the status before anything is sent. If the handler has not
// said it, net/http will in its time: a handler that copies a body may have to read
// before the header goes out.
func (rec *recorder) decide(status int, said bool) {
	h, now := rec.h, rec.h.clock.Exact()
	rec.status = status
	header := rec.w.Header()
	if rec.x.r.ProtoMajor == 1 && (status == http.StatusRequestEntityTooLarge || rec.unsafe && beyondLimit(rec.x.r.Body)) {
		// http.MaxBytesReader tells net/http's own writer to close, which it does not
		// find here. Otherwise the rest of the body would have to be read.
		header.Set("Connection", "close")
	}
	switch {
	case rec.unsafe:
		rec.mode, rec.sent = passing, said
		h.invalidate(rec.x, status, header)
		rec.keepInside(header)
		if said {
			rec.w.WriteHeader(status)
		}
		return
	case status == http.StatusSwitchingProtocols:
		rec.pass(errNotKept, said)
		return
	case rec.validating && status == http.StatusNotModified:
		rec.mode, rec.fixed = unchanged, maps.Clone(header)
		return
	case rec.old != nil && h.failure(status, header) && h.standsIn(rec.old, now) && !h.forgotten(rec.x):
		rec.mode = dropping
		rec.reason = seawall.CircuitOpen // as package cache says of a load that fails
		if own := first(header[seawall.ReasonHeader]); own != "" {
			rec.reason = seawall.Reason(own)
		}
		if status != http.StatusTooManyRequests { // that is about one client
			h.pause(rec.old)
		}
		rec.t.settle(loaded{err: errNotKept})
		return
	}
	d, targeted := h.control(header)
	t := h.timesOf(status, header, &d, targeted, rec.x.began, now)
	if rec.x.r.Method == http.MethodHead {
		h.headUpdate(rec, status, header)
	}
	rec.declared = declaredLength(header)
	if !h.storable(rec, status, header, &d, &t, now) {
		rec.unfit = h.forbidden(status, &d) || !h.personal(rec, header, &d)
		rec.keepInside(header)
		rec.pass(nil, said)
		return
	}
	rec.draft = &Response{kind: whole, status: status, times: t, tags: h.tagsOf(header), own: cloneAll(header[ownTarget])}
	rec.draft.fields, rec.draft.gone = h.kept(header, rec.before, &d)
	rec.names = rec.varyNames(header)
	rec.keepInside(header)
	rec.mode, rec.fixed = holding, maps.Clone(header)
	if t.fresh(now) > 0 {
		h.open(rec.f, true, rec.names, varyPart(rec.names, rec.x.r.Header))
		return
	}
	// Nobody is to wait for it: neither here nor in the store.
	h.open(rec.f, false, nil, "")
	rec.t.settle(loaded{err: errNotKept})
	rec.t = nil
}

// keepInside takes out of an answer what the handler says to this cache alone.
func (rec *recorder) keepInside(header http.Header) {
	delete(header, ownTarget)
	if rec.h.cfg.KeepTags {
		return
	}
	for _, name := range rec.h.cfg.TagFields {
		if lines := header[name]; lines != nil && !slices.Equal(lines, rec.before[name]) {
			delete(header, name)
		}
	}
}

// pass lets an answer through. Err says why nothing is noted about it.
func (rec *recorder) pass(err error, said bool) {
	h := rec.h
	rec.mode = passing
	note := loaded{err: err}
	if err == nil {
		note = h.marker(rec, rec.status)
	}
	if rec.old != nil && note.p != nil { // it takes the place of what is there, if it comes to its end
		rec.withdraws, note = note, loaded{err: errNotKept}
	}
	h.note(rec, note)
	switch {
	case note.p != nil:
		h.scatter(rec.x.behind)
	case rec.status >= 500 && rec.w.Header()[seawall.ReasonHeader] == nil: // what refuses knows whom, and is ready for all
		h.fail(rec.f)
	}
	if note.p != nil && note.p.kind == wants && rec.f != nil {
		// The others look again, and one of them asks for the whole.
		if rec.t != nil {
			<-rec.t.got
		}
		h.open(rec.f, true, nil, "")
		h.land(rec.f, nil, shown{})
	}
	h.open(rec.f, false, nil, "")
	rec.send(shown{fwd: rec.fwd, status: rec.status}, said)
}

// send sends the header, or prepares it if the handler has not said the status.
func (rec *recorder) send(how shown, said bool) {
	header := rec.w.Header()
	if rec.h.statusOn() {
		header[cacheStatusField] = rec.h.statusLines(header[cacheStatusField], nil, 0, how)
	}
	status := rec.status
	if rec.stripped && status == http.StatusOK && rec.h.on(ruleNotModified) && rec.has(header) {
		status, said, rec.silent = http.StatusNotModified, true, true
		notModified(header)
	}
	if said {
		rec.sent = true
		rec.w.WriteHeader(status)
	}
}

// has says whether the client has what the handler is about to send.
func (rec *recorder) has(header http.Header) bool {
	p := Response{fields: []field{{name: "Last-Modified", values: header["Last-Modified"]}}, etag: first(header["Etag"])}
	return rec.h.unchanged(rec.x.r, &p)
}

// toClient writes to the client, unless it has that already.
func (rec *recorder) toClient(b []byte) (int, error) {
	if rec.silent {
		return len(b), nil
	}
	return rec.w.Write(b)
}

// begun decides if nothing has yet.
func (rec *recorder) begun() {
	if rec.mode == undecided {
		rec.decide(http.StatusOK, false)
	}
}

func (rec *recorder) Unwrap() http.ResponseWriter { return rec.w }
func (rec *recorder) Header() http.Header         { return rec.w.Header() }

func (rec *recorder) WriteHeader(status int) {
	switch {
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols, status < 100 || status > 999:
		rec.w.WriteHeader(status) // more will come after it; or it panics
	case rec.mode == undecided:
		rec.decide(status, true)
	case rec.sent:
		rec.w.WriteHeader(status) // which says that it is superfluous
	}
}

func (rec *recorder) Write(b []byte) (int, error) {
	rec.begun()
	switch rec.mode {
	case passing:
		return rec.toClient(b)
	case dropping, unchanged:
		return len(b), nil
	case undecided, holding, teeing:
	}
	if bodyless(rec.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if n := int64(len(rec.buf) + len(b)); n > rec.h.cfg.MaxBody || rec.declared >= 0 && n > rec.declared {
		return rec.passOn(b, true)
	}
	if rec.mode == holding && len(rec.buf)+len(b) > holdMost && (rec.f == nil || !rec.f.others()) {
		if err := rec.tee(); err != nil {
			return 0, err
		}
	}
	if !rec.room(len(b)) {
		return rec.passOn(b, false)
	}
	rec.buf = append(rec.buf, b...)
	if rec.mode == teeing {
		rec.watch()
		n, err := rec.toClient(b)
		rec.unwatch()
		if err != nil && (rec.f == nil || !rec.f.others()) {
			rec.broken = true
			return n, err
		}
	}
	return len(b), nil
}

func (rec *recorder) WriteString(s string) (int, error) {
	rec.begun()
	if rec.mode == passing && !rec.silent {
		return io.WriteString(rec.w, s)
	}
	return rec.Write([]byte(s))
}

// ReadFrom leaves the copying to what is below where nothing is kept.
func (rec *recorder) ReadFrom(src io.Reader) (int64, error) {
	return copyFrom(src, rec, rec.mode != undecided, func() io.Writer {
		if rec.mode == passing && !rec.silent {
			return rec.w
		}
		return onlyWriter{rec}
	})
}

// FlushError sends what there is. From then on the rest goes to the client as it
// comes.
func (rec *recorder) FlushError() error {
	rec.begun()
	switch rec.mode {
	case dropping, unchanged:
		return nil
	case holding:
		if err := rec.tee(); err != nil {
			return err
		}
	case undecided, passing, teeing:
	}
	if rec.mode == teeing {
		rec.watch()
		defer rec.unwatch()
	}
	return http.NewResponseController(rec.w).Flush()
}

// complete fills in what net/http would, so that all get the same.
func (rec *recorder) complete(whole bool) {
	header := rec.w.Header()
	if _, typed := header["Content-Type"]; !typed && len(rec.buf) > 0 && header["Content-Encoding"] == nil {
		kind := []string{http.DetectContentType(rec.buf)}
		header["Content-Type"] = kind
		rec.draft.fields = put(rec.draft.fields, "Content-Type", kind)
	}
	if _, dated := header["Date"]; !dated {
		date := []string{formatDate(time.Now())}
		header["Date"] = date
		rec.draft.fields = put(rec.draft.fields, "Date", date)
	}
	if !whole {
		return
	}
	if rec.h.cfg.ETag && rec.status == http.StatusOK && header["Etag"] == nil {
		tag := []string{weakETag(rec.buf)}
		header["Etag"] = tag
		rec.draft.fields = put(rec.draft.fields, "Etag", tag)
	}
	if !bodyless(rec.status) && rec.declared < 0 {
		header["Content-Length"] = []string{strconv.Itoa(len(rec.buf))}
	}
}

// finish is for when the handler has returned. It says whether it has to be asked
// again.
func (rec *recorder) finish(r *http.Request) (askAgain bool) {
	rec.begun()
	h := rec.h
	switch rec.mode {
	case holding, teeing:
		rec.end(r)
	case unchanged:
		rec.asDecided()
		return !rec.updated()
	case dropping:
		rec.restore()
		if _, nobody := rec.w.(*sink); nobody {
			h.renewalFailed(rec.x, rec.reason)
		} else {
			h.degraded(rec.x, rec.reason)
		}
		how := shown{fwd: rec.fwd, status: rec.status, detail: "stale-if-error"}
		if rec.status != http.StatusTooManyRequests {
			h.land(rec.f, rec.old, how)
		}
		h.show(rec.w, rec.x, rec.old, h.clock.Exact(), how)
	case passing:
		if rec.withdraws.p != nil {
			rec.t = nil
			h.note(rec, rec.withdraws)
		}
	case undecided:
	}
	return false
}

// end is for what has been kept along.
func (rec *recorder) end(r *http.Request) {
	h := rec.h
	rec.asDecided()
	complete := (rec.declared < 0 || rec.declared == int64(len(rec.buf))) && r.Context().Err() == nil && !rec.broken && !trailers(rec.w.Header())
	if !complete && h.on(ruleComplete) || rec.f.overtaken(h, rec.x) {
		rec.t.settle(loaded{err: errNotKept})
		h.land(rec.f, nil, shown{})
		if rec.mode == holding {
			rec.send(shown{fwd: rec.fwd, status: rec.status}, true)
			_, _ = rec.toClient(rec.buf) // the client may have gone
		}
		return
	}
	held := rec.mode == holding
	if held {
		rec.complete(true)
	}
	p := rec.draft
	p.body = rec.buf
	p.derive()
	kept := h.keep(rec, p)
	how := shown{fwd: rec.fwd, status: rec.status, stored: kept}
	h.land(rec.f, p, how)
	if kept { // and counted there: a client that reads slowly takes nothing more
		rec.release()
	}
	if rec.x.behind != nil && kept {
		h.retry(rec.x.behind)
	}
	if !held {
		return
	}
	header := rec.w.Header()
	if h.statusOn() {
		header[cacheStatusField] = h.statusLines(header[cacheStatusField], nil, 0, how)
	}
	rec.sent = true
	if p.status == http.StatusOK && h.on(ruleNotModified) && h.unchanged(rec.x.r, p) {
		notModified(header)
		rec.w.WriteHeader(http.StatusNotModified)
		return
	}
	rec.w.WriteHeader(rec.status)
	if len(rec.buf) > 0 {
		rec.w.Write(rec.buf)
	}
}
