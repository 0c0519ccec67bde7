package stomp

import "testing"

// TestProtocolNegotiation holds "Protocol Negotiation".
func TestProtocolNegotiation(t *testing.T) {
	for _, test := range []struct {
		rule   string
		accept string
		want   Version
	}{
		{"one version", "1.2", V12},
		{"the highest in common", "1.0,1.1,2.0", V11},
		{"in any order", "1.2,1.0,1.1", V12},
		{"spaces around the commas", "1.0, 1.1 ,2.0", V11},
		{"empty items", ",1.1,", V11},
		{"all of the list is read", "3.0,2.0,1.0", V10},
		{"none in common", "2.0,3", 0},
		{"an empty list", "", 0},
		{"versions are whole words", "1.20,11.1", 0},
	} {
		t.Run(test.rule, func(t *testing.T) {
			got, err := NegotiateVersion([]byte(test.accept), true)
			if got != test.want || (err == nil) != (test.want != 0) {
				t.Errorf("%q: %v %v, want %v", test.accept, got, err, test.want)
			}
			if test.want == 0 && err != ErrNoCommonVersion {
				t.Errorf("error %v", err)
			}
		})
	}
	if got, err := NegotiateVersion(nil, false); got != V10 || err != nil {
		t.Errorf("no accept-version: %v %v, want 1.0", got, err)
	}
	if got := V10.String() + "," + V11.String() + "," + V12.String() + Version(0).String(); got != Versions {
		t.Errorf("versions %s, want %s", got, Versions)
	}
	if !(0 < V10 && V10 < V11 && V11 < V12) {
		t.Error("versions do not compare by age")
	}
}
