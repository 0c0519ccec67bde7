package config

import "errors"

// ReadYAML reads a file of YAML that is no configuration, as strictly: into a struct, which has the tags of Config, and of at most so
// many bytes. where tells the place of a path, such as "cases[3].expect". Errors are of type *Error, joined when there are several.
func ReadYAML(name string, most Size, into any) (where func(path string) string, err error) {
	text, err := readFile(name, most)
	if err != nil {
		return nil, &Error{name, "", err.Error()}
	}
	f := parseFile(name, "", text, keysOf("", into))
	for _, k := range f.keys {
		if values := f.values[k.path]; len(f.errs) == 0 && values != nil {
			if err := k.set(values); err != nil {
				return nil, &Error{f.origins.of(k.path), k.path, err.Error()}
			}
		}
	}
	if len(f.origins) == 0 && len(f.errs) == 0 {
		return nil, &Error{name + ":1", "", "it is empty"}
	}
	return f.origins.of, errors.Join(f.errs...)
}
