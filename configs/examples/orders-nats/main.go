// An order service behind stompgw, over NATS: go run . nats://127.0.0.1:4222
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

func main() {
	nc, err := nats.Connect(os.Args[1])
	if err == nil {
		_, err = nc.QueueSubscribe("orders.in", "orders", func(order *nats.Msg) { // one instance of the service gets it
			if err := nc.PublishMsg(answerTo(order)); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// answerTo is for the session that has ordered: it subscribes to /session/queue/orders.
func answerTo(order *nats.Msg) *nats.Msg {
	principal := order.Header.Get("stomp-principal")
	epoch, rest, _ := strings.Cut(principal, "/")
	uuid, _, _ := strings.Cut(rest, "/") // both are the name of the session's node
	return &nats.Msg{Subject: "stomp.n." + epoch + "=2F" + uuid, Data: []byte("ordered by " + order.Header.Get("stomp-member") + ": " + string(order.Data)),
		Header: nats.Header{"Stomp-Principal": {principal}, "Stomp-Destination": {"/queue/orders"}, "correlation-id": order.Header["correlation-id"]}}
}
