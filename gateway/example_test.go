package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// parts are what a node of a program's own is made of: a name, a bus for one process (see kafkabus and
// natsbus for more), and rules.
func parts() (registry.Node, bus.Bus, *policy.Catalogue) {
	rules, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
		Channels: []policy.Channel{
			{Match: "/topic/{room}", Subscribe: "true"},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
		Routes: []policy.Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	node := registry.NewNode(time.Now())
	return node, membus.NewCluster().Bus(node.String()), rules
}

// embed makes a node, and what is particular to it.
func embed(opts ...gateway.Option) (gw *gateway.Gateway, end func()) {
	node, bus, rules := parts()
	gw, err := gateway.New(node, bus, registry.NewMemory(), rules, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return gw, func() { bus.Close(context.Background()) }
}

// What the README shows of a program that has the gateway inside it.
func ExampleNew() {
	asleep := func(who *auth.Identity) bool { return who != nil }
	call := func(_ context.Context, name string, arg []byte) []byte {
		return fmt.Appendf(nil, "%s of %s", name, arg)
	}
	serve := func(ctx context.Context, ln net.Listener, node registry.Node, bus bus.Bus, sessions registry.Registry, rules *policy.Catalogue) error {
		gw, err := gateway.New(node, bus, sessions, rules,
			gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
				if f.Command == "SEND" && asleep(f.Who) {
					return gateway.Refuse(1001, "It is night where you are") // on the error destination
				}
				f.Header.Set("x-region", "eu")
				return nil // passes, changed
			}),
			gateway.HandleFunc("/app/rpc/{name}", func(ctx context.Context, r *gateway.Request) error {
				r.Reply("/session/queue/answers", call(ctx, r.Vars["name"], r.Body)) // to the sender's session
				return nil
			}))
		if err != nil {
			return err
		}
		defer ln.Close()
		go http.Serve(ln, gw) // accepts connections
		return gw.Run(ctx)    // serves them until ctx ends; without it the answer is 503
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	node, bus, rules := parts()
	defer bus.Close(context.Background())
	go func() { ended <- serve(ctx, ln, node, bus, registry.NewMemory(), rules) }()

	ws, _, err := websocket.Dial(ctx, "ws://"+ln.Addr().String()+"/stomp", nil)
	for began := time.Now(); err != nil; ws, _, err = websocket.Dial(ctx, "ws://"+ln.Addr().String()+"/stomp", nil) {
		if time.Since(began) > patience { // it is 503 until Run has begun
			log.Fatal(err)
		}
	}
	conn := websocket.NetConn(context.Background(), ws, websocket.MessageText)
	answers := newScanner(conn)
	for _, frame := range []string{
		"CONNECT\naccept-version:1.2\n\n\x00",
		"SUBSCRIBE\nid:answers\ndestination:/session/queue/answers\nreceipt:ready\n\n\x00",
		"SEND\ndestination:/app/rpc/price\n\napples\x00",
	} {
		fmt.Fprint(conn, frame)
		answers.Scan()
	}
	printFrame(answers.Text())
	stop()
	answers.Scan() // until the node has said goodbye
	fmt.Println(<-ended)
	// Output:
	// answers: price of apples
	// <nil>
}

// An interceptor sees what clients ask for before it happens.
func ExampleWithInterceptor() {
	gw, end := embed(gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
		if f.Command != "SEND" {
			return nil
		}
		if strings.Contains(string(f.Body), "spam") {
			return gateway.Refuse(1001, "We don't do that here")
		}
		f.Header.Set("x-received", "today")
		return nil
	}))
	defer end()
	converse(gw,
		"SUBSCRIBE\nid:errors\ndestination:/session/queue/request-error\n\n\x00",
		"SUBSCRIBE\nid:chat\ndestination:/topic/chat\nreceipt:ready\n\n\x00",
		"SEND\ndestination:/app/chat\n\nspam\x00",
		"SEND\ndestination:/app/chat\n\nhello\x00")
	// Output:
	// RECEIPT ready
	// errors: {"clientRequestCode":null,"errorCode":1001,"errorMessage":"We don't do that here","error":"refused","retryable":false,"destination":"/app/chat"}
	// chat: hello (received today)
}

