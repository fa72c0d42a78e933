package shed

import (
	"math"
	"sync/atomic"

	"github.com/seawall-go/seawall"
)

// Within a priority nobody should have much more than others have. How much a
// user asks for is counted, refused or not, in a sketch: two rows of counters,
// a user in one cell of each, of which the smaller one counts (Estan and
// Varghese, 2002: conservative update). All are halved every 20 seconds.

const (
	shareCells  = 1 << 14
	shareShift  = 64 - 14
	tenantCells = 1 << 10
	tenantShift = 64 - 10
	shareHalf   = 20.0 // seconds
	shareEvery  = 0.25 // seconds between looks at the thresholds
	// The first request of a user in a second counts as much as newSecond
	// others: a journey is a few requests in one or two seconds, and abuse is
	// coming again and again. Who has more than overCount, and more than
	// overFactor times what users have on average, is over the share: three
	// seconds in twenty, or a flood.
	newSecond  = 4
	overCount  = 11
	overFactor = 2
	// Critical requests are over from farFactor times that on, and farMean times
	// what users have on average, those included who have not been met yet: the
	// most active of people ask eight times as often as that.
	farFactor = 1.75
	farMean   = 4
	newsFade  = 1.0 // seconds
	// How much the room scatters from look to look although nothing has changed,
	// and how much of it is then believed.
	passScatter = 0.25
	passGain    = 0.1
	// sharesFrom is how many requests there must have been: before that there
	// is nothing to share, and many a Shedder never sees more.
	sharesFrom = 500
)

// shares takes 144 KiB.
type shares struct {
	users   [2][shareCells]atomic.Uint32
	tenants [2][tenantCells]atomic.Uint32
	keeps   [2][tenantCells]atomic.Uint32 // of 128 cohorts of a tenant's users, those within its share

	over atomic.Uint32 // how many are too many
	far  atomic.Uint32 // and for Critical requests
	// met counts those who begin a second and are not over: in the upper half
	// all, in the lower those who had no count.
	met       atomic.Uint64
	all, news float64 // the same of the last seconds

	begun   bool
	halved  float64 // when that was, in seconds
	weighed float64 // when the tenants' shares were computed
	pass    float64 // what there is room for, without its scatter
}

// cells are where an ID is counted.
func cells(id seawall.ID, shift uint) (a, b uint64) {
	h := uint64(id) * 0x9e3779b97f4a7c15
	return h >> shift, mix(uint64(id)) >> shift
}

// user counts n requests, and reports whether the user is over the share, and
// whether that goes for Critical requests, too.
func (s *shares) user(id seawall.ID, n, second uint32) (over, far bool) {
	a, b := cells(id, shareShift)
	v, first := bump(&s.users[0][a], &s.users[1][b], n, second)
	if over = v > s.over.Load(); first && !over {
		one := uint64(1) << 32
		if v == n*newSecond {
			one |= 1
		}
		s.met.Add(one)
	}
	return over, v > s.far.Load()
}

// bump raises the smaller of two counters, or both, and returns it. A counter
// keeps in its lower 8 bits when it was last raised: the first request of a
// second weighs as much as newSecond others.
func bump(a, b *atomic.Uint32, n, second uint32) (v uint32, first bool) {
	va, vb := a.Load(), b.Load()
	least := va
	if vb>>8 < va>>8 {
		least = vb
	}
	if first = least&0xff != second&0xff; first {
		n *= newSecond
	}
	v = min(least>>8+n, 1<<24-1)
	if va>>8 <= v {
		a.Store(v<<8 | second&0xff) // a lost race costs a few counts
	}
	if vb>>8 <= v {
		b.Store(v<<8 | second&0xff)
	}
	return v, first
}

// tenant counts n requests.
func (s *shares) tenant(id seawall.ID, n uint32) {
	a, b := cells(id, tenantShift)
	bump(&s.tenants[0][a], &s.tenants[1][b], n, 0)
}

