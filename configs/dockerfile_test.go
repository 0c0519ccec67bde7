package configs_test

import (
	"encoding/json"
	"go/version"
	"net"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pinned is an image whose tag is a whole version.
var pinned = regexp.MustCompile(`^[a-z./]+:\d+\.\d+\.\d+$`)

// TestDockerfile: the image has the binary and certificates alone, runs what all deployments run, not as
// root, and opens the ports of the configuration.
func TestDockerfile(t *testing.T) {
	text := lines(read(t, "Dockerfile"))
	words := func(of []string) string {
		list, err := json.Marshal(of)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(list), ",", ", ")
	}
	n := readNode(t, "kafka.yaml", read(t, "kafka.yaml"))
	image := text[slices.Index(text, "FROM scratch")+1:]
	want := []string{
		"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
		"COPY --from=build /stompgw " + command[0],
		"ENV PATH=" + path.Dir(command[0]), // for `docker exec … stompgw`
		"USER " + imageUser(t),
		"EXPOSE " + port(t, n.Listen) + " " + port(t, n.Admin.Listen),
		"STOPSIGNAL SIGTERM", // which drains
		"ENTRYPOINT " + words(command[:1]),
		"CMD " + words(command[1:]),
	}
	if !slices.Equal(image, want) {
		t.Errorf("the image is made by\n%s\nwant\n%s", strings.Join(image, "\n"), strings.Join(want, "\n"))
	}
	const build = "RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w' -o /stompgw ./cmd/stompgw"
	if !slices.Contains(text, build) {
		t.Errorf("it does not build with %s", build)
	}
	builder, _, _ := strings.Cut(strings.TrimPrefix(text[0], "FROM "), " ")
	with, asked := "go"+strings.TrimPrefix(builder, "golang:"), "go"+find(t, "../go.mod", `^go (\S+)$`)
	if !pinned.MatchString(builder) || version.Lang(with) != version.Lang(asked) || version.Compare(with, asked) < 0 {
		t.Errorf("it builds with %s, want golang:X.Y.Z as go.mod says: %s", builder, asked)
	}
}

// imageUser is who the image runs as: numbers, so that Kubernetes sees that they are not root's.
func imageUser(t *testing.T) string { return find(t, "Dockerfile", `^USER ([1-9]\d*:[1-9]\d*)$`) }

// port is the last part of an address.
func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestDockerignore: the build sees all that git knows, so that the commit it tells of is not "modified",
// and nothing that git ignores, which may be large.
func TestDockerignore(t *testing.T) {
	var want []string
	for _, pattern := range lines(read(t, "../.gitignore")) {
		name, fromRoot := strings.CutPrefix(strings.TrimSuffix(pattern, "/"), "/")
		if !fromRoot {
			name = "**/" + name
		}
		want = append(want, name)
	}
	if ignored := lines(read(t, "../.dockerignore")); !slices.Equal(slices.Sorted(slices.Values(ignored)), slices.Sorted(slices.Values(want))) {
		t.Errorf(".dockerignore leaves out %q, git %q", ignored, want)
	}
	git := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--ignored", "--exclude-standard")
	git.Dir = ".."
	known, err := git.Output()
	if err != nil {
		t.Skipf("no git, or no repository: %v", err)
	}
	if len(known) > 0 {
		t.Errorf("git knows files that it ignores:\n%s", known)
	}
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
