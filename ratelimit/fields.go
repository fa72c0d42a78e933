package ratelimit

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/seawall-go/seawall"
)

// jitter is up to a tenth of so many seconds, by chance, so that those who are
// told the same do not come back together.
func jitter(seconds int64) int64 {
	return rand.Int64N(seconds/10 + 2) // a second more or none, at least
}

// prepare renders what does not change.
func (p *policy) prepare() {
	p.problems = [...]*seawall.Problem{p.problem(false), p.problem(true)}
	for i := range p.refusals {
		p.refusals[i] = p.refusal(int64(i), false)
	}
	p.told.Store(tell(p.cfg.Name, p.cfg.Rate, p.cfg.Quota))
}

func (e *entry) words() *told {
	if e.told != nil {
		return e.told
	}
	return e.p.told.Load()
}

// told is what the fields say of a policy that changes only with its rate.
type told struct {
	item   string   // "name"
	policy []string // the whole RateLimit-Policy item
	quota  string
}

func tell(name string, r Rate, q Quota) *told {
	r = r.defaults()
	n, window := int64(min(r.quota(), mostInteger)), int64(r.Window/time.Second)
	if q != (Quota{}) {
		n, window = q.N, q.Each.seconds()
	}
	t := &told{item: strconv.Quote(name), quota: strconv.FormatInt(n, 10)}
	t.policy = []string{t.item + ";q=" + t.quota + ";w=" + strconv.FormatInt(window, 10)}
	return t
}

// mostInteger is the largest a structured field may hold (RFC 9651).
const mostInteger = 999_999_999_999_999

var fieldNames = [...]string{"Ratelimit", "Ratelimit-Policy"}

// tell sets the fields that a response should carry. More than one policy is
// more than one item of the list.
func (rs *rules) tell(h http.Header, c *charge, refused bool) {
	switch rs.cfg.Fields {
	case NoFields:
		return
	case Legacy:
		c.legacy(h)
		return
	case Near:
		near := refused
		for i := range c.entries[:c.n] {
			near = near || c.entries[i].d.near()
		}
		if !near {
			return
		}
	case Always:
	}
	if c.n == 0 {
		return
	}
	var buf [256]byte
	b := buf[:0]
	for i := range c.entries[:c.n] {
		e := &c.entries[i]
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, e.words().item...)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, min(e.d.Remaining(), mostInteger), 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, e.d.more(), 10)
	}
	h[fieldNames[0]] = []string{string(b)}
	if c.n == 1 {
		h[fieldNames[1]] = c.entries[0].words().policy
		return
	}
	b = buf[:0]
	for i := range c.entries[:c.n] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, c.entries[i].words().policy[0]...)
	}
	h[fieldNames[1]] = []string{string(b)}
}

// near: less than a quarter of the burst is left.
func (d Decision) near() bool {
	return d.meter != nil && d.meter.tol > 0 && d.debt > d.meter.tol-d.meter.tol/4
}

// more is the seconds until there is more than now, rounded up.
func (d Decision) more() int64 {
	if !d.OK {
		return int64((min(d.RetryAfter(), 24*time.Hour) + time.Second - 1) / time.Second)
	}
	if d.meter == nil || d.meter.inc == 0 || d.debt == 0 {
		return 0
	}
	if d.end > 0 {
		return int64((toDuration(d.end, 1) + time.Second - 1) / time.Second)
	}
	return int64((toDuration((d.debt-1)%d.meter.inc+1, d.meter.tick) + time.Second - 1) / time.Second)
}

func (c *charge) legacy(h http.Header) {
	least := -1
	for i := range c.entries[:c.n] {
		if least < 0 || c.entries[i].d.Remaining() < c.entries[least].d.Remaining() {
			least = i
		}
	}
	if least < 0 {
		return
	}
	e := &c.entries[least]
	reset := int64((e.d.ResetAfter() + time.Second - 1) / time.Second)
	h["X-Ratelimit-Limit"] = []string{e.words().quota}
	h["X-Ratelimit-Remaining"] = []string{strconv.FormatInt(e.d.Remaining(), 10)}
	h["X-Ratelimit-Reset"] = []string{strconv.FormatInt(reset, 10)}
}
