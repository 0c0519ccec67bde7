package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestMistakes holds, for each way to go wrong, the one line that is printed and the exit code.
func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	clitest.TokenFiles(t)
	closed := clitest.ClosedAddr(t)
	clitest.WriteFile(t, "tokens.yaml", "auth: {issuers: [{issuer: a, secret_file: secret}, {issuer: b, public_key_file: ed.pub}]}\n")
	clitest.WriteFile(t, "unknown.yaml", "listn: 127.0.0.1:0\n")
	clitest.WriteFile(t, "value.yaml", "\nlimits: {outbound: 4KiB}\n")
	clitest.WriteFile(t, "kafka.yaml", "bus:\n  driver: kafka\n  kafka: {brokers: ['"+closed+"']}\n")
	clitest.WriteFile(t, "token.yaml", "bus:\n  driver: nats\n  nats: {token_file: token}\n")
	clitest.WriteFile(t, "tcp.yaml", "tcp:\n  listen: "+taken.Addr().String()+"\n")
	clitest.WriteFile(t, "embedded.yaml", "embedded: {redis: 127.0.0.1:0, nats: '"+taken.Addr().String()+"'}\n")
	clitest.WriteFile(t, "closed.yaml", "embedded: {redis: '"+closed+"'}\n")
	free := []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}

	for _, tt := range []struct {
		name string
		args []string
		code cli.ExitCode
		want string
	}{
		{"unknown command", []string{"sesions"}, cli.Usage, `there is no command "sesions"; did you mean sessions?; see stompgw --help`},
		{"unknown command below", []string{"sessions", "lst"}, cli.Usage, `there is no command "lst"; did you mean list?; see stompgw sessions --help`},
		{"help about an unknown command", []string{"help", "session", "lst"}, cli.Usage, `there is no command "lst"; did you mean list?; see stompgw sessions --help`},
		{"help about nothing", []string{"help", "kick"}, cli.Usage, `there is no command "kick"; see stompgw --help`},
		{"unknown flag", []string{"serve", "--foo"}, cli.Usage, "there is no flag --foo; see stompgw serve --help"},
		{"unknown command with a flag", []string{"sessions", "lst", "-c", "x"}, cli.Usage, `there is no command "lst"; did you mean list?; see stompgw sessions --help`},
		{"unknown flag of a group", []string{"sessions", "-c", "x"}, cli.Usage, "there is no flag -c; see stompgw sessions --help"},
		{"argument with a dash", []string{"publish", "/topic/a", "-1"}, cli.Usage, "there is no flag -1; put an argument that begins with a dash after --; see stompgw publish --help"},
		{"no value", []string{"sessions", "list", "-c"}, cli.Usage, "--config needs a value, FILE; see stompgw sessions list --help"},
		{"no number", []string{"publish", "/topic/a", "b", "--count", "x"}, cli.Usage, "--count x: want a whole number; see stompgw publish --help"},
		{"a number beyond bounds", []string{"publish", "/topic/a", "b", "--count", "9999999999999999999"}, cli.Usage, "--count 9999999999999999999: want a smaller number; see stompgw publish --help"},
		{"no time of a flag", []string{"publish", "/topic/a", "b", "--timeout", "5"}, cli.Usage, "--timeout: 5 has no unit: write 5s, or one of ms, m, h, d; see stompgw publish --help"},
		{"neither true nor false", []string{"sessions", "kick", "--all=maybe"}, cli.Usage, "--all maybe: want true or false; see stompgw sessions kick --help"},
		{"no list", []string{"sessions", "list", "--redis", "\"a"}, cli.Usage, "--redis \"a: want values with commas between them; see stompgw sessions list --help"},
		{"alias and singular", []string{"session", "ps", "--limit", "-1"}, cli.Usage, "--limit -1: want a number of sessions, or 0 for all; see stompgw sessions list --help"},
		{"alias of nodes list", []string{"node", "ls", "x"}, cli.Usage, `there is no argument for "x" here; see stompgw nodes list --help`},
		{"alias of publish", []string{"pub"}, cli.Usage, "DEST is missing; see stompgw publish --help"},
		{"alias of subscribe", []string{"sub"}, cli.Usage, "DEST is missing; see stompgw subscribe --help"},
		{"format of the version", []string{"version", "-o", "xml"}, cli.Usage, "-o xml: the formats are text, json; see stompgw version --help"},
		{"argument missing", []string{"publish", "/topic/a"}, cli.Usage, "BODY is missing; see stompgw publish --help"},
		{"argument too many", []string{"version", "x"}, cli.Usage, `there is no argument for "x" here; see stompgw version --help`},
		{"format", []string{"sessions", "list", "-o", "xml"}, cli.Usage, "-o xml: the formats are table, wide, json, jsonl, yaml, name; see stompgw sessions list --help"},

		{"no such file", []string{"serve", "--config", "none.yaml"}, cli.Configuration, "none.yaml: can't be read: no such file or directory; --config takes a YAML file"},
		{"unknown key", []string{"serve", "--config", "unknown.yaml"}, cli.Configuration, "unknown.yaml:1: listn: there is no such key; did you mean listen?"},
		{"bad value", []string{"config", "check", "--config", "value.yaml"}, cli.Configuration, "value.yaml:2: limits.outbound: 4KiB is under the 64KiB that one message may take: want at least limits.message"},
		{"bad flag value", []string{"serve", "--standalone", "--log-level", "loud"}, cli.Configuration, `--log-level: log.level: "loud" is none of debug, info, warn, error`},
		{"secret that is not there", []string{"serve", "--config", "token.yaml"}, cli.Configuration, "token.yaml:3: bus.nats.token_file: token can't be read: no such file or directory"},

		{"port in use", append([]string{"serve", "--standalone"}, "--listen", taken.Addr().String()), cli.Failed,
			"can't listen on " + taken.Addr().String() + " (listen, --listen): address already in use; stop the process that has it, or set listen or --listen to another port"},
		{"STOMP port in use", append([]string{"serve", "--config", "tcp.yaml"}, free...), cli.Failed,
			"can't listen on " + taken.Addr().String() + " (tcp.listen, tcp.yaml:2): address already in use; stop the process that has it, or set tcp.listen to another port"},
		{"embedded port in use", append([]string{"serve", "--standalone", "--config", "embedded.yaml"}, free...), cli.Failed,
			"can't listen on " + taken.Addr().String() + " (embedded.nats, embedded.yaml:1): address already in use; stop the process that has it, or set embedded.nats to another port"},

		{"Redis unreachable", []string{"sessions", "list", "--redis", closed}, cli.Unreachable,
			"redis " + closed + " (redis.addrs, --redis) does not answer: connection refused; start it, or name another with --redis ADDRESS"},
		{"standalone not running", []string{"sessions", "list", "--standalone", "--config", "closed.yaml"}, cli.Unreachable,
			"redis " + closed + " (redis.addrs, --standalone) does not answer: connection refused; is `stompgw serve --standalone` running?"},
		{"bus unreachable", []string{"publish", "/topic/a", "b", "--nats", "nats://bob:secret@" + closed, "--timeout", "300ms"}, cli.Unreachable,
			"NATS at nats://REDACTED@" + closed + " (bus.nats.url, --nats) does not answer: connection refused; start it, or name another with --nats URL"},
		{"Kafka unreachable", []string{"publish", "/topic/a", "b", "--kafka", closed, "--timeout", "300ms"}, cli.Unreachable,
			"Kafka at " + closed + " (bus.kafka.brokers, --kafka) does not answer: connection refused; start it, or name another with --kafka ADDRESS"},
		{"Kafka of the file unreachable", []string{"publish", "/topic/a", "b", "--config", "kafka.yaml", "--timeout", "300ms"}, cli.Unreachable,
			"Kafka at " + closed + " (bus.kafka.brokers, kafka.yaml:3) does not answer: connection refused; start it, or name another with --kafka ADDRESS"},
		{"two buses", []string{"publish", "/topic/a", "b", "--kafka", closed, "--nats", "nats://" + closed}, cli.Usage,
			"--kafka and --nats: a message goes over one bus; see stompgw publish --help"},

		{"destination without a slash", []string{"publish", "chat", "b"}, cli.Usage, `DEST "chat" does not begin with a slash: write it like /topic/chat`},
		{"destination that is a pattern", []string{"publish", "/topic/*", "b"}, cli.Usage, "DEST /topic/* is a pattern: a message goes to one destination, such as /topic/chat"},
		{"destination of two lines", []string{"publish", "/topic/a\nb", "b"}, cli.Usage, `DEST "/topic/a\nb" holds what no client can subscribe to: want text without control characters`},
		{"no session after all", []string{"publish", "/topic/a", "b", "--session", ""}, cli.Usage, "--session is empty: it needs the id of a session; see stompgw publish --help"},
		{"no time", []string{"publish", "/topic/a", "b", "--timeout", "0s"}, cli.Usage, "--timeout: 0s is too short: want 1ms or more; see stompgw publish --help"},
		{"destination of the application", []string{"publish", "/app/topic/a", "b"}, cli.Usage, "DEST /app/topic/a is for clients to send to: the bus carries what subscribers receive, such as /topic/chat; --via stomp sends as a client does"},
		{"destination of no member", []string{"publish", "/member/a b/queue/x", "b"}, cli.Usage, `DEST /member/a b/queue/x: "a b" names no member: write a%20b`},
		{"destination of members", []string{"publish", "/member", "b"}, cli.Usage, `DEST /member: "/member" names no member: write it like /member/42/queue/x`},
		{"destination of the nodes", []string{"publish", "$presence/topic/a", "b"}, cli.Usage, `DEST "$presence/topic/a" does not begin with a slash: write it like /topic/chat`},
		{"destination that tells who is there", []string{"publish", "/presence/topic/a", "b"}, cli.Usage, "DEST /presence/topic/a: it tells who is subscribed to another destination, which the gateway alone says"},
		{"destination of a session", []string{"publish", "/session/queue/a", "b"}, cli.Usage, "DEST /session/queue/a is one session's own: say which with --session SESSION or --member MEMBER"},
		{"secret header", []string{"publish", "/topic/a", "b", "--nats", "nats://" + closed, "-H", "Authorization: x"}, cli.Usage, "header not allowed: Authorization, which would show a secret to all subscribers"},
		{"no key", []string{"token", "gen", "--member", "1"}, cli.Usage, "there is nothing to sign with: name it with --secret-file, --key or --config; see stompgw token gen --help"},
		{"two keys", []string{"token", "gen", "--member", "1", "--key", "a", "--secret-file", "b"}, cli.Usage, "--secret-file and --key: a token is signed with one key; see stompgw token gen --help"},
		{"public key", []string{"token", "gen", "--member", "1", "--config", "tokens.yaml", "--issuer", "b"}, cli.Failed, "ed.pub holds a public key, which checks tokens and can't sign them: name the private one with --key FILE"},
		{"public key to sign", []string{"token", "gen", "--member", "1", "--key", "ed.pub"}, cli.Failed, "--key: ed.pub: holds a PUBLIC KEY: want a PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY"},
		{"key that is not there", []string{"token", "gen", "--member", "1", "--key", "none"}, cli.Failed, "--key: none can't be read: no such file or directory"},
		{"secret that is not there", []string{"token", "gen", "--member", "1", "--secret-file", "none"}, cli.Failed, "--secret-file: none can't be read: no such file or directory"},
		{"one of two issuers", []string{"token", "gen", "--member", "1", "--config", "tokens.yaml"}, cli.Usage, "--issuer: there are several issuers: want one of a, b; see stompgw token gen --help"},
		{"unknown issuer", []string{"token", "gen", "--member", "1", "--config", "tokens.yaml", "--issuer", "c"}, cli.Usage, `--issuer: there is no issuer "c", only a, b; see stompgw token gen --help`},
		{"algorithm", []string{"token", "gen", "--member", "1", "--secret-file", "secret", "--alg", "none"}, cli.Usage, "--alg none is not for this key: want HS256, HS384, HS512; see stompgw token gen --help"},
		{"no member", []string{"token", "gen", "--secret-file", "secret"}, cli.Usage, "--member is missing: whose token is it?; see stompgw token gen --help"},
		{"member that is none", []string{"token", "gen", "--secret-file", "secret", "--member", `"x`}, cli.Usage, "--member \"x: no member has such an id: \"x is not the JSON of a string; see stompgw token gen --help"},
		{"claim without a value", []string{"token", "gen", "--secret-file", "secret", "--member", "1", "--claim", "x"}, cli.Usage, "--claim x: want NAME=VALUE; see stompgw token gen --help"},
		{"no token", []string{"token", "check"}, cli.Usage, "TOKEN is missing; see stompgw token check --help"},
		{"token without an issuer", []string{"token", "check", "x"}, cli.Configuration, "default: auth.jwt: names nobody whose tokens are accepted: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"format of a check", []string{"token", "check", "x", "-o", "xml"}, cli.Usage, "-o xml: the formats are text, json; see stompgw token check --help"},
		{"command of a frame", []string{"policy", "test", "ACK", "/topic/a"}, cli.Usage, "COMMAND ACK: want SUBSCRIBE or SEND; see stompgw policy test --help"},
		{"no destination", []string{"policy", "test", "SEND"}, cli.Usage, "DEST is missing; see stompgw policy test --help"},
		{"no bearer's token", []string{"policy", "test", "SEND", "/topic/a", "--token", ""}, cli.Usage, "--token is empty: leave it out to be nobody; see stompgw policy test --help"},
		{"no bearer's claims", []string{"policy", "test", "SEND", "/topic/a", "--claims="}, cli.Usage, "--claims is empty: leave it out to be nobody; see stompgw policy test --help"},
		{"no file to sign with", []string{"token", "gen", "--member", "1", "--secret-file="}, cli.Usage, "--secret-file is empty: it needs the name of a file; see stompgw token gen --help"},
		{"two bearers", []string{"policy", "test", "SEND", "/topic/a", "--token", "x", "--claims", "{}"}, cli.Usage, "--token and --claims: a frame has one bearer; see stompgw policy test --help"},
		{"claims beyond bounds", []string{"policy", "test", "SEND", "/topic/a", "--claims", `{"x": 1e400}`}, cli.Usage, "--claims: form: a claim holds a number that is too large: they go up to 1.8e308; see stompgw policy test --help"},
		{"claims", []string{"policy", "test", "SEND", "/topic/a", "--claims", "[]"}, cli.Usage, `--claims: want a JSON object, such as {"mu": 42}; see stompgw policy test --help`},
		{"header of a frame", []string{"policy", "test", "SEND", "/topic/a", "-H", "x"}, cli.Usage, "-H x: want NAME:VALUE; see stompgw policy test --help"},
		{"destination to look at", []string{"channels", "show", "topic"}, cli.Usage, `DEST "topic" does not begin with a slash: write it like /topic/chat`},
		{"destination without a rule", []string{"channels", "show", "--standalone", "/x"}, cli.NoMatch, "no channel or route is about /x, so clients are refused there; `stompgw channels list` has the rules"},
		{"a client's name of a member's destination", []string{"channels", "show", "--standalone", "/member/queue/x"}, cli.NoMatch,
			"no channel or route is about /member/queue/x, by its name on the bus; what a client of member 42 calls so is /member/42/queue/x there"},
		{"no member's destination", []string{"channels", "show", "--standalone", "/member/a b/queue/x"}, cli.Usage, `DEST /member/a b/queue/x: "a b" names no member: write a%20b`},
		{"a room that there is not", []string{"channels", "show", "--standalone", "/presence/topic/a/b"}, cli.NoMatch, "no channel or route is about /presence/topic/a/b, as the channel of /topic/a/b has no presence"},
		{"no file of cases", []string{"policy", "test", "--cases="}, cli.Usage, "--cases is empty: it needs the name of a file; see stompgw policy test --help"},
		{"a file of cases that is not there", []string{"policy", "test", "--cases", "none.yaml"}, cli.Usage, "none.yaml: can't be read: no such file or directory"},
		{"cases and a frame", []string{"policy", "test", "--cases", "x", "SEND"}, cli.Usage, "--cases and SEND: each case says what is asked, and by whom; see stompgw policy test --help"},
		{"cases and a bearer", []string{"policy", "test", "--cases", "x", "--claims", "{}"}, cli.Usage, "--cases and --claims: each case says what is asked, and by whom; see stompgw policy test --help"},
		{"format of a verdict", []string{"policy", "test", "SEND", "/a", "-o", "yaml"}, cli.Usage, "-o yaml: the formats are text, json; see stompgw policy test --help"},
		{"no title", []string{"asyncapi", "--title="}, cli.Usage, "--title is empty: leave it out, or say one; see stompgw asyncapi --help"},
		{"a server of another protocol", []string{"asyncapi", "--server", "https://bob:secret@x/stomp"}, cli.Usage,
			"--server https://bob:xxxxx@x/stomp: want a URL that begins with ws://, wss:// (WebSocket), tcp:// or tcps:// (STOMP alone), and a host; see stompgw asyncapi --help"},
		{"a server with a password", []string{"asyncapi", "--server", "wss://bob:secret@x/stomp"}, cli.Usage,
			"--server wss://bob:xxxxx@x/stomp: want a URL without a name, a password, a query and a fragment; see stompgw asyncapi --help"},
		{"a server that is no URL", []string{"asyncapi", "--server", "://"}, cli.Usage, "--server: this is not a URL: want one like wss://chat.example.com/stomp; see stompgw asyncapi --help"},
		{"format of a document", []string{"asyncapi", "-o", "table"}, cli.Usage, "-o table: the formats are yaml, json; see stompgw asyncapi --help"},
		{"unknown code", []string{"explain", "99"}, cli.Usage, "there is no code \"99\": `stompgw explain` lists them; see stompgw explain --help"},
		{"two codes", []string{"explain", "1", "2"}, cli.Usage, `there is no argument for "2" here; see stompgw explain --help`},

		{"no such shell", []string{"completion", "tcsh"}, cli.Usage, `there is no command "tcsh"; did you mean bash?; see stompgw completion --help`},
		{"argument of a shell", []string{"completion", "bash", "x"}, cli.Usage, `there is no argument for "x" here; see stompgw completion bash --help`},

		{"header", []string{"publish", "/topic/a", "b", "-H", "x"}, cli.Usage, "-H x: want NAME:VALUE"},
		{"two types", []string{"publish", "/topic/a", "b", "-H", "Content-Type: a/b", "--content-type", "c/d"}, cli.Usage, "-H Content-Type: a/b: the body has a type already, c/d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, tt.args...)
			if code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if stdout != "" {
				t.Errorf("stdout is not empty: %q", stdout)
			}
			clitest.WantLine(t, stderr, "stompgw: "+tt.want)
			if strings.Contains(stderr, "bob:secret") {
				t.Error("a password is shown")
			}
		})
	}
}

