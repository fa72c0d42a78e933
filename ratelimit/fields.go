package ratelimit

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
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
func (rs *rules) tell(h http.Header, c *charge, refused bool) {
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
		legacy(h, all)
	default:
		listed(h, all)
	}
}

func listed(h http.Header, all []*entry) {
	var buf [256]byte
	b := buf[:0]
	for i, e := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, e.words().item...)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, min(e.d.Remaining(), mostInteger), 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, e.d.more(), 10)
	}
	// Of another Limits further out there may be some already.
	h[fieldNames[0]] = append(h[fieldNames[0]], string(b))
	if before := h[fieldNames[1]]; len(all) == 1 && before == nil {
		h[fieldNames[1]] = all[0].words().policy
		return
	}
	b = buf[:0]
	for i, e := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, e.words().policy[0]...)
	}
	h[fieldNames[1]] = append(h[fieldNames[1]], string(b))
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
