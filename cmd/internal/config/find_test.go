//go:build unix

package config

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFind: the variable counts before the working directory, and that before the system's folder.
func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	system := filepath.Join(t.TempDir(), "stompgw.yaml")
	want := func(file, wantErr string) {
		t.Helper()
		got, err := find("stompgw.yaml", system)
		if got != file || (err == nil) != (wantErr == "") || err != nil && err.Error() != wantErr {
			t.Errorf("\n got %q, %v\nwant %q, %s", got, err, file, wantErr)
		}
	}
	want("", "")
	writeFile(t, system, "")
	want(system, "")
	writeFile(t, "stompgw.yaml", "")
	want("stompgw.yaml", "")
	t.Setenv("STOMPGW_CONFIG", "other.yaml")
	want("", "STOMPGW_CONFIG: other.yaml can't be read: no such file or directory; write the name of a YAML file, or unset it")
	writeFile(t, "other.yaml", "")
	want("other.yaml", "")
	if _, err := Load(Source{Drivers: drivers(), File: "other.yaml"}); err != nil {
		t.Errorf("the variable is taken for a setting: %v", err)
	}
	t.Setenv("STOMPGW_CONFIG", "")
	want("", "STOMPGW_CONFIG: the variable is empty: write the name of a YAML file, or unset it")
}

// TestTrust: of a file that was found, nobody else may be able to say what is in it.
func TestTrust(t *testing.T) {
	outer := t.TempDir()
	folder := filepath.Join(outer, "etc")
	file, link := filepath.Join(folder, "stompgw.yaml"), filepath.Join(outer, "link.yaml")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(outer, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	writeFile(t, file, "log: {level: warn}\n")
	if err := os.Symlink("etc/stompgw.yaml", link); err != nil {
		t.Fatal(err)
	}
	const who = " by others than its owner (mode "
	const what = "), who could change the settings: chmod go-w it, or name the file with --config"
	for _, tt := range []struct {
		name         string
		file, folder os.FileMode
		want         string // behind the file's name
	}{
		{"its owner's", 0o644, 0o755, ""},
		{"a group's", 0o664, 0o755, "it may be written" + who + "0664" + what},
		{"everybody's", 0o606, 0o755, "it may be written" + who + "0606" + what},
		{"in a group's folder", 0o600, 0o775, "the folder " + folder + " may be written" + who + "0775" + what},
		{"in everybody's folder", 0o600, 0o757, "the folder " + folder + " may be written" + who + "0757" + what},
		{"in everybody's, who can't take it away", 0o600, 0o777 | os.ModeSticky, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for path, mode := range map[string]os.FileMode{file: tt.file, folder: tt.folder} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{file, link} {
				want := ""
				if tt.want != "" {
					want = name + ": " + tt.want
				}
				switch c, err := Load(Source{Drivers: drivers(), File: name, Found: true}); {
				case err == nil && (want != "" || c.Origin("log.level") != name+":1"):
					t.Errorf("%s is taken, and log.level is of %s; want %s", name, c.Origin("log.level"), want)
				case err != nil && err.Error() != want:
					t.Errorf("\n got %v\nwant %s", err, want)
				}
				if _, err := Load(Source{Drivers: drivers(), File: name}); err != nil {
					t.Errorf("one that was named: %v", err)
				}
			}
		})
	}
	if os.Geteuid() != 0 {
		return // root alone can make a file that is somebody else's
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 12345, -1); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Source{Drivers: drivers(), File: file, Found: true})
	if want := file + ": it belongs to user 12345, who is neither root nor this process's user 0 and could change the settings: chown it, or name the file with --config"; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}
