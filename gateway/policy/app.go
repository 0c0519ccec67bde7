package policy

// IsApp reports whether destination is one of the application, which routes and not channels judge.
func (c *Catalogue) IsApp(destination string) bool { return under(destination, c.prefixes.App) }