// A function takes the SENDs to a destination, and may answer the sender alone.
func ExampleHandleFunc() {
	gw, end := embed(gateway.HandleFunc("/app/rpc/{name}", func(_ context.Context, r *gateway.Request) error {
		switch r.Vars["name"] {
		case "upper":
			r.Reply("/session/queue/answers", []byte(strings.ToUpper(string(r.Body))))
		case "shout":
			r.Publish("/topic/chat", append(r.Body, '!'))
		default:
			return gateway.Refuse(policy.CodeNoRule, "There is no such procedure")
		}
		return nil
	}))
	defer end()
	converse(gw,
		"SUBSCRIBE\nid:answers\ndestination:/session/queue/answers\n\n\x00",
		"SUBSCRIBE\nid:chat\ndestination:/topic/chat\nreceipt:ready\n\n\x00",
		"SEND\ndestination:/app/rpc/upper\n\nhello\x00",
		"SEND\ndestination:/app/rpc/shout\n\nhello\x00")
	// Output:
	// RECEIPT ready
	// answers: HELLO
	// chat: hello!
}

// A Gateway is an http.Handler, and can live in a server with other things. Run is needed all the
// same: its loops serve the connections.
func ExampleGateway_ServeHTTP() {
	gw, end := embed(gateway.WithEndpoint("/chat"))
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- gw.Run(ctx) }()

	mux := http.NewServeMux()
	mux.Handle("/chat/", gw) // WebSocket and SockJS
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the application") })
	server := httptest.NewServer(mux)
	for _, path := range []string{"/", "/chat/"} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		body := make([]byte, 100)
		n, _ := answer.Body.Read(body)
		answer.Body.Close()
		fmt.Println(strings.TrimSpace(string(body[:n])))
	}
	server.Close()
	stop()
	fmt.Println(<-ended)
	// Output:
	// the application
	// Welcome to SockJS!
	// <nil>
}

// An operator ends the sessions that are subscribed to something.
func ExampleGateway_Kick() {
	gw, end := embed()
	defer end()
	conn, answers, stop := open(gw)
	fmt.Fprint(conn, "SUBSCRIBE\nid:1\ndestination:/topic/chat\nreceipt:ready\n\n\x00")
	answers.Scan() // RECEIPT

	ctx := context.Background()
	ids, err := gw.Subscribers(ctx, "/topic/chat")
	if err != nil {
		log.Fatal(err)
	}
	kicked, err := gw.Kick(ctx, ids, gateway.Kick{Reason: "The chat is closed for today"})
	fmt.Println(len(kicked), err)
	answers.Scan()
	fmt.Println(answers.Text())

	gw.Drain() // ends Run
	fmt.Println(stop())
	// Output:
	// 1 <nil>
	// ERROR
	// message:The chat is closed for today
	// error-code:15
	// content-type:text/plain
	// content-length:119
	//
	// Code 15. Transactions that were not committed are gone. Connect again if you need to, or ask whoever runs this gateway.
	// <nil>
}

// open runs the gateway for one client, who has connected.
func open(gw *gateway.Gateway) (conn net.Conn, answers *bufio.Scanner, stop func() error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- gw.Run(ctx, gateway.Listener{Listener: ln, STOMP: true}) }()
	if conn, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		log.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "CONNECT\naccept-version:1.2\n\n\x00")
	answers = newScanner(conn)
	answers.Scan() // CONNECTED
	return conn, answers, func() error {
		conn.Close()
		cancel()
		return <-ended
	}
}

// converse has one client say the frames one after the other, each when the last one that has an answer was
// answered, and prints what comes.
func converse(gw *gateway.Gateway, frames ...string) {
	conn, answers, stop := open(gw)
	for _, frame := range frames {
		fmt.Fprint(conn, frame)
		if strings.HasPrefix(frame, "SUBSCRIBE") && !strings.Contains(frame, "receipt:") {
			continue
		}
		if !answers.Scan() {
			break
		}
		printFrame(answers.Text())
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