// TestNothingConfigured: then it is Kafka on this machine, and where that is not there, the next step
// is told. A bus that was named may come later.
func TestNothingConfigured(t *testing.T) {
	closed := clitest.ClosedAddr(t)
	open := func(cfg *config.Config) error {
		cfg.Bus.Settings().(*kafkabus.Settings).Brokers = []string{closed} // said by nobody
		b, err := cli.OpenBus(t.Context(), cfg, registry.NewNode(time.Now()), slog.New(slog.DiscardHandler), "try another")
		if err == nil {
			closeBus(b, slog.New(slog.DiscardHandler))
		}
		return err
	}
	cfg, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	err = open(cfg)
	if want := "no bus is configured, and no Kafka broker answers at " + closed + ": connection refused; try another"; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	if cli.CodeOf(err) != cli.Unreachable {
		t.Errorf("exit code %d, want %d", cli.CodeOf(err), cli.Unreachable)
	}
	t.Chdir(t.TempDir())
	for _, text := range []string{"bus: {driver: kafka}\n", "bus: {kafka: {topic: t}}\n"} {
		if cfg, err = load(clitest.WriteFile(t, "t.yaml", text)); err != nil {
			t.Fatal(err)
		}
		if err := open(cfg); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Setenv("STOMPGW_BUS_KAFKA_BROKERS", closed)
	if cfg, err = load(""); err != nil {
		t.Fatal(err)
	}
	if err := open(cfg); err != nil {
		t.Errorf("with brokers from the environment: %v", err)
	}
}

// TestDriverMissing: a build without a driver says which there are.
func TestDriverMissing(t *testing.T) {
	t.Setenv("STOMPGW_BUS_DRIVER", "kafka")
	p := process("config", "check")
	p.Drivers = p.Drivers[1:]
	var stdout, stderr bytes.Buffer
	p.Stdout, p.Stderr = &stdout, &stderr
	if code := Main(t.Context(), p); code != int(cli.Configuration) {
		t.Errorf("exit code %d", code)
	}
	clitest.WantLine(t, stderr.String(), `stompgw: STOMPGW_BUS_DRIVER: bus.driver: "kafka" is none of nats, embedded`)
}

// TestSeveralMistakes: each has a line of its own.
func TestSeveralMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "two.yaml", "listen: x\nlog: {level: loud}\n")
	_, _, stderr := run(t, "config", "check", "--config", "two.yaml")
	if n := strings.Count(stderr, "stompgw: two.yaml:"); n != 2 || strings.Count(stderr, "\n") != 2 {
		t.Errorf("want two lines, got\n%s", stderr)
	}
}

