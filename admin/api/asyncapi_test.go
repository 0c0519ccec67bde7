package api_test

import (
	"net/http"
	"testing"
)

// TestAsyncAPI: the document is the node's, as it is.
func TestAsyncAPI(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	var got map[string]string
	wantJSON(t, r.ask(t, readKey, "GET", "/v1/asyncapi.json", ""), http.StatusOK, &got)
	if len(got) != 2 || got["asyncapi"] != "3.0.0" || got["a"] != "<&>" {
		t.Errorf("got %q", got)
	}
}
