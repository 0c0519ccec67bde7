package stomp_test

import (
	"errors"
	"fmt"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// The bytes come as the network cut them.
func ExampleDecoder() {
	limits := stomp.DefaultLimits()
	dec := stomp.NewDecoder(&limits)
	dec.SetVersion(stomp.V12)

	var f stomp.Frame
	for _, piece := range []string{"SEND\ndestination:/topic/chat\n\nhel", "lo\x00\nDISCONNECT\nno colon\n"} {
		dec.Feed([]byte(piece))
		err := dec.Next(&f)
		for ; err == nil; err = dec.Next(&f) {
			destination, _ := f.Header.Get(stomp.HeaderDestination)
			fmt.Printf("%s to %s: %s\n", f.Command, destination, f.Body)
		}
		if fault := new(stomp.ProtocolError); errors.As(err, &fault) {
			fmt.Println("ERROR:", fault.Summary)
		}
	}
	// Output:
	// SEND to /topic/chat: hello
	// ERROR: a header line has no colon; it must read name:value
}

func ExampleAppendFrame() {
	f := stomp.Frame{
		Command: stomp.CommandMessage,
		Header: stomp.Header{
			{Name: stomp.HeaderSubscription, Value: []byte("0")},
			{Name: stomp.HeaderDestination, Value: []byte("/topic/a:b")},
		},
		Body: []byte("hello"),
	}
	fmt.Printf("%q\n", stomp.AppendFrame(nil, stomp.V12, &f))
	// Output: "MESSAGE\nsubscription:0\ndestination:/topic/a\\cb\ncontent-length:5\n\nhello\x00"
}

func ExampleHeartBeat_Answer() {
	offer, _ := stomp.ParseHeartBeat([]byte("10000,10000"))
	client, _ := stomp.ParseHeartBeat([]byte("4000,30000"))
	said := offer.Answer(client)
	agreed := said.Agree(client)
	fmt.Println("CONNECTED says", said)
	fmt.Println("the server sends every", agreed.Send, "and expects something every", agreed.Receive)
	// Output:
	// CONNECTED says 10000,4000
	// the server sends every 30s and expects something every 4s
}
