// Package settings holds what the settings of a bus are made of: the types that are more than a text,
// and the mistakes in them. The configuration uses the same for its own.
//
// Settings are a struct. Each field that is one has tags, from which the configuration makes the key, the
// table of the documents and the checks:
//
//	Topic string `key:"topic" default:"stompgw" is:"topic that all nodes write and read"`
//
// key is the name in the file; a struct is a section, and the fields of an embedded one stand among the
// others. default is written as in a variable of the environment, lists with commas. is says what it is, in
// a line with 'code' in quotes. words are those that the setting may be, with commas, a last empty one for
// none. A list of structs has items, whose fields have the same tags, and required:"true" where an item
// needs one.
//
// Fields may be texts, numbers, bools, lengths of time, lists of texts, and what takes a text by itself
// (encoding.TextUnmarshaler).
package settings
