package httpcache

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recordMost is for how many bytes there is room in all answers under way together
// where MaxBytes does not say it.
const recordMost = 32 << 20

// room makes room for n bytes more of an answer, and says whether there is any. It
// begins small, whatever the answer says of its length: that may never come.
func (rec *recorder) room(n int) bool {
	need := len(rec.buf) + n
	if need <= cap(rec.buf) {
		return true
	}
	size := max(need, min(2*cap(rec.buf), int(rec.h.cfg.MaxBody)))
	if rec.declared >= 0 {
		size = min(max(size, holdMost), max(need, int(rec.declared)))
	}
	if more := int64(size) - rec.held; more > 0 {
		if rec.h.recording.Add(more) > rec.h.recordMost {
			rec.h.recording.Add(-more)
			return false
		}
		rec.held += more
	}
	rec.buf = append(slices.Grow([]byte(nil), size), rec.buf...)
	return true
}

// release counts back what was made room for.
func (rec *recorder) release() {
	if rec.held != 0 {
		rec.h.recording.Add(-rec.held)
		rec.held = 0
	}
}

// passOn writes to the client what will not be kept, and what comes before it.
func (rec *recorder) passOn(b []byte, tooLong bool) (int, error) {
	if err := rec.giveUp(tooLong); err != nil {
		return 0, err
	}
	return rec.toClient(b)
}

// giveUp sends what has been held back, and keeps nothing. What is too long will be so
// the next time; where there is no room, it may be kept then.
func (rec *recorder) giveUp(tooLong bool) error {
	held := rec.mode == holding
	rec.asDecided()
	rec.mode = passing
	if tooLong {
		rec.h.stats.tooLong.Add(1)
		rec.h.note(rec, rec.h.marker(rec, rec.status))
	} else {
		rec.h.stats.noRoom.Add(1)
		rec.t.settle(loaded{err: errNotKept})
	}
	rec.h.scatter(rec.f)
	buf := rec.buf
	rec.buf, rec.draft = nil, nil
	defer rec.release()
	if !held {
		return nil
	}
	rec.send(shown{fwd: rec.fwd, status: rec.status}, true)
	_, err := rec.toClient(buf)
	return err
}

// asDecided takes back what the handler has done to the header since it was decided, as
// it would be lost if that had gone out then. Only trailers may come so late.
func (rec *recorder) asDecided() {
	if rec.fixed == nil {
		return
	}
	header := rec.w.Header()
	maps.DeleteFunc(header, func(name string, _ []string) bool { return !strings.HasPrefix(name, http.TrailerPrefix) })
	maps.Copy(header, rec.fixed)
	rec.fixed = nil
}

// watch sees to it that who waits for this answer does not wait for its client. What
// is held back needs no watching: the handler does not notice its client then.
func (rec *recorder) watch() {
	switch {
	case rec.f == nil:
	case rec.stall == nil:
		rec.stall = time.AfterFunc(stallMost, func() { rec.h.strand(rec.f) })
	default:
		rec.stall.Reset(stallMost)
	}
}

func (rec *recorder) unwatch() {
	if rec.stall != nil {
		rec.stall.Stop()
	}
}

// HijackConn hands the connection over: what follows is nobody else's.
func (rec *recorder) HijackConn() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(rec.w).Hijack()
	if err == nil {
		if rec.unsafe && rec.mode == undecided { // nobody here will see what comes of it
			rec.h.invalidate(rec.x, http.StatusOK, rec.w.Header())
		}
		rec.mode, rec.sent = passing, true
		rec.h.open(rec.f, false, nil, "")
		rec.t.settle(loaded{err: errNotKept})
	}
	return conn, rw, err
}

// tee sends what has been held back, and goes on keeping what follows.
func (rec *recorder) tee() error {
	rec.mode = teeing
	rec.asDecided()
	rec.complete(false)
	rec.watch()
	defer rec.unwatch()
	rec.send(shown{fwd: rec.fwd, status: rec.status, stored: true}, true)
	_, err := rec.toClient(rec.buf)
	return err
}

// restore takes back what the handler has done to the header.
func (rec *recorder) restore() {
	header := rec.w.Header()
	clear(header)
	maps.Copy(header, rec.before)
}

func trailers(header http.Header) bool {
	if header["Trailer"] != nil {
		return true
	}
	for name := range header {
		if len(name) > len(http.TrailerPrefix) && name[:len(http.TrailerPrefix)] == http.TrailerPrefix {
			return true
		}
	}
	return false
}

func declaredLength(header http.Header) int64 {
	if header["Content-Length"] == nil {
		return -1
	}
	if n, err := strconv.ParseInt(first(header["Content-Length"]), 10, 63); err == nil && n >= 0 {
		return n
	}
	return -1
}
