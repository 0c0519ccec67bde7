package cmd

import (
	"os"
	"slices"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// watchEvery is how often the files of the ports' certificate are looked at. That costs two calls of
// the system, needs no descriptor, and misses nothing: whoever replaces a file, or one of the links on
// the way to it as Kubernetes does, leads to a file of another number, time or size. A file that is
// gone for a while, which would end a watch by the system, is just another change.
const watchEvery = 2 * time.Second

// watch notices that files have changed, once they have been the same for two looks: a pair is two
// files, and writing takes time.
type watch struct {
	names      []string
	seen, used []os.FileInfo // by name, nil for one that is not there: at the last look, and at the last change
}

// newWatch watches the certificate of the ports, which was read a while ago: the first look is a change.
func newWatch(cfg *config.Config) *watch {
	w := &watch{}
	if cfg.TLS.Loaded() != nil {
		w.names = append(w.names, cfg.TLS.Cert, cfg.TLS.Key)
	}
	if cfg.API.TLS.Loaded() != nil {
		w.names = append(w.names, cfg.API.TLS.Cert, cfg.API.TLS.Key)
	}
	w.seen = w.look()
	return w
}

// changed looks at the files, and reports whether they are worth reading again. It says so once.
func (w *watch) changed() bool {
	if len(w.names) == 0 {
		return false
	}
	before := w.seen
	w.seen = w.look()
	if !slices.EqualFunc(w.seen, before, sameFile) || slices.EqualFunc(w.seen, w.used, sameFile) {
		return false
	}
	w.used = w.seen
	return true
}

func (w *watch) look() []os.FileInfo {
	var infos []os.FileInfo
	for _, name := range w.names {
		info, _ := os.Stat(name) // nil without one
		infos = append(infos, info)
	}
	return infos
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
