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
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir() // without Maven
	if err := os.Symlink(java, filepath.Join(bin, "java")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if again := classPath(t, project); again != first {
		t.Errorf("%s, and then %s", first, again)
	}

	changed := filepath.Join(t.TempDir(), filepath.Base(project))
	if err := os.CopyFS(changed, os.DirFS(project)); err != nil {
		t.Fatal(err)
	}
	before, err := classesDir(project)
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := classesDir(changed); err != nil || copied != before {
		t.Errorf("a copy goes to %s, %v; want %s", copied, err, before)
	}
	if err := os.Rename(filepath.Join(changed, "src/main/java/sample/Node.java"), filepath.Join(changed, "src/main/java/sample/Other.java")); err != nil {
		t.Fatal(err)
	}
	if other, err := classesDir(changed); err != nil || other == before {
		t.Errorf("another project goes to %s too, %v", other, err)
	}
}
