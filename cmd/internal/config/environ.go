package config

import (
	"fmt"
	"slices"
	"strings"
)

const envPrefix = "STOMPGW_"

// variable is the name under which the environment holds a key: STOMPGW_LIMITS_MESSAGE.
func variable(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// checkEnviron finds variables that look like settings and are none. environ is as os.Environ
// returns it.
func checkEnviron(environ []string, keys []key) (errs []error) {
	var known []string
	for _, k := range keys {
		known = append(known, variable(k.path))
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || fromKubernetes(name) {
			continue
		}
		errs = append(errs, &Error{name, "", unknownVariable(name, known)})
	}
	return errs
}

func unknownVariable(name string, known []string) string {
	switch name {
	case variable("channels"), variable("routes"):
		return "rules can only stand in the file: use --config"
	case variable(issuersPath):
		return "issuers can only stand in the file: use --config"
	case variable(sourcesPath):
		return "sources can only stand in the file: use --config"
	}
	if near := nearest(name, known); near != "" {
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
