package shed

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/seawall-go/seawall"
)

// FloorHeader is the response field in which a Shedder tells the callers that
// Config.TellFloor names from which level on it refuses at the door: a priority,
// and the first of its 128 cohorts, as in "normal/37". Without it there is no
// floor.
const FloorHeader = "Seawall-Floor"

// floorLines are the fields of all levels, made at the first use: 28 KiB. They
// are shared between responses; a handler that adds to one gets a copy.
var floorLines = sync.OnceValue(func() *[levels][]string {
	var lines [levels][]string
	for level := range lines {
		lines[level] = []string{priorityOf(uint32(level/cohorts)).String() + "/" + strconv.Itoa(level%cohorts)}
	}
	return &lines
})

// tells reports whether there is a floor and the caller may know. It is asked
// before there is a seat that a panic could lose. In a dry run nobody is
// refused, here or there, and a closed Shedder is no reason to stay away from
// those that take its place.
func (s *Shedder) tells(cfg *Config, r *http.Request) bool {
	g := s.gate.Load()
	return g.floor < allLevels && !g.dry && !g.closed && cfg.TellFloor(r)
}

// tellFloor says where the floor is now, after the request has been decided.
func (s *Shedder) tellFloor(h http.Header) {
	if g := s.gate.Load(); g.floor < allLevels && !g.closed {
		h[FloorHeader] = floorLines()[g.floor]
	}
}

// parseFloor is the inverse: exactly what tellFloor writes, and nothing else,
// so that a peer with another idea of levels is not misunderstood.
func parseFloor(s string) (level int, ok bool) {
	name, number, ok := strings.Cut(s, "/")
	if !ok || len(number) == 0 || len(number) > 3 || number[0] == '0' && len(number) > 1 {
		return 0, false
	}
	cohort := 0
	for i := range len(number) {
		if number[i]-'0' > 9 {
			return 0, false
		}
		cohort = cohort*10 + int(number[i]-'0')
	}
	if cohort >= cohorts {
		return 0, false
	}
	for class, p := range seawall.Priorities() {
		if p.String() == name {
			return class*cohorts + cohort, true
		}
	}
	return 0, false
}
