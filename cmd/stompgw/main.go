// Command stompgw is a STOMP gateway. See `stompgw --help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signal.Ignore(syscall.SIGPIPE) // a command that has begun finishes, and a node outlives who reads its log
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // lives as long as the process
		<-signals
		cancel()
		<-signals
		os.Exit(1)
	}()
	logging.Disable() // of go-redis and each attempt to dial: the registry logs once that Redis is away, and commands print errors
	os.Exit(cmd.Main(ctx, cmd.Process{
		Args:    os.Args,
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Drivers: []bus.Driver{kafkabus.Driver(), natsbus.Driver()},
		Hangups: func() <-chan os.Signal {
			hangups := make(chan os.Signal, 1) // one that comes during a reload makes another
			signal.Notify(hangups, syscall.SIGHUP)
			return hangups
		},
	}))
}
