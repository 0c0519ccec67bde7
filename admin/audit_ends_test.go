package admin

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestAuditEnds: what no operator has ended is told too, when it has been quiet for long, or when too
// many others are open.
func TestAuditEnds(t *testing.T) {
	var log strings.Builder
	a := audit{log: slog.New(slog.NewTextHandler(&log, nil))}
	a.kicked(request{Call: "0", Whom: "first"}, 2)
	a.kicked(request{Call: "0", Whom: "first"}, 3)
	a.kicked(request{Call: "1"}, 0)
	a.sweep(time.Now().Add(-auditIdle))
	a.end("1")
	if log.Len() > 0 {
		t.Errorf("too early: %s", &log)
	}
	a.sweep(time.Now())
	if !strings.HasSuffix(log.String(), "whom=first sessions=5\n") {
		t.Errorf("when it is quiet: %s", &log)
	}
	log.Reset()
	for i := range auditCalls + 1 {
		a.kicked(request{Call: fmt.Sprint(i), Whom: fmt.Sprint(i)}, 1)
	}
	if !strings.HasSuffix(log.String(), "whom=0 sessions=1\n") || len(a.open) != auditCalls {
		t.Errorf("%d are open: %s", len(a.open), &log)
	}
}
