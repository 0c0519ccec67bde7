// Package configs holds the configuration files that come with stompgw.
package configs

import (
	_ "embed"
	"slices"
)

// standalone is a package variable because go:embed wants one. Nothing writes to it.
//
//go:embed standalone.yaml
var standalone []byte

// Standalone returns configs/standalone.yaml, which `stompgw serve --standalone` runs with.
func Standalone() []byte { return slices.Clone(standalone) }
