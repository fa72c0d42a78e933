package httpcache

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seawall-go/seawall"
)

//house:sleep everything here runs in the bubble that inBubble makes

func override(t *testing.T, h *Cache, control, value string, lasting time.Duration) {
	t.Helper()
	if err := h.Override(context.Background(), seawall.Override{Control: control, Value: value, For: lasting}); err != nil {
		t.Error(err)
	}
}

// TestControlRenewals: with when_empty the handler is asked only for what is not
// there, until StaleIfError ends or the operator's time does.
func TestControlRenewals(t *testing.T) {
	inBubble(t, Config{StaleIfError: 30 * time.Minute}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) {
			write(w, "hello", "Cache-Control", r.Header.Get("X-Control"))
		}}
		front := h.Middleware(o)
		for url, control := range map[string]string{"/a": "max-age=60", "/b": "max-age=60, stale-while-revalidate=600", "/c": "max-age=60, must-revalidate"} {
			ask(front, "GET", url, "X-Control", control)
		}
		time.Sleep(2 * time.Minute)
		override(t, h, "renewals", "when_empty", 10*time.Minute)
		if st := h.Snapshot().State; st != "calm" {
			t.Error(st)
		}
		o.calls.Store(0)
		for range 10 {
			for _, url := range []string{"/a", "/b"} {
				if got := ask(front, "GET", url); body(got) != "hello" {
					t.Errorf("%v", got)
				}
				ask(front, "GET", url, "Cache-Control", "no-cache")
			}
			time.Sleep(30 * time.Second)
		}
		if n := o.calls.Load(); n != 0 {
			t.Errorf("asked %d times", n)
		}
		ask(front, "GET", "/c")
		ask(front, "GET", "/new")
		if n := o.calls.Load(); n != 2 {
			t.Errorf("asked %d times for what may not be shown, and for what is not there", n)
		}
		time.Sleep(6 * time.Minute)
		ask(front, "GET", "/a")
		ask(front, "GET", "/b")
		synctest.Wait()
		if n := o.calls.Load(); n != 4 {
			t.Errorf("afterwards asked %d times", n-2)
		}
	})
}

// TestControlRenewalsLimit: also an operator shows nothing that is too old.
func TestControlRenewalsLimit(t *testing.T) {
	inBubble(t, Config{StaleIfError: 5 * time.Minute}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) { write(w, "hello", "Cache-Control", "max-age=60") }}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		override(t, h, "renewals", "when_empty", 0)
		for minute := range 10 {
			got := ask(front, "GET", "/a")
			if shown := got.Header.Get("Age") != ""; shown != (minute != 6) {
				t.Errorf("after %d min: %v", minute, got.Header)
			}
			time.Sleep(time.Minute)
		}
		override(t, h, "renewals", "", 0)
		if st := h.Snapshot().State; st != "ok" {
			t.Error(st)
		}
	})
}

// TestControlAnswers: bypass is as if the Cache was not there, for as long as it was
// asked for; what was there before is there afterwards.
func TestControlAnswers(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) { write(w, "hello", "Cache-Control", "max-age=6000") }}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		override(t, h, "answers", "bypass", time.Minute)
		for range 3 {
			if got := ask(front, "GET", "/a"); got.Header.Get("Cache-Status") != "" {
				t.Errorf("%v", got.Header)
			}
		}
		if n, st := o.calls.Load(), h.Stats(); n != 4 || st.Bypassed != 3 {
			t.Errorf("asked %d times, %+v", n, st)
		}
		time.Sleep(2 * time.Minute)
		if got := ask(front, "GET", "/a"); got.Header.Get("Age") != "120" || o.calls.Load() != 4 {
			t.Errorf("%v", got.Header)
		}
	})
}

// TestControlAnswersPurge: what an unsafe request changes while the Cache is bypassed
// is not shown afterwards.
func TestControlAnswersPurge(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		o := &origin{f: func(w http.ResponseWriter, r *http.Request) { write(w, "hello", "Cache-Control", "max-age=6000") }}
		front := h.Middleware(o)
		ask(front, "GET", "/a")
		override(t, h, "answers", "bypass", time.Minute)
		ask(front, "POST", "/a")
		time.Sleep(2 * time.Minute)
		if got := ask(front, "GET", "/a"); got.Header.Get("Age") != "" {
			t.Errorf("%v", got.Header)
		}
	})
}

// TestControlPurge: a URL, a prefix, a tag, or everything; and what is none of these.
func TestControlPurge(t *testing.T) {
	for value, gone := range map[string]string{
		"http://example.com/a/1": "/a/1", "http://example.com/a/*": "/a/1", "tag:of/a/1": "/a/1", "*": "/a/1",
	} {
		inBubble(t, Config{}, func(t *testing.T, h *Cache) {
			front := h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				write(w, "hello", "Cache-Control", "max-age=60", "Surrogate-Key", "of"+r.URL.Path)
			}))
			ask(front, "GET", "/a/1")
			ask(front, "GET", "/b/1")
			override(t, h, "purge", value, 0)
			if got := ask(front, "GET", gone); got.Header.Get("Age") != "" {
				t.Errorf("%q: %v", value, got.Header)
			}
			if got := ask(front, "GET", "/b/1"); (got.Header.Get("Age") == "") != (value == "*") {
				t.Errorf("%q: %v", value, got.Header)
			}
		})
	}
	inBubble(t, Config{}, func(t *testing.T, h *Cache) {
		for _, o := range []seawall.Override{
			{Control: "purge", Value: "/a"}, {Control: "purge", Value: "tag:"}, {Control: "purge", Value: "*", For: -1},
			{Control: "renewals", Value: "never"}, {Control: "answers", Value: "no"}, {Control: "else"},
		} {
			if err := h.Override(context.Background(), o); err == nil {
				t.Errorf("%+v is taken", o)
			}
		}
		if n := len(h.Controls()); n != 3 {
			t.Errorf("%d controls", n)
		}
	})
}
