package httpcache

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// purges are all ways in which what is stored ceases to be true. Each forgets the
// page /shop/a, and only /other/ shall live on.
var purges = map[string]func(t *testing.T, a *node) error{
	"URL": func(_ *testing.T, a *node) error { return a.Purge(context.Background(), "http://site.example/shop/a") },
	"tag": func(_ *testing.T, a *node) error { return a.PurgeTags(context.Background(), "wares") },
	"prefix": func(_ *testing.T, a *node) error {
		return a.PurgePrefix(context.Background(), "http://site.example/shop/")
	},
	"all": func(_ *testing.T, a *node) error { return a.Clear(context.Background()) },
	"unsafe": func(t *testing.T, a *node) error {
		if got := ask(a.front, "POST", "http://site.example/shop/a"); got.StatusCode != http.StatusOK {
			t.Error(got.Status)
		}
		return nil
	},
}

// forms are how an answer may be stored: the fields of the answer, and of requests.
var forms = map[string]struct{ answer, request []string }{
	"plain":   {answer: []string{"Cache-Control", "max-age=600", "Surrogate-Key", "wares"}},
	"variant": {answer: []string{"Cache-Control", "max-age=600", "Surrogate-Key", "wares", "Vary", "Accept-Language"}, request: []string{"Accept-Language", "de"}},
	"keyed":   {answer: []string{"Cache-Control", "max-age=600", "Surrogate-Key", "wares"}, request: []string{"X-Forwarded-Host", "site.example"}},
}

func (f *edition) language(request []string) string {
	if len(request) > 0 && request[0] == "Accept-Language" {
		return request[1]
	}
	return ""
}

// eachWay runs a test for all ways to purge, all forms, with a bus and without.
func eachWay(t *testing.T, test func(t *testing.T, all []*node, s *edition, request []string, purge func(*testing.T, *node) error)) {
	for way, purge := range purges {
		for form, fields := range forms {
			for _, bus := range buses() {
				t.Run(way+"/"+form+"/"+bus, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						d, s := newDepot(), newEdition(fields.answer...)
						cfg := Config{Shared: shared{Bus: d}}
						if bus != "bus" {
							cfg.Shared.Bus = nil
						}
						test(t, nodes(t, 3, d, &s.site, cfg), s, fields.request, purge)
					})
				})
			}
		}
	}
}

// buses are whether processes hear of each other at once. Little that races differs.
func buses() []string {
	if testing.Short() {
		return []string{"bus"}
	}
	return []string{"bus", "no bus"}
}

// heard waits until a purge must be true in all processes.
func (a *node) heard() {
	if a.cfg.Shared.Bus != nil {
		time.Sleep(100 * time.Millisecond)
	} else {
		time.Sleep(10*time.Second + 100*time.Millisecond)
	}
}

// TestSharedPurge: what one process forgets all forget, and nothing else.
func TestSharedPurge(t *testing.T) {
	eachWay(t, func(t *testing.T, all []*node, s *edition, request []string, purge func(*testing.T, *node) error) {
		l := s.language(request)
		for _, a := range all {
			a.get(t, "/shop/a", "/shop/a"+l+" of 1", request...)
			a.get(t, "/other/", "/other/"+l+" of 1", request...)
		}
		s.asked(t, 2)
		s.n.Store(2)
		if err := purge(t, all[1]); err != nil {
			t.Fatal(err)
		}
		s.calls.Store(0) // the unsafe one
		all[1].get(t, "/shop/a", "/shop/a"+l+" of 2", request...)
		s.asked(t, 1)
		all[1].heard()
		for _, a := range all {
			a.get(t, "/shop/a", "/shop/a"+l+" of 2", request...)
		}
		s.asked(t, 0)
		if strings.Contains(t.Name(), "/all/") {
			return
		}
		for _, a := range all {
			a.get(t, "/other/", "/other/"+l+" of 1", request...)
		}
		s.asked(t, 0)
	})
}

// TestSharedPurgeWhileFilling: what a handler began before a purge in another
// process is not there after it.
func TestSharedPurgeWhileFilling(t *testing.T) {
	eachWay(t, func(t *testing.T, all []*node, s *edition, request []string, purge func(*testing.T, *node) error) {
		s.takes.Store(int64(time.Second))
		fill(t, all, s, request, func() { s.n.Store(2); s.takes.Store(0) }, purge)
	})
}

// fill lets one process ask the site and another one purge meanwhile, and looks at
// what all have afterwards.
func fill(t *testing.T, all []*node, s *edition, request []string, changes func(), purge func(*testing.T, *node) error) {
	t.Helper()
	l := s.language(request)
	var wg sync.WaitGroup
	wg.Go(func() { all[0].get(t, "/shop/a", "/shop/a"+l+" of 1", request...) })
	time.Sleep(500 * time.Millisecond)
	changes()
	if err := purge(t, all[1]); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	all[1].heard()
	for _, a := range []*node{all[2], all[0], all[1]} {
		a.get(t, "/shop/a", "/shop/a"+l+" of 2", request...)
	}
}

// TestSharedPurgeWhileChanging is the same where an answer is kept in another way
// than those before it.
func TestSharedPurgeWhileChanging(t *testing.T) {
	long := []string{"Cache-Control", "max-age=600"}
	for form, fields := range map[string][2][]string{
		"begins to vary":  {{"Cache-Control", "max-age=1"}, append([]string{"Vary", "Accept-Language"}, long...)},
		"varies by more":  {append([]string{"Vary", "Accept-Language"}, long...), append([]string{"Vary", "Accept-Language, Accept"}, long...)},
		"varies no more":  {append([]string{"Vary", "Accept-Language"}, long...), long},
		"is for all now":  {{"Cache-Control", "private"}, long},
		"for all, varies": {{"Cache-Control", "private"}, append([]string{"Vary", "Accept-Language"}, long...)},
	} {
		for _, way := range []string{"URL", "unsafe"} {
			for _, bus := range buses() {
				t.Run(form+"/"+way+"/"+bus, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						d, s := newDepot(), newEdition(fields[0]...)
						cfg := Config{Shared: shared{Bus: d}}
						if bus != "bus" {
							cfg.Shared.Bus = nil
						}
						all := nodes(t, 3, d, &s.site, cfg)
						for _, a := range all {
							a.get(t, "/shop/a", "/shop/aen of 1", "Accept-Language", "en")
						}
						time.Sleep(time.Second)
						s.fields.Store(&fields[1])
						s.takes.Store(int64(time.Second))
						fill(t, all, s, []string{"Accept-Language", "de"}, func() { s.n.Store(2); s.takes.Store(0) }, purges[way])
					})
				})
			}
		}
	}
}
