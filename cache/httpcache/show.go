package httpcache

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const cacheStatusField = "Cache-Status"

// shown says how something that is stored came to be shown.
type shown struct {
	fwd       string // why the request was forwarded; empty if it was not
	status    int    // what came of that
	collapsed bool
	stored    bool
	detail    string
}

// show answers with what is stored.
func (h *Cache) show(w http.ResponseWriter, x *exchange, p *Response, now int64, how shown) {
	r, header := x.r, w.Header()
	p.write(header)
	h.mark(header, p, now, how)
	if p.status == http.StatusOK {
		if x.said&saidCondition != 0 && h.on(ruleNotModified) && h.unchanged(r, p) {
			notModified(header)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if x.said&saidRange != 0 && r.Header["Range"] != nil && r.Method == http.MethodGet && h.on(ruleRange) && ofBytes(r.Header["Range"]) {
			h.part(w, r, p)
			return
		}
	}
	if !bodyless(p.status) {
		header["Content-Length"] = p.length
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead || !h.on(ruleHead) {
		w.Write(p.body)
	}
}

// notModified takes out of a header what tells of a body that is not sent.
func notModified(header http.Header) {
	delete(header, "Content-Length")
	delete(header, "Content-Type")
	delete(header, "Content-Encoding")
}

// mark sets Age and Cache-Status.
func (h *Cache) mark(header http.Header, p *Response, now int64, how shown) {
	age := p.times.current(now)
	f := p.face.Load()
	if second := int64(age / time.Second); f == nil || f.second != second {
		f = &face{second: second, age: []string{strconv.FormatInt(second, 10)}}
		if h.statusOn() {
			f.status = h.statusLines(get(p.fields, cacheStatusField), p, now, shown{})
		}
		p.face.Store(f)
	}
	if h.on(ruleAgeField) {
		header["Age"] = f.age
	}
	switch {
	case !h.statusOn():
	case how == shown{}:
		header[cacheStatusField] = f.status
	default:
		header[cacheStatusField] = h.statusLines(get(p.fields, cacheStatusField), p, now, how)
	}
}

func (h *Cache) statusOn() bool { return h.cfg.CacheStatus != statusOff && h.on(ruleCacheStatus) }

// statusLines is a Cache-Status field with this cache's member at its end (RFC 9211).
func (h *Cache) statusLines(before []string, p *Response, now int64, how shown) []string {
	b := make([]byte, 0, 64)
	b = append(b, h.cfg.CacheStatus...)
	if how.fwd == "" {
		b = append(b, "; hit"...)
	} else {
		b = append(b, "; fwd="...)
		b = append(b, how.fwd...)
		if how.status != 0 {
			b = append(b, "; fwd-status="...)
			b = strconv.AppendInt(b, int64(how.status), 10)
		}
		if how.stored {
			b = append(b, "; stored"...)
		}
		if how.collapsed {
			b = append(b, "; collapsed"...)
		}
	}
	if p != nil {
		b = append(b, "; ttl="...)
		left := p.times.lifetime - p.times.current(now)
		b = strconv.AppendInt(b, int64(left.Round(time.Second)/time.Second), 10)
	}
	if how.detail != "" {
		b = append(b, "; detail="...)
		b = append(b, how.detail...)
	}
	lines := make([]string, 0, len(before)+1)
	return append(append(lines, before...), string(b))
}

// unchanged says whether a client has already what is stored (RFC 9111, 4.3.2).
func (h *Cache) unchanged(r *http.Request, p *Response) bool {
	if lines := r.Header["If-None-Match"]; lines != nil {
		return matchesAny(lines, p.etag)
	}
	since := r.Header["If-Modified-Since"]
	if len(since) != 1 {
		return false
	}
	t, ok := parseDate(since[0])
	if !ok {
		return false
	}
	modified, ok := parseDate(first(get(p.fields, "Last-Modified")))
	if !ok {
		modified = p.date
	}
	return !modified.IsZero() && !modified.After(t)
}

// matchesAny compares entity tags weakly (RFC 9110, 8.8.3.2).
func matchesAny(lines []string, etag string) bool {
	for _, line := range lines {
		for line != "" {
			var tag string
			tag, line = cutTag(line)
			if tag = trimOWS(tag); tag == "*" || tag != "" && etag != "" && strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") {
				return true
			}
		}
	}
	return false
}

// cutTag takes the first entity tag off a list. Nothing is escaped in one.
func cutTag(s string) (tag, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// ofBytes says whether a range is one of bytes. Others are as if they were not there
// (RFC 9110, 14.2).
func ofBytes(lines []string) bool { return len(lines) == 1 && strings.HasPrefix(lines[0], "bytes=") }

// part answers a request for a range out of the whole (RFC 9110, 14.2).
func (h *Cache) part(w http.ResponseWriter, r *http.Request, p *Response) {
	modified, _ := parseDate(first(get(p.fields, "Last-Modified")))
	if p.date.Sub(modified) < time.Second {
		modified = time.Time{} // there may be two versions of that second: no If-Range by it (8.8.2.2)
	}
	if !h.on(ruleIfRange) && r.Header["If-Range"] != nil {
		r = r.Clone(r.Context())
		delete(r.Header, "If-Range")
	}
	if _, typed := w.Header()["Content-Type"]; !typed {
		w.Header()["Content-Type"] = nil
	}
	delete(w.Header(), "Content-Length")
	http.ServeContent(w, withoutConditions(r), "", modified, bytes.NewReader(p.body))
}

// withoutConditions is a request whose conditions have been judged.
func withoutConditions(r *http.Request) *http.Request {
	if r.Header["If-None-Match"] == nil && r.Header["If-Modified-Since"] == nil {
		return r
	}
	out := *r
	out.Header = r.Header.Clone()
	delete(out.Header, "If-None-Match")
	delete(out.Header, "If-Modified-Since")
	return &out
}
