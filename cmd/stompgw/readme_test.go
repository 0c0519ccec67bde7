package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway"
)

// readmes are what users read, in the order in which a newcomer would.
var readmes = []string{"README.md", "gateway/README.md", "bus/README.md", "admin/README.md", "cmd/README.md", "configs/README.md"}

// TestReadme does what the READMEs show, from the first line to the last, in one folder: their shell runs, their
// YAML is checked, and their commands print what they say. The addresses become those of the test's servers.
// Their JavaScript runs in testdata/browser, their Go in package gateway.
func TestReadme(t *testing.T) {
	r := newReader(t)
	for _, b := range r.blocks {
		run := map[string]func(*testing.T, string){"yaml": r.check, "console": r.compare, "sh": r.shell}[b.kind]
		if programName.MatchString(b.text) {
			run = r.program
		}
		if run == nil || strings.Contains(b.text, "make test") || strings.Contains(b.text, "go test") {
			continue // the suite runs these itself
		}
		if !t.Run(fmt.Sprintf("%s:%d", b.file, b.line), func(t *testing.T) { run(t, b.text) }) {
			return // the next ones build on it
		}
	}
}

// TestReadmeLinks: what the documents point to in this repository is there, headings too.
func TestReadmeLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]*)(#[^)]+)?\)`) // one with a colon leads elsewhere
	for _, file := range append(readmes, "gateway/internal/README.md", "CHANGELOG.md", "PERFORMANCE.md") {
		for _, found := range link.FindAllStringSubmatch(readDocument(t, file), -1) {
			target := file
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(file), found[1])
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s points to what is not there: %v", file, err)
			} else if found[2] != "" && !slices.Contains(anchors(readDocument(t, target)), found[2]) {
				t.Errorf("%s points to %s, which has no heading %s", file, target, found[2])
			}
		}
	}
}

// TestDesign: the functions on a SEND's way are where the design document says.
func TestDesign(t *testing.T) {
	design, files := readDocument(t, "gateway/internal/README.md"), map[string]bool{}
	rows := regexp.MustCompile("(?m)^\\| \\d+ \\| `(?:(\\w+)\\.)?(\\w+)` \\| `([\\w/.]+)` \\|").FindAllStringSubmatch(design, -1)
	for _, row := range rows {
		files[row[3]] = true
		text, err := os.ReadFile("../../gateway/internal/" + row[3])
		if err != nil {
			text, err = os.ReadFile("../../gateway/" + row[3])
		}
		declared := "(?m)^func " + row[2] + `\(`
		if row[1] != "" {
			declared = `(?m)^func \(\w+ \*?` + row[1] + `\) ` + row[2] + `\(`
		}
		if err != nil || !regexp.MustCompile(declared).Match(text) {
			t.Errorf("%s has no %s.%s, %v", row[3], row[1], row[2], err)
		}
	}
	if count := fmt.Sprintf("%d functions in %d files", len(rows), len(files)); !strings.Contains(squeeze(design), count) {
		t.Errorf("the table has %s", count)
	}
}

// TestChangelog: what it tells of first is this version, or not released yet.
func TestChangelog(t *testing.T) {
	first := regexp.MustCompile(`(?m)^## (\S+)( \(unreleased\))?`).FindStringSubmatch(readDocument(t, "CHANGELOG.md"))
	if first == nil || first[1] != gateway.Version && first[2] == "" {
		t.Errorf("CHANGELOG.md begins with %q, this is version %s", first, gateway.Version)
	}
}

// anchors are the links to the headings of a document, such as #beside-the-replaced-system.
func anchors(document string) (links []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(document, -1) {
		plain := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		links = append(links, "#"+strings.ReplaceAll(plain, " ", "-"))
	}
	return links
}

// readDocument takes a name from the root of the repository.
func readDocument(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is one fenced piece of a Markdown file.
type block struct {
	kind string // what its fence says: sh, yaml, console, ...
	text string
	file string
	line int
}

func readBlocks(t *testing.T, file string) (blocks []block) {
	t.Helper()
	var open *block
	for i, line := range strings.SplitAfter(readDocument(t, file), "\n") {
		kind, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open != nil:
			blocks, open = append(blocks, *open), nil
		case isFence && kind == "":
			t.Errorf("%s:%d: the fence does not say what it holds, such as sh", file, i+1)
			fallthrough
		case isFence:
			open = &block{kind: kind, file: file, line: i + 1}
		case open != nil:
			open.text += line
		}
	}
	return blocks
}

// reader is somebody who tries the READMEs.
type reader struct {
	blocks []block
	test   *testing.T // which the servers outlive a block by
	dir    string
	redis  string
	broker *servers.Broker
	natsd  *servers.Process
	env    []string
	api    map[string]string  // where the API of a node is, by bus
	nodes  map[string]*node   // by bus
	heard  map[string]*client // by bus: member 42, who listens to /topic/chat and to answers
	beside *exec.Cmd          // a command that the next block ends; nil for none
}

