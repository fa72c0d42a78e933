package ratelimit

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seawall-go/seawall"
)

// jitter is up to a tenth of so many seconds, by chance, so that those who are
// told the same do not come back together.
func jitter(seconds int64) int64 {
	return rand.Int64N(seconds/10 + 2) // a second more or none, at least
}

// inSeconds rounds up. A ten-millionth over is what ticks that are no whole
// nanoseconds add.
func inSeconds(d time.Duration) int64 {
	return int64((d - d/1e7 + time.Second - 1) / time.Second)
}

// prepare renders what does not change.
func (p *policy) prepare() {
	p.problems = [...]*seawall.Problem{p.problem(false), p.problem(true)}
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
	empty  [rememberedLeft]atomic.Pointer[empty]
}

func tell(name string, r Rate, q Quota) *told {
	r = r.defaults()
	// A tenth of a token in 60 is what a float makes of Per(61, 7s).
	n, window := int64(min(math.Floor(r.quota()*(1+1e-12)+1e-9), mostInteger)), int64(r.Window/time.Second)
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
// more than one item of the list. What is in dry run is told to nobody, who
// would obey it, and what has no limit has nothing to tell.
func (rs *rules) tell(w http.ResponseWriter, c *charge, refused bool) {
	if rs.cfg.Fields == NoFields {
		return
	}
	near := refused || rs.cfg.Fields != Near
	for i := 0; i < c.n && !near; i++ {
		near = c.entries[i].d.near()
	}
	if !near {
		return
	}
	var told [maxPolicies]*entry
	all := told[:0]
	for i := range c.entries[:c.n] {
		if e := &c.entries[i]; !e.d.unlimited() && e.p.mode.Load() != modeDryRun {
			all = append(all, e)
		}
	}
	switch {
	case len(all) == 0:
	case rs.cfg.Fields == Legacy:
		legacy(w.Header(), all)
	default:
		listed(w.Header(), all)
	}
}

func listed(h http.Header, all []*entry) {
	// Of another Limits further out there may be some already.
	before := h[fieldNames[0]]
	if len(all) == 1 && before == nil {
		w := all[0].words()
		h[fieldNames[0]] = w.left(min(all[0].d.Remaining(), mostInteger), all[0].d.more())
		h[fieldNames[1]] = w.policy
		return
	}
	var buf [256]byte
	b := buf[:0]
	for i, e := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = e.words().appendLeft(b, min(e.d.Remaining(), mostInteger), e.d.more())
	}
	h[fieldNames[0]] = append(before, string(b))
	b = buf[:0]
	for i, e := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, e.words().policy[0]...)
	}
	h[fieldNames[1]] = append(h[fieldNames[1]], string(b))
}

func (t *told) appendLeft(b []byte, r, more int64) []byte {
	b = append(b, t.item...)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, r, 10)
	b = append(b, ";t="...)
	return strconv.AppendInt(b, more, 10)
}

// rememberedLeft is how many of them are.
const rememberedLeft = 1 << 8

// empty is a whole RateLimit field that says that nothing is left.
type empty struct {
	more  int64
	field []string
}

// left is a whole RateLimit field. Those that say that nothing is left are
// remembered: it is what everybody is told who is refused.
func (t *told) left(r, more int64) []string {
	var buf [128]byte
	if r > 0 {
		return []string{string(t.appendLeft(buf[:0], r, more))}
	}
	at := &t.empty[more%rememberedLeft]
	if e := at.Load(); e != nil && e.more == more {
		return e.field
	}
	e := &empty{more, []string{string(t.appendLeft(buf[:0], 0, more))}}
	at.Store(e)
	return e.field
}

// near: less than a quarter of the burst is left.
func (d Decision) near() bool {
	return d.meter != nil && d.meter.tol > 0 && d.debt > d.upTo-d.meter.tol/4
}

// more is the seconds until there is more than now, rounded up.
func (d Decision) more() int64 {
	if !d.OK {
		return inSeconds(min(d.RetryAfter(), 24*time.Hour))
	}
	if d.meter == nil || d.meter.inc == 0 || d.debt == 0 {
		return 0
	}
	if d.end > 0 {
		return inSeconds(toDuration(d.end, 1))
	}
	return inSeconds(toDuration((d.debt-1)%d.meter.inc+1, d.meter.tick))
}

// legacy tells of the policy with the least left.
func legacy(h http.Header, all []*entry) {
	e := slices.MinFunc(all, func(a, b *entry) int { return cmp.Compare(a.d.Remaining(), b.d.Remaining()) })
	h["X-Ratelimit-Limit"] = []string{e.words().quota}
	h["X-Ratelimit-Remaining"] = []string{strconv.FormatInt(e.d.Remaining(), 10)}
	h["X-Ratelimit-Reset"] = []string{strconv.FormatInt(inSeconds(e.d.ResetAfter()), 10)}
}
