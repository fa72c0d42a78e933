package shed

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seawall-go/seawall"
)

// newShares is what a Shedder of 100 seconds has.
func newShares() *shares {
	s := new(shares)
	s.step(100, 1)
	return s
}

func (s *shares) estimate(id seawall.ID) uint32 {
	a, b := cells(id, shareShift)
	return min(s.users[0][a].Load()>>8, s.users[1][b].Load()>>8)
}

// sketch is the model: exact counts, and a sketch that raises both cells always.
type sketch struct {
	exact map[seawall.ID]uint32
	plain [2]map[uint64]uint32
}

func newSketch() *sketch {
	return &sketch{map[seawall.ID]uint32{}, [2]map[uint64]uint32{{}, {}}}
}

func (m *sketch) add(id seawall.ID, n uint32) {
	a, b := cells(id, shareShift)
	m.exact[id] += n
	m.plain[0][a] += n
	m.plain[1][b] += n
}

func (m *sketch) halve() {
	for id := range m.exact {
		m.exact[id] /= 2
	}
	for row := range m.plain {
		for i := range m.plain[row] {
			m.plain[row][i] = (m.plain[row][i] + 1) / 2
		}
	}
}

// check: no user has less than it asked for, or more than its cells together.
func (m *sketch) check(t *testing.T, s *shares) (tooMuch, plainly float64) {
	t.Helper()
	for id, exact := range m.exact {
		a, b := cells(id, shareShift)
		got, plain := s.estimate(id), min(m.plain[0][a], m.plain[1][b])
		if got < exact || got > plain {
			t.Fatalf("user %x: %d, want %d to %d", uint64(id), got, exact, plain)
		}
		tooMuch += float64(got - exact)
		plainly += float64(plain - exact)
	}
	return tooMuch, plainly
}

// TestShareAgainstModel: 60,000 users in 16,384 cells, halved again and again.
// All is in second 0, in which requests count once.
func TestShareAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 50, 60_000)
	s, m := new(shares), newSketch()
	for range 5 {
		for range 40_000 {
			id, n := seawall.ID(zipf.Uint64()+1), uint32(1+r.IntN(3))
			s.user(id, n, 0)
			m.add(id, n)
		}
		tooMuch, plainly := m.check(t, s)
		if tooMuch > 0.8*plainly {
			t.Errorf("%.0f too much, a plain sketch %.0f: the update is not conservative", tooMuch, plainly)
		}
		s.halve()
		m.halve()
		m.check(t, s)
	}
}

// twins are users in the same cell of the first row, and in the same one of the
// second or not.
func twins(both bool) (a, b seawall.ID) {
	const golden = 0x9e3779b97f4a7c15
	inverse := uint64(golden) // Newton: each step doubles the bits that are right
	for range 6 {
		inverse *= 2 - golden*inverse
	}
	a = 7
	_, second := cells(a, shareShift)
	for i := uint64(1); ; i++ {
		b = seawall.ID((uint64(a)*golden ^ i) * inverse) // i is in the lower bits
		if _, s := cells(b, shareShift); (s == second) == both {
			return a, b
		}
	}
}

// TestShareOfTwins: who shares one cell with an abuser has another; who shares
// both is taken for it.
func TestShareOfTwins(t *testing.T) {
	for _, both := range []bool{false, true} {
		abuser, other := twins(both)
		x, y := cells(abuser, shareShift)
		v, w := cells(other, shareShift)
		if x != v || (y == w) != both {
			t.Fatalf("cells %d %d and %d %d", x, y, v, w)
		}
		s := newShares()
		for second := range uint32(100) {
			s.user(abuser, 1, second)
		}
		if over, far := s.user(other, 1, 100); over != both || far != both {
			t.Errorf("both cells %v: over %v, far %v", both, over, far)
		}
	}
}