func newReader(t *testing.T) *reader {
	t.Helper()
	servers.Kcat(t)
	r := &reader{
		test: t, dir: t.TempDir(),
		redis: servers.Redis(t).Addr, broker: shared.Kafka(t), natsd: servers.NATS(t, 0, "-js", "-sd", t.TempDir()), // gateway/README.md has a channel with history
		nodes: map[string]*node{}, heard: map[string]*client{},
	}
	r.env = []string{
		"STOMPGW_REDIS_ADDRS=" + r.redis, "STOMPGW_BUS_KAFKA_BROKERS=" + r.broker.Addr, "STOMPGW_BUS_KAFKA_CREATE=true",
		"STOMPGW_BUS_NATS_URL=nats://" + r.natsd.Addr, "NATS_URL=nats://" + r.natsd.Addr,
		"STOMPGW_EMBEDDED_REDIS=" + freeAddr(t), "STOMPGW_EMBEDDED_NATS=" + freeAddr(t),
	}
	for _, file := range readmes {
		r.blocks = append(r.blocks, readBlocks(t, file)...)
	}
	for _, b := range r.blocks {
		if strings.HasPrefix(b.text, "# stompgw.yaml") {
			clitest.WriteFile(t, filepath.Join(r.dir, "stompgw.yaml"), r.read("stompgw.yaml")+b.text)
		}
	}
	clitest.WriteFile(t, filepath.Join(r.dir, "jwt.secret"), secret)
	clitest.WriteFile(t, filepath.Join(r.dir, "api.key"), apiKey+"\n")
	link(t, "../../configs", filepath.Join(r.dir, "configs"))
	return r
}

// read returns what a file holds, nothing if there is none.
func (r *reader) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(text)
}

// check finds no mistake in a piece of a configuration. Rules with claims need somebody who signs tokens,
// as the first piece says.
func (r *reader) check(t *testing.T, yaml string) {
	auth, _, _ := strings.Cut(r.read("stompgw.yaml"), "# stompgw.yaml, ")
	if !strings.Contains(yaml, "auth:") {
		yaml = auth + yaml
	}
	clitest.WriteFile(t, filepath.Join(r.dir, "piece.yaml"), yaml)
	r.run(t, "stompgw config check --config piece.yaml")
}

// compare runs the command behind the $, which prints what stands below it.
func (r *reader) compare(t *testing.T, text string) {
	command, want, _ := strings.Cut(strings.TrimPrefix(text, "$ "), "\n")
	out, _ := r.command(t, command).Output() // one that shows a refusal ends with another code than 0
	if squeeze(string(out)) != squeeze(want) {
		t.Errorf("%s\nprints\n%s\nwant\n%s", command, out, want)
	}
}

// squeeze leaves one blank of several, for a pipe has tabs where a terminal has columns.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// shell runs a block, and looks at what came of it.
func (r *reader) shell(t *testing.T, text string) {
	switch {
	case strings.Contains(text, "stompgw serve"):
		r.serve(text)
		return
	case strings.Contains(text, "stompgw subscribe"):
		r.beside = r.command(r.test, text)
		if err := r.beside.Start(); err != nil {
			t.Fatal(err)
		}
		bustest.Eventually(t, "it has subscribed", func() bool {
			out, _ := r.command(t, "stompgw sessions list --destination /topic/chat -o name").Output() // none is exit code 6
			return len(out) > 0
		})
		return
	case strings.Contains(text, "kcat"):
		r.serveBoth()
	}
	r.run(t, text)
	switch {
	case strings.Contains(text, "kcat"):
		r.hears(t, "kafka", "hello")
	case strings.Contains(text, "nats pub"):
		r.hears(t, "nats", "your order is on its way")
	case strings.Contains(text, "sessions kick"):
		for bus, c := range r.heard {
			c.expect(t, "ERROR")
			delete(r.heard, bus)
		}
	case strings.Contains(text, "nodes drain"):
		bustest.Eventually(t, "the node has ended", func() bool { return !r.nodes["nats"].Running() })
	case r.beside != nil:
		if err := r.beside.Wait(); err != nil {
			t.Errorf("%s: %v", r.beside, err)
		}
		r.beside = nil
	}
}

// run returns what commands print, all of which end with 0.
func (r *reader) run(t *testing.T, text string) string {
	t.Helper()
	cmd := r.command(t, text)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s\n%v\n%s%s", text, err, out, &problems)
	}
	return strings.TrimSpace(string(out))
}

// command prepares commands of a README for the test's servers.
func (r *reader) command(t *testing.T, text string) *exec.Cmd {
	t.Helper()
	addresses := []string{"go install ./cmd/stompgw", "command -v stompgw", "127.0.0.1:9092", r.broker.Addr}
	if n := r.nodes["kafka"]; n != nil {
		_, uuid, _ := strings.Cut(r.nodes["nats"].name(t), "/")
		addresses = append(addresses, "ws://127.0.0.1:13001/stomp", "tcp://"+n.Addr, "7c0e", uuid, "127.0.0.1:13005", r.api["kafka"])
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.NewReplacer(addresses...).Replace(text))
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), r.env...)
	return cmd
}

