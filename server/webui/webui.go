// Package webui serves the web page: files that are part of the program, and
// nothing else. What the page does it does through the public REST API, with the
// rights of who has logged in.
//
// static holds index.html, style.css and js: api.js speaks to the server,
// app.js chooses a view by the fragment, each view has a file of its own. To add
// a view: its file, and a row in app.js.
package webui

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Prefix is where the page is: where devices print it (rest.md §1.8).
const Prefix = "/apps/devicemanagement/"

const index = "index.html"

//go:embed static
var static embed.FS

// file is one file as it is served.
type file struct {
	text []byte
	kind string
	etag string
}

// UI is the page; it is safe for concurrent use.
type UI struct{ files map[string]file }

// New reads the files.
func New() (*UI, error) {
	u := &UI{files: map[string]file{}}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := static.ReadFile(name)
		sum := sha256.Sum256(text)
		u.files[strings.TrimPrefix(name, "static/")] = file{text, kindOf(name), `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		return err
	})
	return u, err
}

// kindOf does not depend on what the machine's own tables say of JavaScript.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// Handles reports whether r is for the page: what lies below Prefix, and the
// root, where nothing else is.
func (u *UI) Handles(r *http.Request) bool {
	p := r.URL.Path
	return p == "/" || p == strings.TrimSuffix(Prefix, "/") || strings.HasPrefix(p, Prefix)
}

// policy lets the page load its own files and speak to its own server; nothing
// inline runs, no form is sent by the browser itself, nobody frames it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // kept, and asked for again by its ETag
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "The page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(r.URL.Path, Prefix)
	if !below {
		// The browser keeps the fragment. Only the path is sent back: no host, no query.
		h.Set("Location", Prefix)
		w.WriteHeader(http.StatusFound)
		return
	}
	if name == "" {
		name = index
	}
	f, ok := u.files[name]
	if !ok {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	f.send(w, r)
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", f.etag)
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == f.etag || have == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(f.text)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.text) // fails only if the peer is gone
	}
}
