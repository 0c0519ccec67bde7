package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// newScanner reads frame by frame.
func newScanner(r io.Reader) *bufio.Scanner {
	frames := bufio.NewScanner(r)
	frames.Split(func(data []byte, _ bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, 0); i >= 0 {
			return i + 1, bytes.TrimLeft(data[:i], "\n"), nil
		}
		return 0, nil, nil
	})
	return frames
}

// printFrame prints what of a frame an example is about.
func printFrame(frame string) {
	head, body, _ := strings.Cut(frame, "\n\n")
	value := func(name string) string {
		_, v, _ := strings.Cut(head, "\n"+name+":")
		v, _, _ = strings.Cut(v, "\n")
		return v
	}
	switch {
	case strings.HasPrefix(head, "RECEIPT"):
		fmt.Println("RECEIPT", value("receipt-id"))
	case value("x-received") != "":
		fmt.Printf("%s: %s (received %s)\n", value("subscription"), body, value("x-received"))
	default:
		fmt.Printf("%s: %s\n", value("subscription"), body)
	}
}

// TestReadme: the Go that the README shows is part of an example, and so runs.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(snippets) == 0 {
		t.Fatal("the README has no Go")
	}
	indent := regexp.MustCompile(`(?m)^\t+`)
	for _, snippet := range snippets {
		if !bytes.Contains(indent.ReplaceAll(examples, nil), indent.ReplaceAll(snippet[1], nil)) {
			t.Errorf("no example has this of the README:\n%s", snippet[1])
		}
	}
}