func TestConfigCheck(t *testing.T) {
	code, stdout, stderr := run(t, "config", "check", "--standalone")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	clitest.WantLine(t, stdout, "built-in configuration: no mistakes: bus embedded, listen 127.0.0.1:13001, channels 3, routes 2")
}

// TestOutputLost: what can't be written is a failure, and nobody else's.
func TestOutputLost(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"config", "check", "--standalone"}, {"completion", "bash"}, {"--help"}} {
		var errs bytes.Buffer
		p := process(args...)
		p.Stdout, p.Stderr = clitest.FullDisk{}, &errs
		if code := Main(t.Context(), p); code != int(cli.Failed) {
			t.Errorf("%q: exit code %d", args, code)
		}
		clitest.WantLine(t, errs.String(), "stompgw: can't write the output: no space left on device")
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := run(t, "version")
	if code != 0 || !strings.HasPrefix(stdout, "stompgw "+gateway.Version+" ") {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	if _, flag, _ := run(t, "--version"); flag != stdout {
		t.Errorf("--version says %q, version %q", flag, stdout)
	}
	code, stdout, _ = run(t, "version", "-o", "json")
	var b build
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || code != 0 || b != newBuild() || b.Version != gateway.Version {
		t.Errorf("exit code %d, %v, %q", code, err, stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"sessions"}, {"serve", "--help"}, {"publish", "--help"}, {"history", "--help"}, {"destinations"}, {"presence", "--help"}} {
		if code, stdout, stderr := run(t, args...); code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

// TestReadme: the tables of commands and exit codes are whole.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range newRootCmd(process()).Commands() {
		rows := strings.Join(regexp.MustCompile("(?m)^\\| `"+group.CommandPath()+"[ `].*").FindAllString(string(readme), -1), "\n")
		for _, cmd := range append(group.Commands(), group) {
			if !regexp.MustCompile(`\b` + cmd.Name() + `\b`).MatchString(rows) {
				t.Errorf("cmd/README.md has no row that names %s", cmd.CommandPath())
			}
		}
	}
	for _, code := range []cli.ExitCode{cli.Done, cli.Failed, cli.Usage, cli.Configuration, cli.Unreachable, cli.NotAllowed, cli.NoMatch, cli.Partial, cli.TimedOut, cli.Missed} {
		if row := fmt.Sprintf("\n| %d | ", code); !strings.Contains(string(readme), row) {
			t.Errorf("cmd/README.md has no row %q", row)
		}
	}
}

// TestConfigUses: a command needs the secrets and files that it uses, and no others.
func TestConfigUses(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", `listen: 127.0.0.1:1
tls: {cert: no-cert, key: no-key}
bus: {driver: nats, nats: {url: "nats://127.0.0.1:1", user: u, password_file: no-nats}}
redis: {addrs: ["127.0.0.1:1"], user: u, password_file: no-redis, tls: {ca: no-ca}}
auth: {jwt: {secret_file: no-secret}}
channels: [{match: "/topic/{room}", subscribe: "claims.mu == 1", send: "true"}]
`)
	clitest.WriteFile(t, "key", strings.Repeat("k", 32))
	for _, tt := range []struct {
		args string
		want string // the files that are missing, in order
	}{
		{"config check", "no-cert no-nats no-redis no-ca no-secret"},
		{"serve", "no-cert no-nats no-redis no-ca no-secret"},
		{"config show", ""},
		{"sessions list", "no-redis no-ca"},
		{"sessions kick x", "no-redis no-ca"},
		{"nodes list", "no-redis no-ca"},
		{"destinations list", "no-redis no-ca"},
		{"presence /topic/a", "no-redis no-ca"},
		{"publish /topic/a x --timeout 1s", "no-nats"},
		{"publish /topic/a x --member 1", "no-nats no-redis no-ca"},
		{"publish /topic/a x --via stomp", ""},
		{"subscribe /topic/a", ""},
		{"history /topic/a --timeout 1s", "no-nats"},
		{"asyncapi", ""},
		{"channels list", ""},
		{"channels show /topic/a", ""},
		{"policy test SEND /topic/a", ""},
		{"policy test SEND /topic/a --claims {\"mu\":1}", ""},
		{"policy test SEND /topic/a --token x", "no-secret"},
		{"token gen --member 1", "no-secret"},
		{"token gen --member 1 --secret-file key", ""},
		{"token check x", "no-secret"},
		{"token check x --revocation", "no-redis no-ca no-secret"},
	} {
		code, _, stderr := run(t, append(strings.Fields(tt.args), "--config", "t.yaml")...)
		got := strings.Join(regexp.MustCompile(`no-\w+`).FindAllString(stderr, -1), " ")
		if got != tt.want || (code == int(cli.Configuration)) != (tt.want != "") {
			t.Errorf("%s: exit code %d, misses %q, want %q\n%s", tt.args, code, got, tt.want, stderr)
		}
	}
	_, shown, _ := run(t, "config", "show", "--config", "t.yaml")
	if n := strings.Count(shown, "REDACTED"); n != 3 {
		t.Errorf("config show tells of %d secrets, want 3:\n%s", n, shown)
	}
}
