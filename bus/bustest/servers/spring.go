package servers

import (
	"context"
	"os/exec"
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
		Args:    springArgs(path, "sample.Node", args...),
		Answers: AnswersOK("http://" + addr + "/ready"), // when it hears its clients, and all records that are written from now on
	})
}

// SpringClient runs the client of that project against an endpoint such as
// http://127.0.0.1:13001/stomp, and returns what it printed. It fails the test if the client has
// not passed.
func SpringClient(t testing.TB, project, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience) // it has a patience of its own for each step
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", springArgs(classPath(t, project), "sample.Client", url)...)
	endWithParent(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sample.Client %s: %v\n%s", url, err, out)
	}
	return string(out)
}

// springArgs has Java start faster and use less memory; it is slower when warm.
func springArgs(path, class string, args ...string) []string {
	return append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", path, class}, args...)
}
