package httpcache

import (
	"fmt"
	"strings"
	"testing"
)

// casesOf are the cases that stand for a rule.
func casesOf(r rule) (of []rfcCase) {
	for _, c := range rfcCases {
		if c.rule == r {
			of = append(of, c)
		}
	}
	return of
}

// TestRulesBite: without a rule, one of its cases is red.
func TestRulesBite(t *testing.T) {
	for r := range rules {
		t.Run(fmt.Sprint(r), func(t *testing.T) {
			var names []string
			for _, c := range casesOf(r) {
				if len(bubble(t, c, r)) > 0 {
					return
				}
				names = append(names, c.name)
			}
			t.Errorf("without rule %d all is as with it: %q", r, strings.Join(names, "; "))
		})
	}
}
