package servers

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// classPath returns where Java finds the classes of a Maven project and what they depend on. Maven
// compiles them once, into a folder of the user's cache that goes by the project's sources; nothing
// is written to the project's own. The jars stay in Maven's own repository. Where it can't be done the test is
// skipped, saying why; it fails if TEST_ALL is set and TEST_WITHOUT is not "kafka".
func classPath(t testing.TB, project string) string {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		lacksJava(t, noBuild+missing("java", "default-jdk-headless maven"))
	}
	dir, err := classesDir(project)
	if err != nil {
		t.Fatal(err)
	}
	if path, whole := readClassPath(dir); whole {
		return path
	}
	for _, program := range []string{"javac", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			lacksJava(t, noBuild+missing(program, "default-jdk-headless maven"))
		}
	}
	if err := compile(project, dir); err != nil {
		lacksJava(t, noBuild+err.Error())
	}
	path, whole := readClassPath(dir)
	if !whole {
		t.Fatalf("Maven has not brought all jars of %s", path)
	}
	return path
}

const noBuild = "a project in Java can't be built: "

// classesDir names the folder for exactly these sources.
func classesDir(project string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	err = fs.WalkDir(os.DirFS(project), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(project, name))
		fmt.Fprintf(digest, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%x", filepath.Base(project), digest.Sum(nil)[:4])
	return filepath.Join(cache, "stompgw", name), nil
}

// readClassPath reports whether all of it is there.
func readClassPath(dir string) (path string, whole bool) {
	jars, err := os.ReadFile(filepath.Join(dir, "classpath"))
	if err != nil {
		return "", false
	}
	path = filepath.Join(dir, "classes") + string(filepath.ListSeparator) + strings.TrimSpace(string(jars))
	for _, part := range filepath.SplitList(path) {
		if _, err := os.Stat(part); err != nil {
			return path, false
		}
	}
	return path, true
}

// compile fills dir, all of it or nothing. Of several runs at once the first one to be done wins.
func compile(project, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "compile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, os.DirFS(project)); err != nil {
		return err
	}
	target := filepath.Join(work, "target") // Maven's own choice
	out, err := exec.Command("mvn", "-q", "-B", "-f", filepath.Join(work, "pom.xml"),
		"compile", "dependency:build-classpath", "-Dmdep.outputFile="+filepath.Join(target, "classpath")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn compile dependency:build-classpath: %w\n%s", err, out)
	}
	err = os.Rename(target, dir)
	if _, there := os.Stat(dir); there == nil {
		return nil // ours, or another run's
	}
	return err
}
