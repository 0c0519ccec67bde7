package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestNginxDrain: a node that is stopped behind nginx loses no SEND of its SockJS sessions, and those of the
// other node, also the ones that begin meanwhile, do not notice.
func TestNginxDrain(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]bool{"nginx keeps connections to the nodes": true, "each request has its own": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testNginxDrain(t, keeps)
		})
	}
}

func testNginxDrain(t *testing.T, keeps bool) {
	const before, meanwhile = 60, 10 // sessions
	servers.LookPath(t, "nginx", "nginx-light")
	bus, redis := servers.NATS(t, 0).Addr, servers.Redis(t).Addr
	addrs := []string{freeAddr(t), freeAddr(t)}
	var nodes []*node
	for _, addr := range addrs {
		nodes = append(nodes, startNode(t, redis, natsAt(bus), "STOMPGW_LISTEN="+addr, "STOMPGW_DRAIN_DURATION=2s",
			"STOMPGW_SOCKJS_SESSION_TIMEOUT=1m", "STOMPGW_LIMITS_CONNECT_TIMEOUT=1m", "STOMPGW_LIMITS_OUTBOUND=64MiB"))
	}
	proxy := startNginx(t, addrs, keeps)
	hall := connect(t, nodes[1].Addr)
	hall.subscribe(t, "/topic/room") // and reads when all have said what they say
	leaving := nodes[0].name(t)

	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: before + meanwhile}}
	t.Cleanup(web.CloseIdleConnections)
	var talkers sync.WaitGroup
	var over atomic.Bool
	var list []*talker
	begin := func(count int) {
		for range count {
			k := openTalker(t, web, "http://"+proxy.Addr+"/stomp")
			list = append(list, k)
			talkers.Go(func() { k.listen() })
			talkers.Go(func() { k.talk(&over) })
		}
	}
	begin(before)
	nodes[0].Signal(t, syscall.SIGTERM)
	bustest.Eventually(t, "the node drains", func() bool { return strings.Contains(nodes[0].Output(), "draining") })
	begin(meanwhile)
	bustest.Eventually(t, "the node has ended", func() bool { return !nodes[0].Running() }) // Stop would be a second signal
	over.Store(true)
	talkers.Wait()

	let, missing := 0, map[string]bool{} // of what was accepted
	for _, k := range list {
		if strings.HasPrefix(k.session, leaving) {
			let++
		} else if k.isOver() {
			t.Errorf("a session of the node that stays has ended: %v", k.end)
		}
		if k.fault != nil {
			t.Errorf("a session of %s: %v", k.session, k.fault)
		}
		for i := range k.accepted {
			missing[k.says(i)] = true
		}
	}
	for len(missing) > 0 {
		delete(missing, hall.expect(t, "MESSAGE").body)
	}
	if let == 0 || let == len(list) {
		t.Errorf("%d of %d sessions were on the node that was stopped", let, len(list))
	}
}

// talker is a session over xhr-polling that sends to /topic/room: its id and a number.
type talker struct {
	web     *http.Client
	path    string // URL of the SockJS session
	session string // key of the STOMP session
	ended   chan struct{}
	end     error // why, when ended is closed

	accepted int   // SENDs
	fault    error // of a SEND that was not accepted while the session lived
}

func openTalker(t *testing.T, web *http.Client, endpoint string) *talker {
	t.Helper()
	k := &talker{web: web, path: endpoint + "/000/" + rand.Text(), ended: make(chan struct{})}
	if got, err := k.ask("/xhr", ""); err != nil || got != "o\n" {
		t.Fatalf("a session opens with %q, %v", got, err)
	}
	if err := k.send("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\x00"); err != nil {
		t.Fatal(err)
	}
	got, err := k.ask("/xhr", "")
	_, rest, _ := strings.Cut(got, `\nsession:`)
	k.session, _, _ = strings.Cut(rest, `\n`)
	if err != nil || k.session == "" {
		t.Fatalf("CONNECT is answered %q, %v", got, err)
	}
	return k
}

// statusError is an answer that is no 2xx.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// says is the body of a SEND.
func (k *talker) says(i int) string { return fmt.Sprintf("%s %d", k.path, i) }

func (k *talker) ask(resource, body string) (string, error) {
	r, err := k.web.Post(k.path+resource, "text/plain", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode/100 != 2 {
		err = statusError(r.StatusCode)
	}
	return string(text), err
}

func (k *talker) send(frame string) error {
	body, err := json.Marshal([]string{frame})
	if err != nil {
		return err
	}
	_, err = k.ask("/xhr_send", string(body))
	return err
}

// listen asks for frames until the session is over.
func (k *talker) listen() {
	defer close(k.ended)
	for {
		switch got, err := k.ask("/xhr", ""); {
		case err != nil:
			k.end = err
			return
		case !strings.HasPrefix(got, "h") && !strings.HasPrefix(got, "a["):
			k.end = fmt.Errorf("the frame %.100q", got)
			return
		}
	}
}

func (k *talker) isOver() bool {
	select {
	case <-k.ended:
		return !strings.Contains(k.end.Error(), disconnected)
	default:
		return false
	}
}

// disconnected is what the client reads that has sent DISCONNECT.
const disconnected = "c[1000,"

// talk sends until the session is over, or talking is. A SEND that came when the session was over has no
// node that knows the session.
func (k *talker) talk(over *atomic.Bool) {
	for !over.Load() {
		err := k.send("SEND\ndestination:/topic/room\n\n" + k.says(k.accepted) + "\x00")
		var status statusError
		switch {
		case err == nil:
			k.accepted++
		case errors.As(err, &status) && status == http.StatusNotFound:
			<-k.ended
			return
		default:
			k.fault = fmt.Errorf("after %d SENDs: %w", k.accepted, err)
			over.Store(true) // none of the others need go on
		}
		time.Sleep(10 * time.Millisecond) // the machine has other things to do
	}
	if err := k.send("DISCONNECT\nreceipt:bye\n\n\x00"); err != nil && k.fault == nil && !k.isOver() {
		k.fault = fmt.Errorf("DISCONNECT: %w", err)
	}
	<-k.ended
}
