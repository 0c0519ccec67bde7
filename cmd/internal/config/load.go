package config

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/configs"
)

// Source says where a configuration comes from, besides the environment.
type Source struct {
	File       string                 // path; empty for none
	Found      bool                   // by Find: nobody but root and this user may be able to write it
	Standalone bool                   // use the embedded bus and Redis, and without a File the built-in one
	Flags      map[string]*pflag.Flag // by key; one that was set wins over everything
	Drivers    []bus.Driver           // the buses that there are, the default first

	// Uses are the sections, such as "redis", of which the secrets and files are wanted: of others none is
	// read or missed. Nil is all of them.
	Uses []string
}

// builtIn is the name that errors give to the file inside the binary.
const builtIn = "built-in standalone.yaml"

// Load merges defaults, file, environment (STOMPGW_LIMITS_MESSAGE) and flags, each over the one
// before, reads the secrets and certificates that it names and src.Uses, and checks the result. Errors
// are of type *Error, joined when there are several.
func Load(src Source) (*Config, error) {
	c := Default(src.Drivers...)
	keys := c.keys()
	f, err := readSource(src, keys)
	if err != nil {
		return nil, err
	}
	c.origins, c.scalars, c.schemas, c.used = f.origins, f.scalars, f.schemas, src.Uses
	if len(f.origins) == 0 {
		c.empty = src.File
	}
	if src.File != "" {
		c.files[src.File] = sha256.Sum256([]byte(strings.Join(f.lines, "\n")))
	}
	c.errs = append(f.errs, checkEnviron(os.Environ(), keys)...)
	if len(c.errs) == 0 {
		c.merge(f, src.Flags)
	}
	if len(c.errs) == 0 {
		c.settle(src.Standalone, src.File == "")
		c.check()
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return c, nil
}

// maxFile bounds a configuration, in bytes: a thousand rules take some 200 KiB.
const maxFile = 16 * MiB

func readSource(src Source, keys []key) (*file, error) {
	if src.File == "" {
		if src.Standalone {
			return parseFile(builtIn, "", configs.Standalone(), keys), nil
		}
		return parseFile("", "", nil, keys), nil
	}
	if src.Found {
		if err := checkTrust(src.File); err != nil {
			return nil, &Error{src.File, "", err.Error()}
		}
	}
	text, err := readFile(src.File, maxFile)
	if err != nil {
		return nil, &Error{src.File, "", err.Error() + "; --config takes a YAML file"}
	}
	return parseFile(src.File, folderOf(src.File), text, keys), nil
}

// folderOf returns the folder of a file. A pipe stands in none that means anything: it gets the working
// directory's, as flags and variables do.
func folderOf(name string) string {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return filepath.Dir(name)
}

// merge lets viper say which source wins for each key, and parses what that one says. Values go
// through viper as texts, so its conversions, which take 5 for 5 ns, never come to work. A variable that
// is empty says that: it wins over the file as any other.
func (c *Config) merge(f *file, flags map[string]*pflag.Flag) {
	v := viper.New()
	v.AllowEmptyEnv(true)
	values := map[string]any{}
	for path, texts := range f.values {
		values[path] = texts
	}
	if err := v.MergeConfigMap(values); err != nil {
		c.errs = append(c.errs, err)
	}
	for _, k := range f.keys {
		if k.isItems() {
			continue
		}
		c.expect(k.path, v.BindEnv(k.path, variable(k.path)))
		if flag := flags[k.path]; flag != nil && flag.Changed {
			c.expect(k.path, v.BindPFlag(k.path, flag))
			c.origins.override(k.path, "--"+flag.Name)
		} else if text, set := os.LookupEnv(variable(k.path)); set {
			c.origins.override(k.path, variable(k.path))
			if err := checkEmpty(k, text); err != nil {
				c.expect(k.path, err)
				continue
			}
		}
		c.expect(k.path, k.set(texts(v.Get(k.path), k.isList())))
	}
}

// checkEmpty refuses a variable that is empty where nothing can be meant by it. For a secret, or the file
// of one, it would be no secret: nobody logs in, or everybody may.
func checkEmpty(k key, text string) error {
	if text != "" {
		return nil
	}
	kind := reflect.TypeOf(k.target).Elem().Kind()
	switch {
	case k.isSecret():
		return errors.New("the variable is empty: write the secret, or unset it")
	case strings.HasSuffix(k.path, "_file"):
		return errors.New("the variable is empty: write the name of the file, or unset it")
	case kind != reflect.String && kind != reflect.Slice:
		return errors.New("the variable is empty: write a value, or unset it")
	}
	return nil // the checks know those that are needed
}

// texts takes what viper holds for a key: nothing, the values from the file, or a text from
// elsewhere, in which commas stand between the values of a list.
func texts(value any, list bool) []string {
	text, ok := value.(string)
	if !ok {
		values, _ := value.([]string) // nil for nothing
		return values
	}
	switch {
	case !list:
		return []string{text}
	case text == "":
		return []string{}
	}
	values := strings.Split(text, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}

// settle draws the conclusions that no source spells out: a broker named by a flag is meant to be
// used, and a standalone node uses the embedded servers where no flag names another, and lets
// pages of this machine in. Without a file it also has an API.
func (c *Config) settle(standalone, noFile bool) {
	c.Standalone = standalone
	byFlag := false
	for _, d := range c.Bus.drivers {
		if c.byFlag(Address(d)) {
			c.Bus.Driver, byFlag = d.Name, true
		}
	}
	if standalone && !byFlag {
		c.Bus.Driver = embedded
		c.origins["bus.driver"], c.origins[EmbeddedURL] = ByStandalone, ByStandalone
	}
	if c.Bus.Driver == embedded {
		c.embedNATS("nats://" + c.Embedded.NATS)
		c.replaced("bus."+embeddedOver, c.Origin("bus.driver"))
	}
	if standalone && !c.byFlag("redis.addrs") { // the same
		c.Redis = Redis{Addrs: []string{c.Embedded.Redis}, Prefix: c.Redis.Prefix}
		c.origins["redis.addrs"] = ByStandalone
		c.replaced("redis", ByStandalone)
	}
	if standalone && c.Origin("origins") == ByDefault { // a front end's development server
		c.Origins = []string{"http://localhost:*", "http://127.0.0.1:*"}
		c.origins["origins"] = ByStandalone
	}
	if standalone && c.Origin("page_api.enabled") == ByDefault { // the chat page asks
		c.PageAPI.Enabled = true
		c.origins["page_api.enabled"] = ByStandalone
	}
	if standalone && noFile {
		c.openAPI()
	}
}

// replaced notes that what was said of a section, but for its prefix, gave way, and to what.
func (c *Config) replaced(section, origin string) {
	for path := range c.origins {
		if strings.HasPrefix(path, section+".") && path != section+".prefix" {
			c.origins[path] = origin
		}
	}
}

// uses reports whether the secrets and files of a section are wanted, or of a key in it.
func (c *Config) uses(path string) bool {
	return c.used == nil || slices.ContainsFunc(c.used, func(section string) bool { return isIn(path, section) })
}

func (c *Config) byFlag(path string) bool {
	return strings.HasPrefix(c.Origin(path), "--")
}
