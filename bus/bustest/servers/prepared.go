package servers

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Files of the folder that prepared returns.
const (
	checkpoint = "bootstrap.checkpoint" // the features of a cluster and the SCRAM passwords of User, as Kafka's own tool writes them
	archive    = "classes.jsa"          // the classes of a broker as Java has them in memory, which it need not read and verify then
)

// prepared returns a folder of the user's cache with what each broker begins with. It is made once for these classes
// and this Java, in some 10 seconds: the tool that formats a folder costs a third of a broker's start, and the
// archive saves almost half of that. A Java that can't make or use the archive goes without.
func prepared(t testing.TB, classes string) string {
	t.Helper()
	path, err := exec.LookPath("java")
	must(t, err)
	path, err = filepath.EvalSymlinks(path)
	must(t, err)
	java, err := os.Stat(path)
	must(t, err)
	digest := sha256.Sum256(fmt.Appendln(nil, classes, path, java.Size(), java.ModTime().UnixNano()))
	dir, err := cached("kafka-prepared", digest[:])
	must(t, err)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	must(t, fill(dir, func(work string) (made string, err error) {
		made = filepath.Join(work, "made")
		prepare(t, &Broker{classes: classes, dir: work}, made)
		return made, nil
	}))
	return dir
}

// prepare fills the folder made with the help of a broker that is not needed afterwards.
func prepare(t testing.TB, b *Broker, made string) {
	t.Helper()
	b.configure(t, nil)
	format := []string{"kafka.tools.StorageTool", "format", "-t", cluster, "-c", b.file("server.properties")}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, User, Password))
	}
	runJava(t, patience, java(128, b.classes, format...))
	must(t, os.Mkdir(made, 0o700))
	must(t, os.Link(b.file(filepath.Join("data", checkpoint)), filepath.Join(made, checkpoint)))
	defer b.Kill()
	b.run(t, "-XX:ArchiveClassesAtExit="+filepath.Join(made, archive))
	b.CreateTopic(t, "a", 1)
	b.Stop(t)
}
