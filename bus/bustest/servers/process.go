package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Program says how to run a server.
type Program struct {
	Addr    string // host:port for its clients
	Path    string
	Args    []string
	Env     []string                        // over the test's own, as "NAME=value"
	Answers func(ctx context.Context) error // nil when it serves its clients; asked every 10 ms
}

// AnswersOK is Answers of a server that does when GET url has the status 200.
func AnswersOK(url string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return nil
	}
}

// Process is a server that runs as a process of its own.
type Process struct {
	Program

	output string // the file with what it has written
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended; nil before the first start
}

// Run starts a program and returns when it answers. The test's end kills it.
func Run(t testing.TB, program Program) *Process {
	t.Helper()
	p := &Process{Program: program, output: filepath.Join(t.TempDir(), "output")}
	t.Cleanup(p.Kill)
	p.Start(t)
	return p
}

// Start starts a server that does not run, and returns when it answers.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	out, err := os.OpenFile(p.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer out.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	endWithParent(cmd)
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { // Kill waits for it
		_ = cmd.Wait() // how it ended says cmd.ProcessState
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	p.await(t)
}

// await returns when the server answers.
func (p *Process) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := p.Answers(ctx)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-p.ended:
			t.Fatalf("%s ended before it answered: %s\n%s", p.Path, p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v\n%s", p.Path, err, p.tail())
		}
	}
}

// Stop asks the server to end, as an operator does (SIGTERM), and returns when it has.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if !p.Running() {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Logf("%s can't be asked to end, and is killed: %v", p.Path, err)
		p.Kill()
	}
	hung := time.NewTimer(patience)
	defer hung.Stop()
	select {
	case <-p.ended:
	case <-hung.C:
		p.Kill()
		t.Fatalf("%s did not end when it was asked to\n%s", p.Path, p.tail())
	}
}

// Kill ends the server as a crash does (SIGKILL), and returns when it has ended.
func (p *Process) Kill() {
	if !p.Running() {
		return
	}
	_ = p.cmd.Process.Kill() // fails if it has ended meanwhile
	<-p.ended
}

// Signal sends sig to a server that runs, such as syscall.SIGSTOP, which has it say nothing until
// syscall.SIGCONT; Kill ends it all the same.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s can't be sent %s: %v", p.Path, sig, err)
	}
}

// Running reports whether the server was started and has not ended.
func (p *Process) Running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// ExitCode is that of a server that has ended.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Output returns what the server has written, in all its runs.
func (p *Process) Output() string {
	text, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tail is the end of the output, for a message.
func (p *Process) tail() string {
	const most = 16 << 10
	text := p.Output()
	return text[max(0, len(text)-most):]
}

// PID returns the number of the process that runs, or ran last.
func (p *Process) PID() int { return p.cmd.Process.Pid }
