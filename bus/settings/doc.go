// Package settings holds what the settings of a bus are made of: the types that are more than plain text,
// and the mistakes in them. The configuration uses the same types for its own settings.
//
// Settings are a struct. Each field that is a setting has tags, from which the configuration makes the key,
// the table in the documentation and the checks:
//
//	Topic string `key:"topic" default:"stompgw" is:"topic that all nodes write and read"`
//
// key is the name in the file; a struct is a section, and the fields of an embedded struct are placed among
// the others. default is written as in an environment variable, lists with commas. is describes the setting
// in one line, with 'code' in quotes. words are the allowed values, separated by commas, with an empty last
// one for none. A list of structs has items, whose fields have the same tags, and required:"true" where an
// item needs the field.
//
// Fields may be strings, numbers, bools, durations, lists of strings, and what reads text by itself
// (encoding.TextUnmarshaler).
package settings