// programName is the file of a whole program, as its first line names it.
var programName = regexp.MustCompile(`^(?:#|//) (\w+\.(?:py|mjs|java|go))`)

// program runs one that publishes to /topic/chat and to member 42.
func (r *reader) program(t *testing.T, text string) {
	name := programName.FindStringSubmatch(text)[1]
	file := filepath.Join(r.dir, name)
	clitest.WriteFile(t, file, strings.NewReplacer("127.0.0.1:9092", r.broker.Addr, "127.0.0.1:4222", r.natsd.Addr, "127.0.0.1:13005", r.api["kafka"]).Replace(text))
	bus, args, dir := "nats", []string(nil), r.dir
	switch filepath.Ext(name) {
	case ".py":
		bus, args = "kafka", []string{servers.LookPath(t, "python3", "python3"), name}
	case ".mjs":
		args = []string{servers.LookPath(t, "node", "nodejs"), name}
		servers.LookPath(t, "../../testdata/browser/node_modules/.bin/playwright-core", "nodejs npm; make install")
		link(t, "../../testdata/browser/node_modules", filepath.Join(r.dir, "node_modules"))
	case ".java":
		bus, args = "kafka", []string{"java", "-cp", filepath.Join(servers.Jars(t), "*"), name}
	case ".go":
		args, dir = []string{"go", "run", file}, "../.." // for the module that has its imports
	}
	c := r.connect(t, r.nodes[bus], "/topic/chat", "/member/queue/inbox")
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	bodies := map[string]string{}
	for range 2 {
		f := c.expect(t, "MESSAGE")
		bodies[f.headers["destination"]], _, _ = strings.Cut(f.body, ",")
	}
	if bodies["/topic/chat"] != "to all" || bodies["/member/queue/inbox"] != "to 42" {
		t.Errorf("%s has published %q", name, bodies)
	}
	if c := r.heard[bus]; c != nil {
		c.expect(t, "MESSAGE")
	}
}

// connect opens a session of member 42 that subscribes.
func (r *reader) connect(t *testing.T, n *node, destinations ...string) *client {
	t.Helper()
	c := connect(t, n.Addr, "Authorization", "Bearer "+strings.TrimSpace(r.read("token.jwt")))
	for _, destination := range destinations {
		c.subscribe(t, destination)
	}
	return c
}

// link makes a name for a file or folder of this one.
func link(t *testing.T, target, name string) {
	t.Helper()
	target, err := filepath.Abs(target)
	if err == nil {
		err = os.Symlink(target, name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *reader) hears(t *testing.T, bus, want string) {
	t.Helper()
	if f := r.heard[bus].expect(t, "MESSAGE"); f.body != want {
		t.Errorf("a subscriber over %s got %q, want %q", bus, f.body, want)
	}
}

// serve starts what a block starts, which the later blocks go on beside.
func (r *reader) serve(text string) {
	addr, admin := freeAddr(r.test), freeAddr(r.test)
	text = strings.NewReplacer("127.0.0.1:13011", addr, "127.0.0.1:13012", admin, "go run ./cmd/stompgw", "stompgw").Replace(text)
	servers.Run(r.test, servers.Program{
		Addr:    addr,
		Path:    "bash",
		Args:    []string{"-c", "cd " + r.dir + " && exec env " + text},
		Env:     append(r.env, "STOMPGW_LISTEN="+addr, "STOMPGW_ADMIN_LISTEN="+admin),
		Answers: servers.AnswersOK("http://" + admin + "/readyz"),
	})
}

// serveBoth starts a node with the rules of gateway/README.md on each bus, and connects member 42 to each.
func (r *reader) serveBoth() {
	r.api = map[string]string{"kafka": freeAddr(r.test), "nats": freeAddr(r.test)}
	for _, driver := range []string{"kafka", "nats"} {
		n := serve(r.test, filepath.Join(r.dir, "stompgw.yaml"), append(r.env, "STOMPGW_BUS_DRIVER="+driver, "STOMPGW_LISTEN="+freeAddr(r.test), "STOMPGW_API_LISTEN="+r.api[driver],
			"STOMPGW_AUTH_JWT_SECRET_FILE="+filepath.Join(r.dir, "jwt.secret"))...)
		c := r.connect(r.test, n, "/topic/chat", "/session/queue/answers")
		r.nodes[driver], r.heard[driver] = n, c
		if driver == "nats" {
			r.env = append(r.env, "PRINCIPAL="+c.principal)
		}
	}
}

// natsPub is `nats pub SUBJECT BODY -H NAME:VALUE...`, of which bus/README.md shows what it sends.
func natsPub() {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		panic(err)
	}
	m := nats.NewMsg(os.Args[2])
	m.Data = []byte(os.Args[3])
	for i := 4; i+1 < len(os.Args); i += 2 {
		name, value, _ := strings.Cut(os.Args[i+1], ":")
		m.Header.Add(name, value)
	}
	if err := errors.Join(nc.PublishMsg(m), nc.Flush()); err != nil {
		panic(err)
	}
}
