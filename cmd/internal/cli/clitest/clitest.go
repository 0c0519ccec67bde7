// Package clitest holds what the tests of several command packages run and inspect.
package clitest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/cmd/internal/cli"
)

// Patience is how long a test waits for what must happen; it only decides when a test has hung.
const Patience = 2 * time.Minute

func WriteFile(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// ClosedAddr is an address where nobody listens.
func ClosedAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Golden compares text with a file of testdata. UPDATE_GOLDEN=1 writes the file instead.
func Golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\n got %q\nwant %q", name, text, want)
	}
}

func WantLine(t *testing.T, text, want string) {
	t.Helper()
	if text != want+"\n" {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
}

func Contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// FullDisk takes nothing.
type FullDisk struct{}

func (FullDisk) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// Beside runs a command beside the test, whose end stops it. stop interrupts it and returns its exit code.
func Beside(t *testing.T, run func(ctx context.Context, stdout, stderr io.Writer) int) (stdout, stderr *bustest.Log, stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr = &bustest.Log{}, &bustest.Log{}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, stdout, stderr) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	return stdout, stderr, stop
}

// TokenFiles fills a new current folder with keys, in pairs x.key and x.pub, and secrets.
func TokenFiles(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	rsaKey, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, ecErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, edErr := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(rsaErr, ecErr, edErr); err != nil {
		t.Fatal(err)
	}
	WriteKeys(t, "rsa", rsaKey)
	WriteKeys(t, "ec", ecKey)
	WriteKeys(t, "ed", edKey)
	WriteFile(t, "secret", "a secret of thirty-two characters\n")
	WriteFile(t, "other", "another secret of some thirty characters")
}

// WriteKeys writes a key to name.key, and the public half to name.pub.
func WriteKeys(t *testing.T, name string, key crypto.Signer) {
	t.Helper()
	private, privateErr := x509.MarshalPKCS8PrivateKey(key)
	public, publicErr := x509.MarshalPKIXPublicKey(key.Public())
	if err := errors.Join(privateErr, publicErr); err != nil {
		t.Fatal(err)
	}
	WriteFile(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	WriteFile(t, name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
}

// Room runs commands as the program does, and no others beside them.
type Room func() []*cobra.Command

// Main runs the command that args name to its end, and returns the exit code.
func (r Room) Main(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args ...string) int {
	return cli.Run(ctx, cli.Group("stompgw", "", r()...), args, stdin, stdout, stderr)
}

// Run is Main, for what it prints.
func (r Room) Run(t *testing.T, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = r.Main(t.Context(), stdin, &out, &errs, args...)
	return code, out.String(), errs.String()
}
