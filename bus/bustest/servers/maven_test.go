package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestClassPath: a project is compiled once, outside its folder, and anew when a source has changed.
func TestClassPath(t *testing.T) {
	const project = "../../../testdata/spring"
	first := classPath(t, project)
	if entries, err := os.ReadDir(project); err != nil || len(entries) != 2 {
		t.Errorf("%s has %v, %v; want pom.xml and src alone", project, entries, err)
	}
	java, err := exec.LookPath("java")
	must(t, err)
	bin := t.TempDir() // without Maven
	must(t, os.Symlink(java, filepath.Join(bin, "java")))
	t.Setenv("PATH", bin)
	if again := classPath(t, project); again != first {
		t.Errorf("%s, and then %s", first, again)
	}

	changed := filepath.Join(t.TempDir(), filepath.Base(project))
	must(t, os.CopyFS(changed, os.DirFS(project)))
	before, err := classesDir(project)
	must(t, err)
	if copied, err := classesDir(changed); err != nil || copied != before {
		t.Errorf("a copy goes to %s, %v; want %s", copied, err, before)
	}
	must(t, os.Rename(filepath.Join(changed, "src/main/java/sample/Node.java"), filepath.Join(changed, "src/main/java/sample/Other.java")))
	if other, err := classesDir(changed); err != nil || other == before {
		t.Errorf("another project goes to %s too, %v", other, err)
	}
}
