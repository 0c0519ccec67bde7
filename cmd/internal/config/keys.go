package config

import (
	"encoding"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus/settings"
)

// key is one setting. Those that are a *settings.Secret can't stand in the file: they come from the
// environment, or from a file of their own. Lists of structs can stand nowhere else.
type key struct {
	path    string
	target  any // a pointer to where its value goes
	tag     reflect.StructTag
	tells   string   // as a tag has it; see is
	initial string   // what it is where nobody says anything, as a variable would say it
	words   []string // what it may be; nil for anything
}

// keys are all settings, in the order in which people read them; those of one section stand together.
func (c *Config) keys() []key { return keysOf("", c) }

// keysOf returns the settings in a section.
func keysOf(path string, section any) (keys []key) {
	for _, f := range fieldsOf(path, section) {
		switch target := f.target.(type) {
		case *settings.Secret:
			keys = append(keys, f.secretKeys(target)...)
		case *Bus:
			keys = append(keys, target.driverKey(f.path))
		default:
			if _, whole := f.target.(encoding.TextUnmarshaler); whole || reflect.TypeOf(target).Elem().Kind() != reflect.Struct {
				keys = append(keys, f)
			}
		}
	}
	return keys
}

// fieldsOf returns what has a tag in the struct of a section: a setting, or a section followed by what is in it.
func fieldsOf(path string, section any) (list []key) {
	v := reflect.ValueOf(section).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, named := f.Tag.Lookup("key")
		if !named && !f.Anonymous {
			continue
		}
		below := key{path: path, target: v.Field(i).Addr().Interface(), tag: f.Tag, tells: f.Tag.Get("is"), initial: f.Tag.Get("default")}
		if named {
			below.path = join(path, name)
		}
		if words, ok := f.Tag.Lookup("words"); ok {
			below.words = strings.Split(words, ",")
		}
		list = append(list, below)
		if f.Type.Kind() == reflect.Struct {
			list = append(list, fieldsOf(below.path, below.target)...)
		}
		if b, ok := below.target.(*Bus); ok {
			for _, d := range b.drivers {
				list = append(list, fieldsOf(join(below.path, d.Name), b.sections[d.Name])...)
			}
		}
	}
	return list
}

// fieldsIn returns the fields of a type.
func fieldsIn[T any](c *Config) iter.Seq2[key, *T] {
	return func(yield func(key, *T) bool) {
		for _, f := range fieldsOf("", c) {
			if target, is := f.target.(*T); is && !yield(f, target) {
				return
			}
		}
	}
}

// secretKeys returns the key of a secret, and of the file that holds it.
func (k key) secretKeys(s *settings.Secret) []key {
	file := k
	file.path, file.target = k.path+"_file", s.Named()
	switch k.tag.Get("from") {
	case "env":
		return []key{k}
	case "file":
		return []key{file}
	}
	k.tells += ", instead of '" + file.path + "'"
	file.tells = "file that holds " + file.tells + " alone"
	return []key{k, file}
}

var inQuotes = regexp.MustCompile(`(^|[ (])'([^']+)'`)

// is returns what the setting is, in a line of Markdown for the documents and for the file of `config default`. What
// is `code` there stands in 'quotes' in tags.
func (k key) is() string { return inQuotes.ReplaceAllString(k.tells, "$1`$2`") }

func setDefaults(keys []key) {
	for _, k := range keys {
		if k.initial == "" {
			continue
		}
		if err := k.set(texts(k.initial, k.isList())); err != nil {
			panic(fmt.Sprintf("the default of %s: %v", k.path, err)) // a tag is wrong
		}
	}
}

// keyAt returns the key with that path.
func keyAt(keys []key, path string) (k key, known bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.path == path })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// name is the last part of the path.
func (k key) name() string { return lastPart(k.path) }

// isRequired reports whether every item has to have k.
func (k key) isRequired() bool { return k.tag.Get("required") != "" }

// isList reports whether k takes several values.
func (k key) isList() bool {
	_, list := k.target.(*[]string)
	return list || k.isFiles()
}

// isFiles reports whether k takes several values, and a single one as a list of one.
func (k key) isFiles() bool {
	_, files := k.target.(*Files)
	return files
}

// holdsJSON reports whether k takes whatever JSON can say, written as YAML.
func (k key) holdsJSON() bool { return k.tag.Get("holds") == "json" }

// namesFiles reports whether k holds the names of files.
func (k key) namesFiles() bool {
	switch name := k.name(); name {
	case "ca", "cert":
		return true
	case "key":
		return !strings.HasSuffix(k.path, ".to.key") // of a record
	default:
		return strings.HasSuffix(name, "_file")
	}
}

// isSecret reports whether k must not stand in the file, which people share.
func (k key) isSecret() bool {
	_, secret := k.target.(*settings.Secret)
	return secret
}

// value is what k holds now, for comparing.
func (k key) value() any { return reflect.ValueOf(k.target).Elem().Interface() }

// shown is what k holds, for people: a text, a number, a bool, or several texts. Of a secret it only
// tells that there is one.
func (k key) shown() any {
	switch v := k.value().(type) {
	case fmt.Stringer:
		return v.String()
	case []string:
		return append([]string{}, v...)
	case Files:
		if len(v) > 1 {
			return []string(v)
		}
		return strings.Join(v, "")
	}
	if v := reflect.ValueOf(k.target).Elem(); v.Kind() == reflect.String {
		return v.String()
	}
	return k.value()
}

// Files are the names of files. A single one may stand for a list of one.
type Files []string

// set parses what a source said of k into its target. Nil is nothing said.
func (k key) set(values []string) error {
	if values == nil {
		return nil
	}
	switch target := k.target.(type) {
	case *[]string:
		*target = append([]string(nil), values...) // nil for an empty one, as in Default
		return nil
	case *Files:
		*target = nil
		for _, name := range values {
			if name != "" {
				*target = append(*target, name)
			}
		}
		return nil
	case *time.Duration:
		d, err := ParseDuration(values[0])
		*target = d
		return err
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(values[0]))
	}
	text, v := values[0], reflect.ValueOf(k.target).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%s is out of bounds: want a number nearer to 0", text)
		case err != nil, strconv.Itoa(n) != text: // 010 is 8 to some
			return fmt.Errorf("%q is not a whole number, such as 10", text)
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	}
	return nil
}
