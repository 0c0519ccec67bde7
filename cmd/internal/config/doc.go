// Package config turns a file, the environment and flags into the settings of a command.
//
// It is strict: a key it does not know, a number without a unit or two settings that contradict
// each other are errors that name file and line, the variable or the flag, and what would be right.
package config
