package httpcache

import (
	"strings"
	"testing"
)

// ruleNames are what tests call the rules.
var ruleNames = [rules]string{
	ruleNoStore:          "no store",
	rulePrivate:          "private",
	ruleAuthorization:    "authorization",
	ruleSetCookie:        "set cookie",
	ruleStatus:           "status",
	ruleRequestNoStore:   "request no store",
	ruleMustUnderstand:   "must understand",
	ruleExplicit:         "explicit",
	ruleComplete:         "complete",
	ruleHopByHop:         "hop by hop",
	ruleQualified:        "qualified",
	ruleVary:             "vary",
	ruleVaryStar:         "vary star",
	ruleNoCache:          "no cache",
	ruleMustRevalidate:   "must revalidate",
	ruleProxyRevalidate:  "proxy revalidate",
	ruleSharedRevalidate: "shared revalidate",
	ruleSharedMaxAge:     "shared max age",
	ruleMaxAge:           "max age",
	ruleExpires:          "expires",
	ruleConflicts:        "conflicts",
	ruleHeuristic:        "heuristic",
	ruleAge:              "age",
	ruleAgeField:         "age field",
	ruleDate:             "date",
	ruleRequestMaxAge:    "request max age",
	ruleRequestMaxStale:  "request max stale",
	ruleRequestMinFresh:  "request min fresh",
	ruleRequestNoCache:   "request no cache",
	ruleOnlyIfCached:     "only if cached",
	ruleValidate:         "validate",
	ruleNotModified:      "not modified",
	ruleUpdate:           "update",
	ruleOtherValidator:   "other validator",
	ruleHeadUpdate:       "head update",
	ruleInvalidate:       "invalidate",
	ruleInvalidateOthers: "invalidate others",
	ruleSameOrigin:       "same origin",
	ruleOnlySuccess:      "only success",
	ruleRange:            "range",
	ruleIfRange:          "if range",
	ruleHead:             "head",
	ruleStaleRevalidate:  "stale revalidate",
	ruleStaleError:       "stale error",
	ruleCacheStatus:      "cache status",
	ruleTargeted:         "targeted",
	ruleBody:             "body",
	ruleKeyHeaders:       "key headers",
	ruleOuterFields:      "outer fields",
}

func (r rule) String() string { return ruleNames[r] }

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
		if r.String() == "" {
			t.Errorf("rule %d has no name", uint8(r))
		}
		t.Run(r.String(), func(t *testing.T) {
			var names []string
			for _, c := range casesOf(r) {
				if len(bubble(t, c, r)) > 0 {
					return
				}
				names = append(names, c.name)
			}
			t.Errorf("without the rule %s all is as with it: %q", r, strings.Join(names, "; "))
		})
	}
}
