package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/policy"
)

// golden compares text with a file of testdata. UPDATE_GOLDEN=1 writes the file instead.
func golden(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		writeFile(t, path, text)
	}
	want := must(os.ReadFile(path))
	if text != string(want) {
		t.Errorf("%s:\n got\n%s\nwant\n%s", name, beyond(text, string(want)), beyond(string(want), text))
	}
}

// TestWhole: what is shown of a configuration has every value, each once, where it
// came from, and no secret. What is shown can be loaded again, but for the secrets.
func TestWhole(t *testing.T) {
	for _, name := range []string{"sentinel", "cluster"} {
		t.Run(name, func(t *testing.T) {
			folder := must(filepath.Abs("testdata"))
			text := must(os.ReadFile(filepath.Join(folder, name+".yaml")))
			enter(t)
			writeFile(t, name+".yaml", string(text))
			t.Setenv("STOMPGW_LOG_FORMAT", "json")
			if name == "sentinel" {
				t.Setenv("STOMPGW_REDIS_SENTINEL_PASSWORD", password)
			}
			c := must(Load(Source{Drivers: drivers(), File: name + ".yaml"}))
			for _, form := range []string{"show", "origin", "json", "json-origin"} {
				var b bytes.Buffer
				inJSON, write := strings.HasPrefix(form, "json"), c.WriteYAML
				if inJSON {
					write = c.WriteJSON
				}
				if err := write(&b, strings.Contains(form, "origin")); err != nil {
					t.Fatal(err)
				}
				golden(t, folder, name+"."+form+".golden", b.String())
				if strings.Contains(b.String(), password) {
					t.Errorf("%s shows a password", form)
				}
				if inJSON && !json.Valid(b.Bytes()) {
					t.Errorf("%s is no JSON", form)
				}
				if !inJSON {
					again(t, c, b.String())
				}
			}
		})
	}
}

// again loads what is shown of c, with the secrets taken out, and compares.
func again(t *testing.T, c *Config, shown string) {
	t.Helper()
	var lines []string
	for line := range strings.SplitSeq(shown, "\n") {
		name := strings.TrimSpace(line)
		if !strings.HasPrefix(name, "password:") && !strings.HasPrefix(name, "token:") && !strings.HasPrefix(name, "secret:") {
			lines = append(lines, line)
		}
	}
	writeFile(t, "again.yaml", strings.Join(lines, "\n"))
	theirs := must(Load(Source{Drivers: drivers(), File: "again.yaml"})).keys()
	for i, k := range c.keys() {
		if !reflect.DeepEqual(k.shown(), theirs[i].shown()) || k.isItems() && !reflect.DeepEqual(k.value(), theirs[i].value()) {
			t.Errorf("%s comes back as %v, was %v", k.path, theirs[i].shown(), k.shown())
		}
	}
}

// TestWriteDefault: the file of defaults says what a node without one runs with.
func TestWriteDefault(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDefault(&b, drivers()); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata", "default.golden", b.String())
	for i, line := range strings.Split(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > 125 {
			t.Errorf("line %d has %d characters: %s", i+1, n, line)
		}
	}
	c := must(load(t, b.String()))
	for _, k := range c.keys() {
		if said := c.Origin(k.path) != ByDefault; said == k.isSecret() {
			t.Errorf("%s stands in the file: %t", k.path, said)
		}
	}
	want := Default(drivers()...)
	c.Bus.drivers, want.Bus.drivers = nil, nil
	want.origins, want.scalars, want.files, want.rules = c.origins, c.scalars, c.files, c.rules
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the file says\n%+v\nwant\n%+v", c, want)
	}
}

// TestShowStandalone: what --standalone replaced is told, and what stood there is not shown as if it
// counted.
func TestShowStandalone(t *testing.T) {
	const text = "bus: {driver: nats, nats: {url: 'nats://far', user: u, password_file: none}}\nredis: {addrs: [far:1], user: u, password_file: none}\n"
	c := must(loadFrom(t, text, Source{Standalone: true}))
	var b bytes.Buffer
	if err := c.WriteYAML(&b, true); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "t.yaml") {
			t.Errorf("the file's value is told to count: %s", line)
		}
	}
	for _, want := range []string{
		"\n  driver: embedded                          # --standalone\n",
		"\n    user: \"\"                                # --standalone\n",
		"\n  addrs: ['127.0.0.1:13003']                # --standalone\n",
		"\n  prefix: 'stompgw:'                        # default\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// FuzzDocument holds that any text comes back as it was from the YAML that is made of it, wherever it
// stands, with a comment behind it or not.
func FuzzDocument(f *testing.F) {
	for _, text := range []string{
		"", " ", "\n", "a\nb", "a\nb\n", "a\n\n", "\na", " a\nb", "a\n b", "\ta\nb", "a \nb", "a\n# b", "# a", "a # b", "a: b", "- a", "'", `"`, `\`,
		"true", "null", "~", "1", "1.5", "0x1", "2026-01-02", "*", "&a", "!x", "|", ">", "%", "@", "`", "[", "{", ",", "a, b", "?", ":", "---", "...",
		"=", "<<", "a\rb", "a\tb", "\x00", "\x07", "\x7f", "\u0085", "\u2028", "\ufeff", "é", "\U0001F600", "a\r\nb", "a\u2028b\nc", strings.Repeat("word ", 60),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("no YAML file can hold it")
		}
		c := Default(drivers()...)
		c.origins = origins{}
		c.Listen = text
		c.Origins = []string{text, "x", text}
		c.Channels = []policy.Channel{{Match: "/m", Subscribe: text, Summary: "last"}, {Match: text, Send: "send"}}
		kafkaOf(c).TLS.Key = text
		for _, origin := range []bool{false, true} {
			var b bytes.Buffer
			if err := c.WriteYAML(&b, origin); err != nil {
				t.Fatal(err)
			}
			back := Default(drivers()...)
			back.Channels, back.Origins = nil, nil
			file := parseFile("t.yaml", "", b.Bytes(), back.keys())
			back.merge(file, nil)
			errs := slices.DeleteFunc(append(file.errs, back.errs...), func(err error) bool {
				return strings.Contains(err.Error(), "must not be in this file") || strings.Contains(err.Error(), "has no match")
			})
			if len(errs) > 0 {
				t.Fatalf("%q: %v\n%s", text, errs, b.String())
			}
			if back.Listen != text || !slices.Equal(back.Origins, c.Origins) || kafkaOf(back).TLS.Key != text {
				t.Errorf("listen is %q, origins %q, the nested key %q; want %q", back.Listen, back.Origins, kafkaOf(back).TLS.Key, text)
			}
			if !reflect.DeepEqual(back.Channels, c.Channels) {
				t.Errorf("channels are %+v, want %+v", back.Channels, c.Channels)
			}
		}
	})
}
