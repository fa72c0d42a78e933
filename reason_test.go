package seawall

import "testing"

func TestEveryReasonHasItsPlace(t *testing.T) {
	if len(details) != len(reasons) {
		t.Errorf("%d details for %d reasons", len(details), len(reasons))
	}
	for i, r := range reasons {
		if got := r.index(); got != i {
			t.Errorf("%s is rendered at %d and looked up at %d", r, i, got)
		}
		if p := page(r, r.Status()); p != pages[i][0] {
			t.Errorf("%s is rendered anew", r)
		}
	}
}
