package configs_test

import (
	"encoding/json"
	"go/version"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stage is a part of a Dockerfile, from one FROM to the next.
type stage struct {
	image, name  string
	instructions []instruction
}

// instruction is a line of a Dockerfile, such as COPY with {"go.mod", "go.sum", "./"}.
type instruction struct {
	name string
	args []string // words; of the JSON form its items
	json bool
}

// readDockerfile takes lines of one instruction each, without continuations.
func readDockerfile(t *testing.T) (stages []stage) {
	t.Helper()
	for line := range strings.Lines(read(t, "Dockerfile")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		in := instruction{name: words[0], args: words[1:]}
		if rest := strings.TrimSpace(strings.TrimPrefix(line, in.name)); strings.HasPrefix(rest, "[") {
			in.args, in.json = nil, true
			if err := json.Unmarshal([]byte(rest), &in.args); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		switch {
		case in.name == "FROM" && len(in.args) == 1:
			stages = append(stages, stage{image: in.args[0]})
		case in.name == "FROM" && len(in.args) == 3 && in.args[1] == "AS":
			stages = append(stages, stage{image: in.args[0], name: in.args[2]})
		case len(stages) == 0:
			t.Fatalf("%q stands before FROM", line)
		case !slices.Contains([]string{"WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}, in.name):
			t.Errorf("unknown instruction %q", line)
		default:
			last := &stages[len(stages)-1]
			last.instructions = append(last.instructions, in)
		}
	}
	return stages
}

// all returns the instructions of a name.
func (s stage) all(name string) (found []instruction) {
	for _, in := range s.instructions {
		if in.name == name {
			found = append(found, in)
		}
	}
	return found
}

// last is the instruction of a name that counts.
func (s stage) last(t *testing.T, name string) instruction {
	t.Helper()
	found := s.all(name)
	if len(found) == 0 {
		t.Fatalf("no %s in the stage from %s", name, s.image)
	}
	return found[len(found)-1]
}

// pinned is an image whose tag is a whole version.
var pinned = regexp.MustCompile(`^[a-z./]+:\d+\.\d+\.\d+$`)

func TestDockerfile(t *testing.T) {
	stages := readDockerfile(t)
	if len(stages) != 2 || stages[0].name != "build" || stages[1].image != "scratch" {
		t.Fatalf("the stages are %+v, want one that builds, and one from nothing", stages)
	}
	t.Run("build", func(t *testing.T) { checkBuild(t, stages[0]) })
	t.Run("image", func(t *testing.T) { checkImage(t, stages[1]) })
}

func checkBuild(t *testing.T, build stage) {
	image, tag, _ := strings.Cut(build.image, ":")
	want := goVersion(t)
	if got := "go" + tag; image != "golang" || !pinned.MatchString(build.image) || version.Lang(got) != version.Lang(want) || version.Compare(got, want) < 0 {
		t.Errorf("it builds with %s, want golang:X.Y.Z as go.mod says: %s", build.image, want)
	}
	for _, in := range build.all("COPY") {
		for _, source := range in.args[:len(in.args)-1] {
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("COPY of what is not there: %v", err)
			}
		}
	}
	run := strings.Join(build.last(t, "RUN").args, " ")
	for _, part := range []string{"CGO_ENABLED=0 go build ", "-trimpath", "-ldflags '-s -w'", "-tags timetzdata", "-o /stompgw ./cmd/stompgw"} {
		if !strings.Contains(run, part) {
			t.Errorf("%q has no %q", run, part)
		}
	}
}

func checkImage(t *testing.T, image stage) {
	files := map[string]string{}
	for _, in := range image.all("COPY") {
		if len(in.args) != 3 || in.args[0] != "--from=build" {
			t.Fatalf("COPY %v: want one file of the stage that builds", in.args)
		}
		files[in.args[2]] = in.args[1]
	}
	if len(files) != 2 || files[command[0]] != "/stompgw" || files["/etc/ssl/certs/ca-certificates.crt"] == "" {
		t.Errorf("the image has %v, want the binary and certificates alone", files)
	}
	if user := image.last(t, "USER").args; len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("USER %v, want numbers, and not root's", user)
	}
	if run := image.all("RUN"); len(run) > 0 {
		t.Errorf("RUN %v: there is no shell in it", run[0].args)
	}
	if signal := image.last(t, "STOPSIGNAL").args; !slices.Equal(signal, []string{"SIGTERM"}) {
		t.Errorf("STOPSIGNAL %v, want the one that drains", signal)
	}
	entry, args := image.last(t, "ENTRYPOINT"), image.last(t, "CMD")
	if !entry.json || !args.json || !slices.Equal(slices.Concat(entry.args, args.args), command) {
		t.Errorf("it runs %v %v, want %v, as JSON", entry.args, args.args, command)
	}
	if env := image.last(t, "ENV").args; !slices.Equal(env, []string{"PATH=" + path.Dir(command[0])}) {
		t.Errorf("ENV %v: `docker exec … stompgw` would not be found", env)
	}
	n := readNode(t, "kafka.yaml", read(t, "kafka.yaml"))
	if ports, want := image.last(t, "EXPOSE").args, []string{port(t, n.Listen), port(t, n.Admin.Listen)}; !slices.Equal(ports, want) {
		t.Errorf("EXPOSE %v, want %v", ports, want)
	}
}

// goVersion is what go.mod asks for, such as go1.26.0.
func goVersion(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))
	if found == nil {
		t.Fatal("go.mod has no line for go")
	}
	return "go" + found[1]
}

// port is the last part of an address.
func port(t *testing.T, addr string) string {
	t.Helper()
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		t.Fatalf("%q is no address", addr)
	}
	return addr[i+1:]
}

// TestDockerignore: the build sees all that git knows, so that the commit it tells of is not "modified",
// and nothing that git ignores, which may be large.
func TestDockerignore(t *testing.T) {
	ignored := lines(read(t, "../.dockerignore"))
	for _, pattern := range lines(read(t, "../.gitignore")) {
		want := "**/" + strings.Trim(pattern, "/")
		if strings.Contains(strings.TrimSuffix(pattern, "/"), "/") { // then it is meant from the root on
			want = strings.Trim(pattern, "/")
		}
		if !slices.Contains(ignored, want) {
			t.Errorf(".dockerignore has no %s", want)
		}
	}
	git := exec.CommandContext(t.Context(), "git", "ls-files")
	git.Dir = ".."
	known, err := git.Output()
	if err != nil {
		t.Skipf("no git, or no repository: %v", err)
	}
	for _, name := range lines(string(known)) {
		for _, pattern := range ignored {
			if matchesIgnore(t, pattern, name) {
				t.Errorf(".dockerignore leaves %s out, by %s", name, pattern)
			}
		}
	}
}

// matchesIgnore knows two forms: "a/b" from the root on, and "**/a" in any folder.
func matchesIgnore(t *testing.T, pattern, name string) bool {
	t.Helper()
	anywhere, ok := strings.CutPrefix(pattern, "**/")
	if strings.ContainsAny(anywhere, "*?[!") || ok && strings.Contains(anywhere, "/") {
		t.Fatalf("this test does not understand %q", pattern)
	}
	if ok {
		return slices.Contains(strings.Split(name, "/"), anywhere)
	}
	return name == pattern || strings.HasPrefix(name, pattern+"/")
}

// lines are those that say something.
func lines(text string) (found []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			found = append(found, line)
		}
	}
	return found
}
