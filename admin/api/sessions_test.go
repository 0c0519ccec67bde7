package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestSessionPages: all sessions come, page by page, and the cursor of a page is the only one that there is.
func TestSessionPages(t *testing.T) {
	m := redisMap(t)
	reg := addNode(t, m)
	reg.Add(registry.Session{ID: 6, ConnectedAt: time.Unix(1720000001, 0), Member: "43", Transport: "tcp", Version: "1.2"})
	r := newRigOn(t, m)
	var page struct {
		Sessions []admin.Session
		Cursor   string
		Silent   []string `json:"silent_nodes"`
	}
	bustest.Eventually(t, "both sessions are in Redis", func() bool {
		wantJSON(t, r.ask(t, readKey, "GET", "/v1/sessions?live=false", ""), http.StatusOK, &page)
		return len(page.Sessions) == 2 && page.Cursor == "" && len(page.Silent) == 0
	})
	var ids []string
	for _, last := range []bool{false, true} {
		path := "/v1/sessions?limit=1&cursor=" + page.Cursor
		page.Cursor = ""
		wantJSON(t, r.ask(t, readKey, "GET", path, ""), http.StatusOK, &page)
		if len(page.Sessions) != 1 || page.Sessions[0].Cursor != "" || (page.Cursor == "") != last || fmt.Sprint(page.Silent) != "["+nodeName+"]" {
			t.Fatalf("%s: %+v", path, page)
		}
		ids = append(ids, page.Sessions[0].Short)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{short, "7c0e9d1a-6"}) {
		t.Errorf("%q", ids)
	}
}