func TestShareOfOneUser(t *testing.T) {
	for _, c := range []struct {
		what           string
		seconds, times int // times in each of them
		over, far      bool
	}{
		{"one request", 1, 1, false, false},
		{"a journey of eight in a second", 1, 8, false, false},
		{"nine", 1, 9, true, false},
		{"two journeys of two in two seconds", 2, 2, false, false},
		{"in each of two seconds", 2, 1, false, false},
		{"in each of three", 3, 1, true, false},
		{"in each of four", 4, 1, true, false},
		{"in each of five", 5, 1, true, true},
		{"in each of nine", 9, 1, true, true},
		{"a flood", 1, 17, true, true},
		{"almost one", 1, 16, true, false},
	} {
		for _, n := range []uint32{1, 5} { // the second: as the fifth part of what comes, with a threshold to match
			s, first := newShares(), uint32(250) // the stamp wraps
			if n > 1 {
				s.over.Store(overCount * n)
				s.far.Store(uint32(farFactor * overCount * float64(n)))
			}
			var over, far bool
			for i := range c.seconds {
				for range c.times {
					over, far = s.user(9, n, first+uint32(i))
				}
			}
			if over != c.over || far != c.far {
				t.Errorf("%s, %d each: over %v, far %v; %d", c.what, n, over, far, s.estimate(9))
			}
		}
	}
}

// TestShareFollowsTheAverage: where all ask for much, nobody asks for too much.
func TestShareFollowsTheAverage(t *testing.T) {
	s := newShares()
	for second := range uint32(10) {
		for u := seawall.ID(1); u <= 1000; u++ {
			s.user(u, 1, second)
		}
		for range 10 {
			s.user(5000, 1, second)
		}
	}
	s.step(110, 1)
	// 40 each; who meets another in a cell may begin a second for 1 and not for 4.
	if limit := s.over.Load(); limit < 70 || limit > 90 {
		t.Errorf("the threshold is %d, want about 80", limit)
	}
	many := 0
	for u := seawall.ID(1); u <= 1000; u++ {
		if over, _ := s.user(u, 1, 9); over {
			many++
		}
	}
	if many > 5 {
		t.Errorf("%d of 1000 who all ask for the same are over", many)
	}
	if over, far := s.user(5000, 1, 9); !over || far {
		t.Errorf("3.3 times the average: over %v, far %v", over, far)
	}
}

func TestShareIsForgotten(t *testing.T) {
	s := newShares()
	s.user(3, 20, 7) // 80
	s.tenant(3, 80)
	a, _ := cells(3, tenantShift)
	for i, want := range []uint32{80, 80, 40, 40, 20, 20, 10} {
		s.step(100+10*float64(i), 1)
		if got := s.estimate(3); got != want {
			t.Errorf("after %d s: %d, want %d", 10*i, got, want)
		}
		if got := s.tenants[0][a].Load() >> 8; got != want {
			t.Errorf("the tenant, after %d s: %d, want %d", 10*i, got, want)
		}
	}
	var c atomic.Uint32
	c.Store(3<<8 | 9)
	for _, want := range []uint32{1<<8 | 9, 9, 9} { // the second stays
		if halve(&c); c.Load() != want {
			t.Errorf("halved to %d in second %d", c.Load()>>8, c.Load()&0xff)
		}
	}
}

// TestShareIsForgottenInAPause: no tick runs in it.
func TestShareIsForgottenInAPause(t *testing.T) {
	s := newShares()
	s.user(3, 20, 7)
	s.step(3700, 1)
	if got := s.estimate(3); got != 0 {
		t.Errorf("after an hour: %d of 80 are left", got)
	}
}

// TestShareIsForgottenFromTheStart: also of a Shedder that is younger than the
// twenty seconds.
func TestShareIsForgottenFromTheStart(t *testing.T) {
	s := new(shares)
	s.step(1, 1)
	s.user(3, 20, 7)
	s.step(21.1, 1)
	if got := s.estimate(3); got != 40 {
		t.Errorf("after 20 s: %d, want 40", got)
	}
}

