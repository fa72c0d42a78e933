package shed

import "time"

const (
	// floorHold is how long a floor is believed that is not told again.
	floorHold = time.Second
	// probeEvery is of how many requests below the floor one is sent all the
	// same: it comes back with the floor of now, or without one.
	probeEvery = 100
)

// ceiling is a host's floor as its callers see it. A floor that is obeyed ends:
// the host sees less of the crowd, lifts it, and tells it again. That is no
// harm: it takes four of five refusals off the server in simulation, and leaving
// the floor in small steps instead hardly more, but keeps people out for longer.
type ceiling struct {
	on    bool
	told  int           // the first level refused
	heard time.Duration // when
	below uint32        // requests kept back, for the probes
}

// level is the first level that is refused at a time.
func (c *ceiling) level(now time.Duration) int {
	if !c.on || now-c.heard >= floorHold {
		c.on = false
		return allLevels
	}
	return c.told
}

// tell is called with each floor that is heard.
func (c *ceiling) tell(now time.Duration, level int) {
	c.on, c.told, c.heard = true, level, now
}

// lift is called with each answer without one, to a request sent at a time. One
// that was under way when the floor was told knows nothing of it.
func (c *ceiling) lift(sent time.Duration) {
	if sent > c.heard {
		c.on = false
	}
}

// probes reports whether a request below the floor is sent.
func (c *ceiling) probes() bool {
	c.below++
	return c.below%probeEvery == 0
}
