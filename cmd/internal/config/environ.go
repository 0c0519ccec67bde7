package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/nearest"
)

const envPrefix = "STOMPGW_"

// variable is the name under which the environment holds a key: STOMPGW_LIMITS_MESSAGE.
func variable(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// TokenVariable holds the token with which commands log in as clients, where no list of processes shows it. It is no setting.
const TokenVariable = envPrefix + "TOKEN"

// checkEnviron finds variables that look like settings and are none. environ is as os.Environ
// returns it.
func checkEnviron(environ []string, keys []key) (errs []error) {
	known := []string{TokenVariable, fileVariable}
	lists := map[string]string{} // by variable, what they are called
	for _, k := range keys {
		if k.isItems() {
			lists[variable(k.path)] = k.name()
		} else {
			known = append(known, variable(k.path))
		}
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || fromKubernetes(name) {
			continue
		}
		reason := unknownVariable(name, known)
		if list := lists[name]; list != "" {
			reason = list + " can only stand in the file: use --config"
		}
		errs = append(errs, &Error{name, "", reason})
	}
	return errs
}

func unknownVariable(name string, known []string) string {
	if near := nearest.Word(name, known); near != "" {
		return fmt.Sprintf("there is no such setting; did you mean %s?", near)
	}
	return fmt.Sprintf("there is no such setting; unset it (variables with %s are this program's)", envPrefix)
}

// fromKubernetes reports whether a variable is one that Kubernetes gives every container of a
// namespace with a service named stompgw or stompgw-something: ..._SERVICE_HOST, ..._SERVICE_PORT,
// ..._SERVICE_PORT_<name>, ..._PORT, ..._PORT_<n>_TCP and ..._PORT_<n>_TCP_{PROTO,PORT,ADDR}. No
// key of ours has PORT or SERVICE in its name.
func fromKubernetes(name string) bool {
	parts := strings.Split(name, "_")
	return slices.Contains(parts, "SERVICE") || slices.Contains(parts, "PORT")
}