// TestShareBeforeItIsKnown: a process may be met by a crowd in its first quarter
// of a second. Nobody is over a threshold that nobody has computed.
func TestShareBeforeItIsKnown(t *testing.T) {
	for _, now := range []float64{0, 0.05, 0.2, 0.249} {
		s := new(shares)
		s.step(now, 0.5)
		if over, far := s.user(3, 1, 0); over || far {
			t.Errorf("at %v s, of one request: over %v, far %v", now, over, far)
		}
		if keep := s.keep(3); keep != cohorts {
			t.Errorf("at %v s, a tenant keeps %d cohorts", now, keep)
		}
	}
}

// TestShareOfAMillion: the cells are full of strangers, and the threshold knows.
func TestShareOfAMillion(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := newShares()
	const users, abusers = 1_000_000, 100
	for i := range uint32(users) {
		s.user(seawall.ID(i+1), 1, i/(users/20))
	}
	for a := range seawall.ID(abusers) { // 100 requests each, in ten seconds
		for i := range uint32(100) {
			s.user(a*1_000_003+5_000_000, 1, 5+i/10)
		}
	}
	s.step(110, 1)
	over, far := 0, 0
	for range 20_000 {
		o, f := s.user(seawall.ID(1+r.IntN(users)), 1, 20)
		if o {
			over++
		}
		if f {
			far++
		}
	}
	if over > 400 || far > 0 {
		t.Errorf("of 20000 honest ones %d are over, %d far", over, far)
	}
	caught := 0
	for a := range seawall.ID(abusers) {
		if o, _ := s.user(a*1_000_003+5_000_000, 1, 20); o {
			caught++
		}
	}
	if caught < abusers*9/10 {
		t.Errorf("of %d with a hundred times as much %d are over", abusers, caught)
	}
}

// TestShareDoesNotOverflow: 24 bits, and the heaviest sample there can be.
func TestShareDoesNotOverflow(t *testing.T) {
	s := newShares()
	most := uint32(maxSeats * 64)
	for i := range 3 * (1 << 24) / most {
		before := s.estimate(9)
		s.user(9, most, i)
		s.tenant(9, most)
		if got := s.estimate(9); got < before || got >= 1<<24 {
			t.Fatalf("%d after %d", got, before)
		}
	}
	a, _ := cells(9, tenantShift)
	if s.estimate(9) != 1<<24-1 || s.tenants[0][a].Load()>>8 != 1<<24-1 {
		t.Errorf("%d, the tenant %d", s.estimate(9), s.tenants[0][a].Load()>>8)
	}
	for row := range s.users {
		for i := range s.users[row] {
			s.users[row][i].Store(math.MaxUint32)
		}
	}
	s.step(101, 0.5)
	limit := s.over.Load()
	if over, far := s.user(9, most, 3); limit < 1<<24-1 || over || far {
		t.Errorf("full to the brim: the threshold is %d; over %v, far %v", limit, over, far)
	}
}

func TestShareUnderRaces(t *testing.T) {
	s := newShares()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range uint32(2000) {
				s.user(1, 1, 5)
				s.user(seawall.ID(i), 1, i)
				s.tenant(seawall.ID(i%7+1), 1)
				s.keep(seawall.ID(i % 7))
				if g == 0 && i%50 == 0 { // ticks are one at a time
					s.step(100+float64(i)/1000, 0.5)
				}
			}
		})
	}
	wg.Wait()
	// Not even lost races hide who floods.
	if over, far := s.user(1, 1, 5); !over || !far {
		t.Errorf("16000 requests: over %v, far %v; %d", over, far, s.estimate(1))
	}
}

