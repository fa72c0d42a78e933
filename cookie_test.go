package seawall

import (
	"net/http"
	"strings"
	"testing"
)

func TestCookieValue(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"sid=abc"}, "abc"},
		{[]string{"a=1; sid=abc; b=2"}, "abc"},
		{[]string{"a=1", "sid=abc"}, "abc"},
		{[]string{"sid=abc; sid=def"}, "abc"},
		{[]string{"sid=; sid=def"}, ""},
		{[]string{"sid; sid=def"}, ""},
		{[]string{`sid="abc"`}, "abc"},
		{[]string{`sid=" abc "`}, " abc "},
		{[]string{`sid=""`}, ""},
		{[]string{`sid="`, "sid=def"}, "def"},        // a lone quote is no value
		{[]string{`sid=a"b; sid=def`}, "def"},        // nor is a quote inside
		{[]string{"sid=a\\b; sid=\x01; sid=f"}, "f"}, // nor a backslash, nor a control
		{[]string{"sid=a\x7fb; sid=\x80; sid=d"}, "d"},
		{[]string{"sid=a\u00e9b; sid=def"}, "def"},      // nor what is not ASCII
		{[]string{"sid=a=b==; x=y"}, "a=b=="},           // base64 ends like this
		{[]string{"sid=a,b c; x=y"}, "a,b c"},           // seen in the wild
		{[]string{"  sid = abc ;"}, " abc"},             // as net/http has it
		{[]string{"Sid=abc; SID=abc; xsid=abc"}, ""},    // names have a case
		{[]string{"sidx=abc; si=d; =sid; ;;; sid"}, ""}, // no part of a name
		{[]string{"x=sid=abc"}, ""},
	} {
		if got := cookieValue(c.lines, "sid"); got != c.want {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
		checkAgainstNetHTTP(t, c.lines, "sid")
	}
}

// checkAgainstNetHTTP wants to see what the application will see.
func checkAgainstNetHTTP(t *testing.T, lines []string, name string) {
	t.Helper()
	r := &http.Request{Header: http.Header{"Cookie": lines}}
	want := ""
	if c, err := r.Cookie(name); err == nil {
		want = c.Value
	}
	if got := cookieValue(lines, name); got != want {
		t.Errorf("%q, cookie %q: %q, net/http has %q", lines, name, got, want)
	}
}

func FuzzCookieValue(f *testing.F) {
	for _, s := range []string{"sid=abc", `a=1; sid="x y"; b`, "sid;sid=2", "sid=\nsid=3", "  sid = \"\" ", "=;;sid==", "sid\x00=1", "\"sid\"=1", "sid=\u212A"} {
		f.Add(s, "sid")
	}
	f.Add("a=b\n\tc=d ;\x0b", "c")
	f.Fuzz(func(t *testing.T, field, name string) {
		lines := strings.Split(field, "\n")
		// net/http gives up at its limit of 3000 cookies.
		if !validToken(name, false) || strings.Count(field, ";")+len(lines) > 3000 {
			return
		}
		checkAgainstNetHTTP(t, lines, name)
	})
}
