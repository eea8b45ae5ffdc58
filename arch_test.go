// Package mooring_test holds the architecture of the module as tests: which
// package may know which, what may touch the outside world, and where each
// library is used. ARCHITECTURE.md draws the picture; here it is enforced.
package mooring_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// maxLines bounds a source file: longer ones want to be split by resource.
const maxLines = 500

// A rule judges the whole tree. check returns how many packages, files or
// imports it judged and what it found wrong. A rule that judged nothing fails
// as soon as one of the folders under needs exists: it has lost its subject,
// for example because somebody renamed a package.
type rule struct {
	name   string
	reason string
	needs  []string
	check  func(*tree) (judged int, bad []string)
}

var rules = []rule{
	{
		name:   "dependencies point one way",
		reason: "internal ← hsm ← agent and server; internal ← platform ← services ← what front ends share ← front ends ← server: a layer that knows who uses it cannot be tested or replaced alone",
		needs:  []string{"."},
		check:  checkLayers,
	},
	{
		name:   "siblings do not know each other",
		reason: "a front end, store, service or key backend declares the small interface it needs and server.New or hsm.Open wires it, so that each can be read, tested and removed alone",
		needs:  []string{"server/cmd"},
		check:  checkSiblings,
	},
	{
		name:   "every package has its place",
		reason: "a package that no layer lists escapes the rules; add it to serverLayers or to the tree in layerOf",
		needs:  []string{"."},
		check:  checkPlaces,
	},
	{
		name:   "tests use a program by its front doors",
		reason: "tests of the agent and of foreign clients reach the server through server/servertest only, from external test packages: what they prove then holds for the deployed server too",
		needs:  []string{"agent/cmd"},
		check:  checkFrontDoors,
	},
	{
		name:   "codecs do no I/O and read no clock",
		reason: "time is an argument and the next deadline a result: that is what lets a codec run on a microcontroller and be tested in microseconds",
		needs:  []string{"internal"},
		check:  checkCodecs,
	},
	{
		name:   "the TinyGo set stays small",
		reason: "firmware-sim compiles these packages with TinyGo for bare metal, where net/http, os/exec, log/slog and database/sql neither compile nor fit",
		needs:  []string{"internal"},
		check:  checkTinyGo,
	},
	{
		name:   "mains alone exit and read flags",
		reason: "a library that ends the process or owns global flags cannot run twice in one process, which tests and the simulator do",
		needs:  []string{"."},
		check:  checkMainsOnly,
	},
	{
		name:   "no program links testing",
		reason: "testing registers flags, makes programs larger and means that test rigs are shipped to the field",
		needs:  []string{"agent/cmd", "server/cmd"},
		check:  checkNoTesting,
	},
	{
		name:   "one package comment each",
		reason: "a package says once what it provides: Package x …, for a program Command x …",
		needs:  []string{"."},
		check:  checkComments,
	},
	{
		name:   "a library is imported in one place",
		reason: "what depends on a foreign library in one package can be replaced in one package; a new library wants a row in libraries and a line in ARCHITECTURE.md that says why we have it",
		needs:  []string{"server/cmd", "agent/cmd"},
		check:  checkLibraries,
	},
	{
		name:   "cgo in the PKCS#11 helper alone",
		reason: "all else builds with CGO_ENABLED=0, one static program for nine targets, and a crashing vendor library cannot take the agent down",
		needs:  []string{"."},
		check:  checkCgo,
	},
	{
		name:   "no file is too long",
		reason: fmt.Sprintf("a file of more than %d lines holds more than one concern; it grows by resource, not by time", maxLines),
		needs:  []string{"."},
		check:  checkLength,
	},
}

// moduleTree is the real tree, read once for all rules.
var moduleTree = sync.OnceValues(func() (*tree, error) { return loadTree(".") })

func TestArchitecture(t *testing.T) {
	module, err := moduleTree()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range module.broken {
		t.Errorf("go list: %s", b)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, problem := range r.verdict(module) {
				t.Error(problem)
			}
		})
	}
}

// verdict is the list of what to tell whoever broke r, each with r's reason.
func (r rule) verdict(t *tree) []string {
	judged, bad := r.check(t)
	if judged == 0 && slices.ContainsFunc(r.needs, t.exists) {
		bad = append(bad, "the rule matches nothing: it has lost its subject and must follow the renamed packages")
	}
	for i := range bad {
		bad[i] += "\n\twhy: " + r.reason
	}
	return bad
}

// exists reports whether there is Go code in or under dir.
func (t *tree) exists(dir string) bool {
	return slices.ContainsFunc(t.packages, func(p *sourcePackage) bool { return under(p.path, dir) })
}

