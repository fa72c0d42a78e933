package shed

import (
	"testing"

	"github.com/seawall-go/seawall"
)

func TestFavourLastsForAJourney(t *testing.T) {
	f := new(favours)
	const user, second = seawall.ID(7), 100
	if f.has(user, second) {
		t.Fatal("nobody was let in yet")
	}
	f.admitted(user, second) // the request that was let in by its own rank
	for i := range favourCount {
		if !f.has(user, second+favourSeconds-1) {
			t.Fatalf("used up after %d requests", i)
		}
		f.admitted(user, second+favourSeconds-1)
	}
	if f.has(user, second+favourSeconds-1) {
		t.Fatalf("more than %d requests", favourCount)
	}
	f.admitted(user, second+1) // by its own rank: no new favour within the ten seconds
	if f.has(user, second+1) {
		t.Fatal("renewed before its time: whoever asks most often would get most")
	}
	f.admitted(user, second+favourSeconds)
	if !f.has(user, second+favourSeconds) {
		t.Fatal("not renewed after its time")
	}
}

func TestFavourEndsByItself(t *testing.T) {
	for _, second := range []uint32{0, 1, 1020, 1023, 1024, 5000} {
		f := new(favours)
		f.admitted(9, second)
		for age := range uint32(200) {
			if got, want := f.has(9, second+age), age < favourSeconds; got != want {
				t.Fatalf("given at second %d, at age %d: %v", second, age, got)
			}
		}
	}
}

func TestFavourIsOfOneUser(t *testing.T) {
	f := new(favours)
	for u := seawall.ID(1); u <= 100; u++ {
		f.admitted(u, 50)
	}
	strangers := 0
	for u := seawall.ID(1000); u < 101_000; u++ {
		if f.has(u, 50) {
			strangers++
		}
	}
	if strangers > 5 {
		t.Fatalf("%d of 100000 strangers share a favour", strangers)
	}
}

func TestFavourGoesFirstWithinItsClass(t *testing.T) {
	e := epochsAt(aDay, period)
	for u := seawall.ID(1); u < 1000; u++ {
		r := e.rank(seawall.Normal, u)
		a := r.ahead()
		if a.class() != r.class() || a > r || a.level()%cohorts >= 4 {
			t.Fatalf("rank %x went ahead to %x", r, a)
		}
	}
}
