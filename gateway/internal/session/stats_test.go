package session

import (
	"testing"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestCodesEnd holds that each refusal has a counter: a code without one would end the loop.
func TestCodesEnd(t *testing.T) {
	for _, e := range policy.Codes() {
		if e.Code < 1 || e.Code >= codesEnd {
			t.Errorf("code %d %s is not between 1 and codesEnd, which is %d", e.Code, e.Word, codesEnd)
		}
	}
}
