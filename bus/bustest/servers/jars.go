package servers

import (
	"crypto/sha256"
	_ "embed" // for the two below
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	if _, err := exec.LookPath("java"); err != nil {
		lacksJava(t, noKafka+missing("java", "default-jre-headless maven"))
	}
	dir, err := jarsDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		lacksJava(t, noKafka+missing("mvn", "default-jre-headless maven"))
	}
	if err := fetchJars(dir); err != nil {
		lacksJava(t, noKafka+err.Error())
	}
	return dir
}

const noKafka = "no Apache Kafka here; these tests run on the fake one alone: "

// lacksJava skips a test that needs Java or Maven, or fails it where all have to run.
func lacksJava(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("TEST_ALL") != "" && os.Getenv("TEST_WITHOUT") != "kafka" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// jarsDir names the folder of exactly the jars that the pom asks for.
func jarsDir() (string, error) {
	var project struct {
		Version string `xml:"version"`
	}
	if err := xml.Unmarshal(pom, &project); err != nil {
		return "", fmt.Errorf("pom.xml: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(pom)
	return filepath.Join(cache, "stompgw", fmt.Sprintf("kafka-%s-%x", project.Version, digest[:4])), nil
}

// fetchJars fills dir, all of it or nothing. Of several runs at once the first one to be done wins.
func fetchJars(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file, jars := filepath.Join(work, "pom.xml"), filepath.Join(work, "jars")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return err
	}
	out, err := exec.Command("mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies", "-DoutputDirectory="+jars).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w\n%s", err, out)
	}
	err = os.Rename(jars, dir)
	if _, there := os.Stat(dir); there == nil {
		return nil // ours, or another run's
	}
	return err
}
