package servers

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
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
	const packages = "default-jdk-headless maven"
	lacksProgram(t, noBuild, packages, "java")
	dir, err := classesDir(project)
	must(t, err)
	if path, whole := readClassPath(dir); whole {
		return path
	}
	lacksProgram(t, noBuild, packages, "javac", "mvn")
	err = fill(dir, func(work string) (target string, err error) {
		target = filepath.Join(work, "target") // Maven's own choice
		if err := os.CopyFS(work, os.DirFS(project)); err != nil {
			return "", err
		}
		return target, mvn(work, "compile", "dependency:build-classpath", "-Dmdep.outputFile="+filepath.Join(target, "classpath"))
	})
	if err != nil {
		lack(t, "kafka", noBuild+err.Error())
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
	digest := sha256.New()
	err := fs.WalkDir(os.DirFS(project), ".", func(name string, entry fs.DirEntry, err error) error {
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
	return cached(filepath.Base(project), digest.Sum(nil))
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
