package ratelimit

import (
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Quota is so many tokens in a window of the calendar, where a contract says
// so: 10000 a day is 10000 at five to midnight and 10000 more at midnight. All of
// it may be used at once; a Rate beside it, as another Policy, keeps the service
// from that. Counts are in memory and gone after a restart, unless the Policy is
// shared.
type Quota struct {
	// N is how many, up to 268 million.
	N int64
	// Each is the window. Required.
	Each Window
	// Zone is where midnight is. Default UTC.
	Zone *time.Location
}

// Window is a window of the calendar.
type Window uint8

// The windows.
const (
	Hour Window = iota + 1
	Day
	Month
)

const (
	// windowShift is the bits of a count in the time of a slot; above them is the
	// number of the window.
	windowShift = 28
	mostQuota   = 1<<windowShift - 1
)

func (q Quota) validate() error {
	switch {
	case q.N < 1 || q.N > mostQuota:
		return fmt.Errorf("Quota.N must be between 1 and %d (got %d)", mostQuota, q.N)
	case q.Each < Hour || q.Each > Month:
		return fmt.Errorf("Quota.Each must be Hour, Day or Month (got %d)", q.Each)
	}
	return nil
}

// meter counts tokens: one is one tick, and no time pays for it.
func (q Quota) meter(kept Reserve) (*meter, error) {
	if err := q.validate(); err != nil {
		return nil, fmt.Errorf("seawall/ratelimit: %w", err)
	}
	if err := kept.validate(); err != nil {
		return nil, err
	}
	seconds := q.Each.seconds()
	m := &meter{rate: Rate{Limit: rate.Limit(float64(q.N) / float64(seconds)), Burst: q.N, Window: time.Duration(seconds) * time.Second}, tick: 1}
	m.spread(1, kept)
	return m, nil
}

// String is as in "10000 a day".
func (q Quota) String() string {
	return strconv.FormatInt(q.N, 10) + [...]string{"", " an hour", " a day", " a month"}[min(q.Each, Month)]
}

// seconds of a window, about.
func (w Window) seconds() int64 {
	return [...]int64{1, 3600, 24 * 3600, 30 * 24 * 3600}[min(w, Month)]
}

// calendar knows which window it is.
type calendar struct {
	Quota
	now atomic.Pointer[calendarWindow]
}

type calendarWindow struct {
	number int64 // of the calendar
	order  int64 // in which they came: the next one's is higher, wherever the clock is set to
	ends   time.Time
	until  int64 // when it ends, or is to be looked at again, in units
	over   int64 // when it ends, in units
	label  string
}

// at is the beginning of the window in the time of a table's slots.
func (w *calendarWindow) at() int64 { return w.order << windowShift }

func (w *calendarWindow) endsIn(now int64) int64 { return max(w.over-now, 1) }

func newCalendar(q Quota) *calendar {
	if q.Zone == nil {
		q.Zone = time.UTC
	}
	return &calendar{Quota: q}
}

// window is the present one. The wall clock is read when it may have ended, and
// each minute in case somebody sets it.
func (c *calendar) window(now int64) *calendarWindow {
	w := c.now.Load()
	if w != nil && now < w.until {
		return w
	}
	wall := time.Now().In(c.Zone)
	next := &calendarWindow{}
	y, m, d := wall.Date()
	switch c.Each {
	case Hour:
		next.number = wall.Unix() / 3600
		next.ends = time.Unix((next.number+1)*3600, 0)
	case Day:
		next.number = time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 3600)
		next.ends = midnight(y, m, d+1, c.Zone)
	case Month:
		next.number = int64(y)*12 + int64(m) - 1
		next.ends = midnight(y, m+1, 1, c.Zone)
	}
	next.follow(w)
	left := max(next.ends.Sub(wall), time.Millisecond)
	next.until = now + int64(min(left, time.Minute))<<unitShift
	next.over = now + int64(left)<<unitShift
	next.label = ":" + strconv.FormatInt(next.number, 10)
	c.now.CompareAndSwap(w, next)
	return next
}

// follow sets the order. A clock set back a little over midnight begins no window
// again; after one that was far ahead nobody waits until it would have been that
// day.
func (w *calendarWindow) follow(before *calendarWindow) {
	switch {
	case before == nil:
		w.order = w.number
	case w.number == before.number:
		w.order = before.order
	case w.number == before.number-1:
		w.number, w.ends, w.order = before.number, before.ends, before.order
	default:
		w.order = before.order + 1
	}
}

// midnight is when a day begins: on some, the clock goes from midnight to one,
// and time.Date says eleven of the day before.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if h, _, _ := t.Clock(); h >= 12 {
		_, t = t.ZoneBounds()
	}
	return t
}

// follow goes on with the windows of another one.
func (c *calendar) follow(before *calendar) {
	if w := before.now.Load(); w != nil {
		again := *w
		again.until = math.MinInt64
		c.now.Store(&again)
	}
}
