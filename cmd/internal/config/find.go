package config

import (
	"errors"
	"io/fs"
	"os"
)

// fileVariable names a configuration file. It is no setting.
const fileVariable = envPrefix + "CONFIG"

// Find returns the configuration file of a command that was told none: that of STOMPGW_CONFIG, else
// ./stompgw.yaml, else /etc/stompgw/stompgw.yaml, or "" where there is none. An error is an *Error: of
// one that can't be seen nobody knows whether it would have counted.
func Find() (file string, err error) {
	return find("stompgw.yaml", "/etc/stompgw/stompgw.yaml")
}

func find(places ...string) (file string, err error) {
	if name, set := os.LookupEnv(fileVariable); set {
		if name == "" {
			return "", &Error{fileVariable, "", "the variable is empty: write the name of a YAML file, or unset it"}
		}
		if _, err := os.Stat(name); err != nil {
			return "", &Error{fileVariable, "", name + " can't be read: " + reason(err) + "; write the name of a YAML file, or unset it"}
		}
		return name, nil
	}
	for _, name := range places {
		switch _, err := os.Stat(name); {
		case err == nil:
			return name, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", &Error{name, "", "can't be read: " + reason(err) + "; name another with --config"}
		}
	}
	return "", nil
}

// reason is what the system says, without the file and the call.
func reason(err error) string {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return err.Error()
}
