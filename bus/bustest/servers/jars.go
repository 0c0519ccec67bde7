package servers

import (
	"crypto/sha256"
	_ "embed" // for the two below
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/kafka/pom.xml
var pom []byte

//go:embed testdata/kafka/log4j2.yaml
var log4j []byte

// Jars returns the folder with the jars of Apache Kafka: $KAFKA_JARS, or one in the user's cache
// that Maven fills once, in some 5 seconds and 54 MiB. Where they can't be had the test is skipped,
// saying why; it fails if TEST_ALL is set and TEST_WITHOUT is not "kafka".
func Jars(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("KAFKA_JARS"); dir != "" {
		return dir
	}
	lacksProgram(t, noKafka, "default-jre-headless maven", "java")
	dir, err := jarsDir()
	must(t, err)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	lacksProgram(t, noKafka, "default-jre-headless maven", "mvn")
	err = fill(dir, func(work string) (jars string, err error) {
		jars = filepath.Join(work, "jars")
		if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
			return "", err
		}
		return jars, mvn(work, "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	})
	if err != nil {
		lack(t, "kafka", noKafka+err.Error())
	}
	return dir
}

const noKafka = "no Apache Kafka here; these tests run on the fake one alone: "

// lacksProgram is lack if one of the programs, which are those of Java, is not there.
func lacksProgram(t testing.TB, what, packages string, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lack(t, "kafka", what+missing(program, packages))
		}
	}
}

// jarsDir names the folder of exactly the jars that the pom asks for.
func jarsDir() (string, error) {
	var project struct {
		Version string `xml:"version"`
	}
	if err := xml.Unmarshal(pom, &project); err != nil {
		return "", fmt.Errorf("pom.xml: %w", err)
	}
	digest := sha256.Sum256(pom)
	return cached("kafka-"+project.Version, digest[:])
}

// cached names a folder of the user's cache, for exactly what has the digest.
func cached(name string, digest []byte) (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "stompgw", fmt.Sprintf("%s-%x", name, digest[:4])), err
}

// fill makes dir of a folder that make fills and names, all of it or nothing: one below work, which goes
// afterwards. Of several runs at once the first one to be done wins.
func fill(dir string, make func(work string) (string, error)) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fill-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := make(work)
	if err != nil {
		return err
	}
	err = os.Rename(made, dir)
	if _, there := os.Stat(dir); there == nil {
		return nil // ours, or another run's
	}
	return err
}

// mvn runs Maven on the project in a folder.
func mvn(project string, args ...string) error {
	args = append([]string{"-q", "-B", "-f", filepath.Join(project, "pom.xml")}, args...)
	out, err := exec.Command("mvn", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
