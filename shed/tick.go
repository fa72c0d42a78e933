package shed

import (
	"context"
	"math"
	"time"

	"github.com/seawall-go/seawall"
)

// slot is the law's side of a cohort: its times, and what has been made of it.
type slot struct {
	began, ended  int64
	open          bool // its samples have not been taken
	judged, known bool
}

// counts are totals by class since New.
type counts struct{ offered, floored, full uint64 }

// tick runs the law, in the goroutine of whichever request finds it due. If
// another one is at it, it does nothing.
func (s *Shedder) tick(ctx context.Context, now int64) {
	if !s.mu.TryLock() {
		return
	}
	if now < s.due.Load() {
		s.mu.Unlock()
		return
	}
	cfg := s.gate.Load().cfg
	before, limit := s.state.phase, s.gate.Load().limit
	s.collect(now)
	s.ramp = s.ramp.step(cfg.SlowStart, cfg.MinLimit, now, s.win.arrivals)
	s.state = step(s.state, &s.win, s.bounds(cfg))
	s.weigh()
	active := s.table != nil && s.table.active
	s.table = s.routes.learn(s.shards, s.win.dt)
	if s.table.active && !active {
		s.state.base = s.state.base.unspread()
	}
	s.number++
	slotNow := s.number % ringSlots
	for i := range s.shards {
		s.shards[i].ring[slotNow].reset()
	}
	s.slots[slotNow] = slot{began: now, open: true, known: true}
	s.publish(cfg, now)
	s.due.Store(now + tickNanos)
	after, moved := s.state.phase, s.gate.Load().limit
	s.mu.Unlock()

	s.grant()
	if cfg.Observer != nil {
		s.tell(ctx, cfg, before, after, limit, moved)
	}
}

func (s *Shedder) tell(ctx context.Context, cfg *Config, before, after phase, limit, moved int64) {
	if o, ok := cfg.Observer.(seawall.StateObserver); ok && before != after {
		o.ObserveState(ctx, seawall.StateChange{
			Component: component, Name: cfg.Name, From: before.String(), To: after.String(), Cause: causes[after],
		})
	}
	if o, ok := cfg.Observer.(seawall.LimitObserver); ok && limit != moved {
		o.ObserveLimit(ctx, seawall.LimitChange{Component: component, Name: cfg.Name, From: float64(limit), To: float64(moved)})
	}
}

var causes = [...]string{
	open:     "there is room again",
	climb:    "the house is full; no latency without a queue is known yet, so the limit follows throughput",
	converge: "the house is full; computing the capacity",
	hold:     "capacity known; holding the limit and probing for more",
}

// collect turns the shards' counts since the last tick into a window.
func (s *Shedder) collect(now int64) {
	w := &s.win
	dt := float64(now-s.last) / float64(time.Second)
	*w = window{now: float64(now) / float64(time.Second), dt: dt, cohorts: w.cohorts[:0], waiting: float64(s.waiters.Load())}
	s.last = now
	var metN, metSum, returned, units uint64
	for i := range s.shards {
		sh := &s.shards[i]
		addLowered(&s.total, sh.lowered.Swap(0)) // first: offered is counted before it
		for l := range sh.offered {
			if sh.offered[l].Load() == 0 {
				continue
			}
			v := sh.offered[l].Swap(0)
			arrivals, floored := split(v)
			w.offered[l] += float32(arrivals)
			w.arrivals += float64(arrivals)
			w.blocked += float64(floored)
			t := &s.total[l/cohorts]
			t.offered += arrivals
			t.floored += uint64(floored)
		}
		w.blocked += float64(sh.blocked.Swap(0))
		for class := range sh.full {
			v := sh.full[class].Swap(0)
			w.blocked += float64(v)
			s.total[class].full += v
		}
		w.done += float64(sh.done.Swap(0)) / doneOne
		w.extra += float64(sh.extra.Swap(0))
		w.nMax = max(w.nMax, float64(sh.nMax.Swap(0)))
		w.overdue += float64(sh.overdue.Swap(0)) * unit
		w.overdueSquares += float64(sh.overdueSquares.Swap(0)) * squareUnit
		v := sh.met.Swap(0)
		metN += v & countMask
		metSum += v >> countBits
		v = sh.returned.Swap(0)
		returned += v & countMask
		units += v >> countBits
	}
	w.blocked = max(0, w.blocked)
	n := float64(s.n.Load())
	w.nMean = (float64(metSum) + n) / float64(metN+1)
	w.nMax = max(w.nMax, n)
	w.n = n
	w.samples, w.sumR = float64(returned), float64(units)*unit
	w.runnable, w.runnableLeast = s.runs.take()
	s.collectCohorts(now)
	s.countRefusals(w)
}

