package httpcache

import (
	"cmp"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The models read fields again, by patterns and slowly, for the fuzz targets.

var (
	memberForm = regexp.MustCompile(`^(?s)([^,;=]*)(=[ \t]*(?:("(?:[^"\\]|\\.)*")([^,;]*)|([^,;]*)))?([,;]|$)`)
	escapeForm = regexp.MustCompile(`(?s)\\(.)`)
	tokenForm  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	listForm   = regexp.MustCompile(`^(?s)(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?$))*`)
	choiceForm = regexp.MustCompile(`^([^;]*?)[ \t]*(?:;[ \t]*(?:q=(0|0\.[0-9]{0,3}|1|1\.0{0,3}))?)?$`)
	digitsForm = regexp.MustCompile(`^[0-9]+$`)
)

// modelDirectives is parseDirectives, member by member into a list first.
func modelDirectives(lines []string) directives {
	type member struct {
		name, arg string
		has       bool
	}
	var members []member
	for _, line := range lines {
		for line != "" {
			m := memberForm.FindStringSubmatch(line)
			line = line[len(m[0]):]
			arg := strings.Trim(m[5], " \t")
			if m[3] != "" {
				arg = escapeForm.ReplaceAllString(m[3][1:len(m[3])-1], "$1")
			}
			if m[2] != "" && m[6] == ";" || strings.Trim(m[4], " \t") != "" {
				arg = "?"
			}
			members = append(members, member{strings.Trim(m[1], " \t"), arg, m[2] != ""})
		}
	}
	d := noDirectives()
	flags := map[string]*bool{
		"no-store": &d.noStore, "public": &d.public, "must-revalidate": &d.mustRevalidate, "proxy-revalidate": &d.proxyRevalidate,
		"must-understand": &d.mustUnderstand, "only-if-cached": &d.onlyIfCached,
	}
	times := map[string][]int64{}
	for _, m := range members {
		if !tokenForm.MatchString(m.name) {
			continue
		}
		name := strings.ToLower(m.name)
		if flag := flags[name]; flag != nil {
			*flag = true
		}
		n, valid := modelSeconds(m.arg)
		switch name {
		case "no-cache":
			modelFields(m.arg, m.has, &d.noCache, &d.noCacheFields)
		case "private":
			modelFields(m.arg, m.has, &d.private, &d.privateFields)
		case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
			times[name] = append(times[name], n)
		case "max-stale":
			if !m.has {
				n, valid = 1<<31, true
			}
			fallthrough
		case "min-fresh":
			if valid {
				times[name] = append(times[name], n)
			}
		}
	}
	for name, to := range map[string]*int64{"max-age": &d.maxAge, "s-maxage": &d.sMaxage} {
		if all := times[name]; len(all) > 0 {
			*to = all[0]
			d.conflict = d.conflict || len(slices.Compact(slices.Sorted(slices.Values(all)))) > 1
		}
	}
	for name, to := range map[string]*int64{"stale-while-revalidate": &d.staleRevalidate, "stale-if-error": &d.staleError, "max-stale": &d.maxStale} {
		if all := times[name]; len(all) > 0 {
			*to = slices.Min(all)
		}
	}
	if all := times["min-fresh"]; len(all) > 0 {
		d.minFresh = slices.Max(all)
	}
	return d
}

func modelFields(arg string, has bool, all *bool, names *[]string) {
	var found []string
	for part := range strings.SplitSeq(arg, ",") {
		part = strings.Trim(part, " \t")
		if part != "" && !tokenForm.MatchString(part) {
			*all = true
			return
		}
		if part != "" {
			found = append(found, http.CanonicalHeaderKey(part))
		}
	}
	if !has || found == nil {
		*all = true
		return
	}
	*names = append(*names, found...)
}

func modelSeconds(s string) (int64, bool) {
	if !digitsForm.MatchString(s) {
		return 0, false
	}
	n, _ := new(big.Int).SetString(s, 10)
	if most := big.NewInt(1 << 31); n.Cmp(most) > 0 {
		n = most
	}
	return n.Int64(), true
}

// The parts of a dictionary (RFC 9651, 3), each at the beginning of what is left.
var (
	sfKeyForm     = regexp.MustCompile(`^[a-z*][a-z0-9_.*-]*`)
	sfBlanksForm  = regexp.MustCompile(`^[ \t]*`)
	sfCommaForm   = regexp.MustCompile(`^[ \t]*,[ \t]*`)
	sfSpacesForm  = regexp.MustCompile(`^ *`)
	sfSpaceForm   = regexp.MustCompile(`^ +`)
	sfParamForm   = regexp.MustCompile(`^; *`)
	sfEqualForm   = regexp.MustCompile(`^=`)
	sfOpenForm    = regexp.MustCompile(`^\( *`)
	sfCloseForm   = regexp.MustCompile(`^ *\)`)
	sfIntegerForm = regexp.MustCompile(`^-?[0-9]{1,15}`)
	sfDisplayForm = regexp.MustCompile(`^%"((?:[ !#$&-~]|%[0-9a-f]{2})*)"`)
	sfStringForm  = regexp.MustCompile(`^"((?:[ !#-\[\]-~]|\\["\\])*)"`)
	sfBytesForm   = regexp.MustCompile(`^:([A-Za-z0-9+/]*)=*:`)
	sfOtherForm   = regexp.MustCompile("^(?:-?[0-9]{1,12}\\.[0-9]{1,3}|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|@-?[0-9]{1,15})")
	sfBoolForm    = regexp.MustCompile(`^\?[01]`)
	sfOctetForm   = regexp.MustCompile(`%[0-9a-f]{2}`)
)

// sfModel reads what is left.
type sfModel struct{ left string }

func (m *sfModel) take(form *regexp.Regexp) []string {
	found := form.FindStringSubmatch(m.left)
	if found != nil {
		m.left = m.left[len(found[0]):]
	}
	return found
}

func (m *sfModel) bare() (kind sfKind, text string, ok bool) {
	if f := m.take(sfOtherForm); f != nil {
		return sfOther, "", true
	}
	if f := m.take(sfBoolForm); f != nil {
		return map[string]sfKind{"?0": sfFalse, "?1": sfTrue}[f[0]], "", true
	}
	if f := m.take(sfIntegerForm); f != nil {
		return sfInteger, f[0], true
	}
	if f := m.take(sfStringForm); f != nil {
		return sfString, escapeForm.ReplaceAllString(f[1], "$1"), true
	}
	if f := m.take(sfBytesForm); f != nil {
		return sfOther, "", len(f[1])%4 != 1
	}
	if f := m.take(sfDisplayForm); f != nil {
		decoded := sfOctetForm.ReplaceAllStringFunc(f[1], func(s string) string {
			n, _ := strconv.ParseUint(s[1:], 16, 8)
			return string([]byte{byte(n)})
		})
		return sfOther, "", utf8.ValidString(decoded)
	}
	return sfOther, "", false
}

func (m *sfModel) parameters() bool {
	for m.take(sfParamForm) != nil {
		if m.take(sfKeyForm) == nil {
			return false
		}
		if m.take(sfEqualForm) != nil {
			if _, _, ok := m.bare(); !ok {
				return false
			}
		}
	}
	return true
}

func (m *sfModel) inner() bool {
	for first := true; m.take(sfCloseForm) == nil; first = false {
		if !first && m.take(sfSpaceForm) == nil {
			return false
		}
		if _, _, ok := m.bare(); !ok || !m.parameters() {
			return false
		}
	}
	return true
}

// modelTargeted is parseTargeted.
func modelTargeted(lines []string) (directives, bool) {
	m := sfModel{strings.Join(lines, ",")}
	type value struct {
		kind sfKind
		text string
	}
	values := map[string]value{}
	m.take(sfSpacesForm)
	for {
		key := m.take(sfKeyForm)
		if key == nil {
			return noDirectives(), false
		}
		v, ok := value{kind: sfTrue}, true
		if m.take(sfEqualForm) != nil {
			if m.take(sfOpenForm) != nil {
				v.kind, ok = sfOther, m.inner()
			} else {
				v.kind, v.text, ok = m.bare()
			}
		}
		if !ok || !m.parameters() {
			return noDirectives(), false
		}
		values[key[0]] = v
		if m.take(sfCommaForm) == nil {
			break
		}
	}
	m.take(sfBlanksForm)
	if m.left != "" {
		return noDirectives(), false
	}
	d := noDirectives()
	for name, v := range values {
		flag := map[string]*bool{
			"no-store": &d.noStore, "public": &d.public, "must-revalidate": &d.mustRevalidate, "proxy-revalidate": &d.proxyRevalidate,
			"must-understand": &d.mustUnderstand, "no-cache": &d.noCache, "private": &d.private,
		}[name]
		names := map[string]*[]string{"no-cache": &d.noCacheFields, "private": &d.privateFields}[name]
		age := map[string]*int64{
			"max-age": &d.maxAge, "s-maxage": &d.sMaxage, "stale-while-revalidate": &d.staleRevalidate, "stale-if-error": &d.staleError,
		}[name]
		switch {
		case flag == nil && age == nil: // unknown
		case flag != nil && v.kind == sfTrue:
			*flag = true
		case flag != nil && v.kind == sfFalse:
		case names != nil && v.kind == sfString:
			modelFields(v.text, true, flag, names)
		case age != nil && v.kind == sfInteger:
			*age, _ = modelSeconds(v.text)
		default:
			return noDirectives(), false
		}
	}
	return d, true
}

var dateForms = map[string]*regexp.Regexp{
	http.TimeFormat: regexp.MustCompile(`^[a-z]{3}, \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d gmt$`),
	time.RFC850:     regexp.MustCompile(`^[a-z]{6,9}, \d\d-[a-z]{3}-\d\d \d\d:\d\d:\d\d gmt$`),
	time.ANSIC:      regexp.MustCompile(`^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$`),
}

// modelDate is parseDate, but for the century of two digits.
func modelDate(s string) (t time.Time, short, ok bool) {
	s = lowerASCII(strings.Trim(s, " \t"))
	for layout, form := range dateForms {
		if !form.MatchString(s) {
			continue
		}
		s = strings.Replace(strings.TrimSuffix(s, "gmt"), ":60 ", ":59 ", 1)
		if strings.HasSuffix(s, " ") {
			s += "GMT"
		}
		t, err := time.Parse(layout, s)
		return t, layout == time.RFC850, err == nil
	}
	return t, false, false
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// modelMembers are those of a list; a comma within quotes is none.
func modelMembers(list string) (members []string) {
	for {
		part := listForm.FindString(list)
		members = append(members, strings.Trim(part, " \t"))
		if len(part) == len(list) {
			return members
		}
		list = list[len(part)+1:]
	}
}

// modelPreferences reads a list with weights; it is not ok if it is none.
func modelPreferences(list string) (out []string, ok bool) {
	type choice struct {
		name   string
		weight int
	}
	var choices []choice
	for part := range strings.SplitSeq(strings.ToLower(list), ",") {
		if part = strings.Trim(part, " \t"); part == "" || part[0] == ';' {
			continue
		}
		m := choiceForm.FindStringSubmatch(part)
		if m == nil {
			return nil, false
		}
		weight := 1.0
		if m[2] != "" {
			weight, _ = strconv.ParseFloat(m[2], 64)
		}
		choices = append(choices, choice{m[1], int(weight*1000 + 0.5)})
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Or(b.weight-a.weight, strings.Compare(a.name, b.name)) })
	for _, c := range choices {
		out = append(out, c.name+";"+strconv.Itoa(c.weight))
	}
	return out, true
}
