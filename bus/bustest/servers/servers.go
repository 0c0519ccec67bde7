// Package servers starts the servers that tests run against: Apache Kafka and a fake of it,
// nats-server and redis-server.
//
// Each runs on free ports of 127.0.0.1, holds its data in a folder of its own, can be stopped,
// killed and started again on the same port and data, and ends with the test or, on Linux, with the
// test binary at the latest. A method that takes a testing.TB fails that test when it can't do what it says;
// only Addr and its like may be read by several goroutines at once.
package servers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// patience is how long a server may take for anything; it only decides when a test has hung.
const patience = 3 * time.Minute

// LookPath returns where program is. Where it is not installed the test is skipped, or fails if
// TEST_ALL is set.
func LookPath(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		lack(t, "", missing(program, debianPackage))
	}
	return path
}

func missing(program, debianPackage string) string {
	return fmt.Sprintf("no %s on PATH; get it with: apt-get install %s", program, debianPackage)
}

// lack skips a test of some part that can't run here, or fails it if TEST_ALL is set and TEST_WITHOUT is not that part.
func lack(t testing.TB, part, why string) {
	t.Helper()
	if os.Getenv("TEST_ALL") != "" && (part == "" || os.Getenv("TEST_WITHOUT") != part) {
		t.Fatal(why)
	}
	t.Skip(why)
}

// FreePort returns a port on which nobody listens, and which no other call returns, in this process or
// another one, before the test has ended: on Linux, that is. It is below the ports that systems give to
// outgoing connections: one of those could take the port of a server that is down for a while.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, last, tries = 20000, 32000, 100
	for range tries {
		port := first + rand.IntN(last-first)
		if !reserve(t, port) { // before a look that takes the port for a moment
			continue
		}
		ln, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		must(t, ln.Close())
		return port
	}
	t.Fatalf("none of %d ports from %d to %d is free", tries, first, last)
	return 0
}

// reserve reports whether the port is the test's alone until it ends. What tells is a name that the kernel
// forgets with whoever had it.
func reserve(t testing.TB, port int) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	ln, err := net.Listen("unix", fmt.Sprintf("@stompgw/port/%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { ln.Close() }) // nobody connects to it
	return true
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// Kcat returns where kcat is, which speaks to Kafka as programs in C do.
func Kcat(t testing.TB) string {
	t.Helper()
	return LookPath(t, "kcat", "kcat")
}

// must ends a test that can't go on with an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
