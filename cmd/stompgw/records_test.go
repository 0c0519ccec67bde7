package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestReplacedRecords: records as the replaced system writes and reads them, by Kafka's own console
// tools, a stompjs client, and a node with the preset for that system.
func TestReplacedRecords(t *testing.T) {
	const records, room = "stomp_send-message", "/topic/test-channel"
	b := servers.Kafka(t)
	redis, listen := servers.Redis(t).Addr, freeAddr(t)
	n := serve(t, "../../configs/spring.yaml", "STOMPGW_LISTEN="+listen, "STOMPGW_REDIS_ADDRS="+redis, "STOMPGW_BUS_KAFKA_BROKERS="+b.Addr)
	l := listenWith(t, "ws://"+listen+"/stomp", room, "/session/queue/notice")
	principal, err := json.Marshal(l.next(t).Headers["user-name"])
	if err != nil {
		t.Fatal(err)
	}

	b.Produce(t, records, []string{
		`{"principalName":null,"destination":"/topic/test-channel","messageJsonString":"{\"content\":\"ä 안녕\"}"}`,
		`nobody understands this`,
		fmt.Sprintf(`{"principalName":%s,"destination":"/queue/notice","messageJsonString":"\"one\""}`, principal),
		fmt.Sprintf(`{"principalName":%s,"destination":"/session/queue/notice","messageJsonString":"two","more":[1]}`, principal),
	})
	for range 3 { // the records have no key, and so no order
		m := l.next(t)
		want := map[string]string{`{"content":"ä 안녕"}`: room, `"one"`: "/session/queue/notice", `two`: "/session/queue/notice"}
		if d := m.Headers["destination"]; want[m.Body] != d || m.Headers["content-type"] != "text/plain;charset=UTF-8" {
			t.Errorf("stompjs got %+v", m)
		}
	}

	c := connect(t, n.Addr)
	c.send(t, "SEND", `{"chat": "hi"}`, "destination", "/app"+room, "receipt", "taken")
	c.expect(t, "RECEIPT")
	got := b.Consume(t, records, 5)
	const want = `{"principalName":null,"destination":"/topic/test-channel","messageJsonString":"{\"content\":\"hi\"}"}`
	count := 0
	for _, record := range got {
		if record == want {
			count++
		}
	}
	if count != 1 {
		t.Errorf("the console reads %q, want %s among them", got, want)
	}
	if m := l.next(t); m.Body != `{"content":"hi"}` || m.Headers["content-type"] != "text/plain;charset=UTF-8" {
		t.Errorf("stompjs got %+v", m)
	}
}

// listener is stompjs in a process of its own.
type listener struct{ lines *bufio.Scanner }

// printed is what the listener prints.
type printed struct {
	Headers map[string]string
	Body    string
	Error   string
}

// listenWith starts testdata/browser/listen.js. Without Node.js and its packages the test is skipped,
// or fails if TEST_ALL is set.
func listenWith(t *testing.T, args ...string) *listener {
	t.Helper()
	const folder = "../../testdata/browser"
	path, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(folder + "/node_modules")
	}
	if err != nil {
		const missing = "no Node.js with stompjs; get them with: apt-get install nodejs npm; make install"
		if os.Getenv("TEST_ALL") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"listen.js"}, args...)...)
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // closed when this process ends in whatever way
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's end has killed it
	return &listener{bufio.NewScanner(out)}
}

// next returns the next message.
func (l *listener) next(t *testing.T) (m printed) {
	t.Helper()
	if !l.lines.Scan() {
		t.Fatal("stompjs ended")
	}
	if err := json.Unmarshal(l.lines.Bytes(), &m); err != nil || m.Error != "" {
		t.Fatalf("stompjs: %s, %v", l.lines.Bytes(), err)
	}
	return m
}
