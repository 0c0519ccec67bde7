package servers

import (
	"strconv"
	"testing"
)

// Spring starts a node of the system that stompgw replaces, on a Kafka and a Redis with the given
// addresses, in some 5 seconds. Project is the path of testdata/spring, see there what further arguments may
// say. The topic has to be there. The test's end kills it.
func Spring(t testing.TB, project, kafka, redis string, args ...string) *Process {
	t.Helper()
	path, port := classPath(t, project), FreePort(t)
	addr := loopback(port)
	args = append([]string{
		"--server.port=" + strconv.Itoa(port), "--spring.kafka.bootstrap-servers=" + kafka, "--sample.redis=redis://" + redis,
	}, args...)
	return Run(t, Program{
		Addr:    addr,
		Path:    "java",
		Args:    java(256, path, append([]string{"sample.Node"}, args...)...),
		Answers: AnswersOK("http://" + addr + "/ready"), // when it hears its clients, and all records that are written from now on
	})
}

// SpringClient runs the client of that project against endpoints such as
// http://127.0.0.1:13001/stomp, one after another, and returns what it printed. It fails the test if the client has
// not passed.
func SpringClient(t testing.TB, project string, urls ...string) string {
	t.Helper()
	return runJava(t, 4*patience, java(256, classPath(t, project), append([]string{"sample.Client"}, urls...)...)) // it has a patience of its own for each step
}