// waterLevel is the max-min share by the book: from the smallest on, each gets
// what it wants or an equal part of what is left.
func waterLevel(uses []float64, room float64) float64 {
	uses = slices.Sorted(slices.Values(uses))
	for i, use := range uses {
		part := room / float64(len(uses)-i)
		if use > part {
			return part
		}
		room -= use
	}
	return math.Inf(1)
}

func TestTenantsShareByMaxMin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		s := new(shares)
		var uses []float64
		total := 0.0
		n := 2 + r.IntN(200)
		spread := 1 + 11*r.Float64()
		for i := range n {
			v := uint32(1 + math.Exp(spread*r.Float64()))
			s.tenants[0][i*5].Store(v << 8)
			uses = append(uses, float64(v))
			total += float64(v)
		}
		pass := 0.01 + 0.98*r.Float64()
		room := pass * total
		got, want := s.fair(0, room, n), waterLevel(uses, room)
		if got > 1.0001*want || got < 0.97*want {
			t.Fatalf("%d tenants, pass %.3f: the fair share is %.2f, want %.2f", n, pass, got, want)
		}
		s.weighTenants(pass)
		sum := 0.0
		for i, use := range uses {
			keep := s.keeps[0][i*5].Load()
			if use <= 0.97*want && keep != cohorts {
				t.Fatalf("who asks for %.0f of %.1f keeps %d cohorts", use, want, keep)
			}
			sum += use * float64(keep) / cohorts
		}
		if sum > 1.0001*room {
			t.Fatalf("%d tenants keep %.1f, the room is %.1f", n, sum, room)
		}
		if least := room - total/cohorts - 0.03*room; sum < least {
			t.Fatalf("%d tenants keep %.1f of %.1f", n, sum, room)
		}
	}
}

func TestTenantKeeps(t *testing.T) {
	s := new(shares)
	keeps := func(now, pass float64) (small, big, stranger uint32) {
		s.step(now, pass)
		return s.keep(1), s.keep(2), s.keep(3)
	}
	s.tenant(2, 1000)
	if small, big, _ := keeps(1, 0.5); small != cohorts || big != cohorts {
		t.Errorf("of one alone: %d, %d", small, big) // with itself it need not share
	}
	s.tenant(1, 100)
	for _, c := range []struct {
		pass       float64
		small, big uint32
	}{
		{1, 128, 128}, {0.999, 128, 127}, {0.5, 128, 57}, {0.2, 128, 15}, {0.1, 70, 7}, {0.01, 7, 0},
	} {
		small, big, stranger := keeps(s.weighed+1, c.pass)
		if small != c.small || big != c.big || stranger != cohorts {
			t.Errorf("pass %v: %d, %d and %d, want %d, %d and 128", c.pass, small, big, stranger, c.small, c.big)
		}
	}
	if small, _, _ := keeps(s.weighed+0.2, 1); small != 7 {
		t.Errorf("weighed again after 0.2 s: %d", small)
	}
}

// FuzzShares: no count below what was asked for, whoever asks in whatever order.
func FuzzShares(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("one user, then another one"))
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0, 1, 2, 3, 0xff})
	f.Fuzz(func(t *testing.T, ops []byte) {
		s, m := new(shares), newSketch()
		now := 100.0
		s.step(now, 1)
		for i := 0; i+1 < len(ops) && i < 2000; i += 2 {
			if ops[i] == 0xff {
				now += float64(ops[i+1]) / 10
				halved := s.halved
				s.step(now, float64(ops[i+1])/200)
				for ; halved < s.halved; halved += shareHalf { // one step may have to make up for two
					m.halve()
				}
			} else {
				id, n := seawall.ID(ops[i])+1, uint32(ops[i+1])
				s.user(id, n, 0)
				s.tenant(id, n)
				m.add(id, n)
			}
			for id := seawall.ID(1); id < 4; id++ {
				if keep := s.keep(id); keep > cohorts {
					t.Fatalf("keeps %d", keep)
				}
			}
		}
		m.check(t, s)
	})
}
