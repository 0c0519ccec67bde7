package admin

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestAuditEnds: what no operator has ended is told too, when it has been quiet for long, or when too
// many others are open.
func TestAuditEnds(t *testing.T) {
	var log strings.Builder
	a := audit{log: slog.New(slog.NewTextHandler(&log, nil))}
	a.ended(request{Call: "0", Whom: "first"}, 2)
	a.ended(request{Call: "0", Whom: "first"}, 3)
	a.ended(request{Call: "1"}, 0)
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
		a.ended(request{Call: fmt.Sprint(i), Whom: fmt.Sprint(i)}, 1)
	}
	if !strings.HasSuffix(log.String(), "whom=0 sessions=1\n") || len(a.open) != auditCalls {
		t.Errorf("%d are open: %s", len(a.open), &log)
	}
}

// lateGateway ends sessions when the node stops.
type lateGateway struct {
	Controlled
	asked chan struct{}
}

func (g lateGateway) Kick(ctx context.Context, ids []registry.SessionID, _ gateway.Kick) ([]registry.SessionID, error) {
	close(g.asked)
	<-ctx.Done()
	time.Sleep(time.Minute) // for whoever does not wait
	return ids, nil
}

// TestAuditAtTheEnd: the log has a line of the sessions that a request ends while the node stops.
func TestAuditAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := redisregistry.NewClient(redisregistry.Options{Addrs: []string{"127.0.0.1:1"}})
		defer client.Close()
		var text strings.Builder
		gw := lateGateway{asked: make(chan struct{})}
		c := NewControl(redisregistry.Map{Client: client}, registry.NewNode(time.Now()), gw, nil, slog.New(slog.NewTextHandler(&text, nil)))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		c.requests <- request{ID: "1", Op: opKick, Call: "1", By: "alice", Sessions: []registry.SessionID{1, 2}}
		<-gw.asked
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if log := text.String(); !strings.Contains(log, "ended sessions") || !strings.Contains(log, "sessions=2") {
			t.Errorf("logged %q", log)
		}
	})
}