// addLowered gives the Critical requests that stand among the Normal back to
// their own priority.
func addLowered(t *[seawall.NumPriorities]counts, v uint64) {
	arrivals, floored := split(v)
	t[0].offered += arrivals
	t[1].offered -= arrivals
	t[0].floored += uint64(floored)
	t[1].floored -= uint64(floored)
}

// countRefusals follows the share of arrivals that are refused.
func (s *Shedder) countRefusals(w *window) {
	var refused uint64
	for i := range s.total {
		refused += s.total[i].floored + s.total[i].full + s.slow[i].refused()
	}
	if w.arrivals > 0 {
		share := clamp(float64(int64(refused-s.refused))/w.arrivals, 0, 1)
		if sat := &s.state.sat; s.gate.Load().dry && s.state.held == 0 && sat.now && sat.x > 0 {
			share = min(share, clamp(1-sat.x/s.state.door.volume, 0, 1))
		}
		s.share += (share - s.share) * (1 - math.Exp(-w.dt))
	}
	s.refused = refused
}

// collectCohorts takes the cohorts that are complete, or old enough, and
// judges those that are two baselines old. It takes them in their order: the
// ones that complete early are those of short latencies.
func (s *Shedder) collectCohorts(now int64) {
	w, base := &s.win, &s.state.base
	s.slots[s.number%ringSlots].ended = now
	wait := base.patience()
	oldest := uint32(0)
	if s.number >= ringAge {
		oldest = s.number - ringAge
	}
	pending := false
	for k := oldest; k != s.number+1; k++ {
		sl := &s.slots[k%ringSlots]
		if !sl.known || sl.ended == 0 {
			continue
		}
		age := float64(now-sl.ended) / float64(time.Second)
		judge := !sl.judged && base.mean > 0 && age >= 2*base.mean
		if !sl.open && !judge {
			continue
		}
		c := s.sum(k % ringSlots)
		if c.eligible > math.MaxInt32 || c.proven > math.MaxInt32 {
			// An admission was taken back from a slot that had been given away.
			sl.open, sl.judged = false, true
			continue
		}
		if judge {
			sl.judged = true
			w.judged += c.proven
			w.late += max(0, c.proven-c.early)
		}
		if !sl.open || pending {
			continue
		}
		missing := c.eligible - c.n
		if missing > 0 {
			if age < wait && (k != oldest || s.number < ringAge) {
				pending = true
				continue
			}
			middle := min(float64(now-(sl.began+sl.ended)/2)/float64(time.Second), wait)
			c.n += missing
			c.sample.sum += missing * middle
			c.squares += missing * middle * middle
		}
		sl.open = false
		if c.n > 0 {
			w.cohorts = append(w.cohorts, c.sample)
		}
	}
}

type cohortSum struct {
	sample
	eligible, proven, early float64
}

func (s *Shedder) sum(i uint32) (c cohortSum) {
	for k := range s.shards {
		r := &s.shards[k].ring[i]
		a := r.admitted.Load()
		c.eligible += float64(a & math.MaxUint32)
		c.proven += float64(a >> 32)
		v := r.returned.Load()
		c.n += float64(v & countMask)
		c.sample.sum += float64(v>>countBits) * unit
		c.squares += float64(r.squares.Load()) * squareUnit
		c.early += float64(r.early.Load())
	}
	return c
}

// weigh keeps the shares of users and tenants up to date.
func (s *Shedder) weigh() {
	if s.shares == nil {
		if s.asked += s.win.arrivals; s.asked < sharesFrom {
			return
		}
		s.shares = new(shares)
	}
	pass := 1.0
	if sat := &s.state.sat; sat.now && sat.x > 0 && s.state.door.volume > 0 {
		pass = min(1, sat.x/s.state.door.volume)
	}
	s.shares.step(s.win.now, pass)
}