// keep is how many cohorts of the tenant's users are within its share.
func (s *shares) keep(id seawall.ID) uint32 {
	a, b := cells(id, tenantShift)
	return max(s.keeps[0][a].Load(), s.keeps[1][b].Load())
}

// step brings the thresholds up to date; pass is the share of the arrivals for
// which there is room, 1 outside of saturation.
func (s *shares) step(now, pass float64) {
	if !s.begun {
		s.begun, s.halved, s.weighed = true, now, now-shareEvery
	}
	for n := 0; now-s.halved >= shareHalf; n++ {
		s.halved += shareHalf
		if n > 24 { // nothing is left of counts of 24 bits
			s.halved = now
			break
		}
		s.halve()
	}
	if now-s.weighed < shareEvery {
		return
	}
	dt := now - s.weighed
	s.weighed = now
	total, used := 0.0, 0
	for i := range s.users[1] { // the row that scatters numbers in order, too
		if v := s.users[1][i].Load() >> 8; v > 0 {
			total += float64(v)
			used++
		}
	}
	// Distinct users from used cells: linear counting (Whang and others, 1990).
	distinct := -shareCells * math.Log(max(1-float64(used)/shareCells, 1.0/shareCells))
	mean := total / max(distinct, 1)
	over := max(overCount, overFactor*mean) + total/shareCells
	s.over.Store(uint32(over))
	s.far.Store(uint32(farFactor*over + farMean*mean*s.known(dt)))
	s.weighTenants(pass)
}

// known is which share of all users have a count: that of the requests that
// come from such (Good, 1953).
func (s *shares) known(dt float64) float64 {
	keep, met := math.Exp2(-dt/newsFade), s.met.Swap(0)
	s.all = s.all*keep + float64(met>>32)
	s.news = s.news*keep + float64(met&math.MaxUint32)
	return 1 - s.news/max(s.all, 1)
}

func (s *shares) halve() {
	for row := range s.users {
		for i := range s.users[row] {
			halve(&s.users[row][i])
		}
		for i := range s.tenants[row] {
			halve(&s.tenants[row][i])
		}
	}
}

func halve(c *atomic.Uint32) {
	if v := c.Load(); v > 0 {
		c.Store(v>>9<<8 | v&0xff)
	}
}

// weighTenants computes the max-min fair share: the f for which the sum of
// min(use, f) is what there is room for. Who uses less keeps all.
func (s *shares) weighTenants(pass float64) {
	// The room of a few ticks scatters, and each time users at the edge would
	// change places. What is more than that is followed at once.
	if d := pass - s.pass; pass >= 1 || math.Abs(d) > passScatter*s.pass {
		s.pass = pass
	} else {
		s.pass += d * passGain
	}
	pass = s.pass
	for row := range s.tenants {
		total, n := 0.0, 0
		for i := range s.tenants[row] {
			if v := float64(s.tenants[row][i].Load() >> 8); v > 0 {
				total += v
				n++
			}
		}
		fair := math.Inf(1)
		if pass < 1 && n > 1 {
			fair = s.fair(row, pass*total, n)
		}
		for i := range s.tenants[row] {
			v := float64(s.tenants[row][i].Load() >> 8)
			s.keeps[row][i].Store(uint32(cohorts * min(1, fair/max(v, 1))))
		}
	}
}

// fair finds f by repetition: those below the present share leave the rest of
// theirs to the others. It has settled when none is below any more.
func (s *shares) fair(row int, room float64, n int) float64 {
	f := room / float64(n)
	for range 32 {
		below, large := 0.0, 0
		for i := range s.tenants[row] {
			if v := float64(s.tenants[row][i].Load() >> 8); v > f {
				large++
			} else {
				below += v
			}
		}
		if large == 0 {
			return math.Inf(1)
		}
		next := (room - below) / float64(large)
		if next <= f*1.001 {
			break
		}
		f = next
	}
	return f
}