func under(p, dir string) bool {
	return dir == "." || p == dir || strings.HasPrefix(p, dir+"/")
}

// ownImports calls f for each import of a package of ours by a file of ours.
// Paths are relative to the module root.
func (t *tree) ownImports(f func(from *sourcePackage, file *sourceFile, to string)) {
	for _, p := range t.packages {
		for _, file := range p.files {
			for _, imp := range file.imports {
				if to, ok := strings.CutPrefix(imp, modulePath+"/"); ok {
					f(p, file, to)
				}
			}
		}
	}
}

// codecs do no I/O and read no clock. They are exactly these packages, not
// what lies below them: internal/est/estclient is a client.
var codecs = []string{
	"internal/pki", "internal/attestation", "internal/cms", "internal/est", "internal/jwt", "internal/smartrest", "internal/query", "internal/deviceid",
	"internal/coap", "internal/lwm2m", "internal/lifecycle", "internal/minisign", "internal/problem", "firmware-sim/device",
}

// clockReaders are the names in package time that read the clock or wait on it.
var clockReaders = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

func checkCodecs(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		if !slices.Contains(codecs, p.path) {
			continue
		}
		for _, f := range p.production() {
			judged++
			for _, imp := range f.imports {
				if under(imp, "net") || under(imp, "os") || imp == "syscall" {
					bad = append(bad, fmt.Sprintf("%s imports %s", f.name, imp))
				}
			}
			for _, c := range f.calls("time", clockReaders...) {
				bad = append(bad, fmt.Sprintf("%s uses %s", f.name, c))
			}
		}
	}
	return judged, bad
}

var (
	// tinyGoSet is what the firmware compiles.
	tinyGoSet = []string{
		"internal/lifecycle", "internal/pki", "internal/cms", "internal/est", "internal/smartrest",
		"internal/deviceid", "internal/problem", "internal/secret", "internal/backoff",
	}
	// tinyGoBans must not even be reachable from there.
	tinyGoBans = []string{"net/http", "os/exec", "log/slog", "database/sql"}
)

func checkTinyGo(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		if !slices.Contains(tinyGoSet, p.path) {
			continue
		}
		judged++
		for _, ban := range tinyGoBans {
			if way := t.pathTo(p.importPath(), func(s string) bool { return s == ban }); way != nil {
				bad = append(bad, strings.Join(way, " → "))
			}
		}
	}
	return judged, bad
}

func checkMainsOnly(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		for _, f := range p.production() {
			judged++
			if f.pkgName == "main" {
				continue
			}
			found := append(f.calls("os", "Exit"), f.calls("log", "Fatal", "Fatalf", "Fatalln")...)
			if slices.Contains(f.imports, "flag") {
				found = append(found, "flag")
			}
			for _, c := range found {
				bad = append(bad, fmt.Sprintf("%s uses %s", f.name, c))
			}
		}
	}
	return judged, bad
}

func checkNoTesting(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		if !p.isMain() {
			continue
		}
		judged++
		way := t.pathTo(p.importPath(), func(s string) bool { return under(s, "testing") })
		if way != nil {
			bad = append(bad, strings.Join(way, " → "))
		}
	}
	return judged, bad
}

// packageComment is how a package comment starts, by what the package is.
var packageComment = regexp.MustCompile(`^(Package|Command) (\S+)`)

func checkComments(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		files := p.production()
		if len(files) == 0 {
			continue
		}
		judged++
		want := "Package " + files[0].pkgName
		if p.isMain() {
			want = "Command " + path.Base(p.path)
		}
		var with []string
		for _, f := range files {
			if f.syntax.Doc == nil {
				continue
			}
			with = append(with, f.name)
			got := strings.TrimRight(packageComment.FindString(f.syntax.Doc.Text()), ".,:;")
			if got != want {
				bad = append(bad, fmt.Sprintf("%s: the package comment starts %q, want %q", f.name, got, want))
			}
		}
		if len(with) != 1 {
			bad = append(bad, fmt.Sprintf("%s has %d package comments, want 1: %v", p.path, len(with), with))
		}
	}
	return judged, bad
}

func checkCgo(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		for _, f := range p.files {
			judged++
			if slices.Contains(f.imports, "C") && p.path != "hsm/cmd/mooring-pkcs11" {
				bad = append(bad, f.name+" uses cgo")
			}
		}
	}
	return judged, bad
}

func checkLength(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		for _, f := range p.production() {
			judged++
			if f.lines > maxLines {
				bad = append(bad, fmt.Sprintf("%s has %d lines", f.name, f.lines))
			}
		}
	}
	return judged, bad
}
