package mooring_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// modulePath is the prefix of every import path of ours.
const modulePath = "mooring"

// sourceFile is one Go file of the module, whatever its build tags.
type sourceFile struct {
	name     string // slash-separated, relative to the module root
	pkgName  string // as in its package clause
	isTest   bool   // _test.go
	external bool   // package x_test
	lines    int
	syntax   *ast.File
	imports  []string
}

// sourcePackage is one folder with Go files. Its path is relative to the
// module root: "server/ca", "." for the root.
type sourcePackage struct {
	path  string
	files []*sourceFile
}

// tree is what the rules judge: our own sources, read by this test itself so
// that the test cache notices a change, and the import graph of what a build
// links, as `go list -deps` tells it.
type tree struct {
	packages []*sourcePackage
	graph    map[string][]string // import path to import paths, tests left out
	broken   []string            // what the go command could not load, so that the graph has holes
	goMod    string
	guide    string // ARCHITECTURE.md, empty while there is none
}

// loadTree reads the module in root.
func loadTree(root string) (*tree, error) {
	byDir := map[string][]*sourceFile{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a file that went away while we walked
		case err != nil:
			return err
		case d.IsDir() && name != root && skipDir(name):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parseSource(filepath.ToSlash(rel), text)
		if err != nil {
			return err
		}
		byDir[path.Dir(f.name)] = append(byDir[path.Dir(f.name)], f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	t := newTree(byDir)
	for name, to := range map[string]*string{"go.mod": &t.goMod, "ARCHITECTURE.md": &t.guide, "go.sum": new(string)} {
		text, err := os.ReadFile(filepath.Join(root, name)) // go.sum for the test cache: the graph depends on it
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*to = string(text)
	}
	t.graph, t.broken, err = loadGraph(root)
	return t, err
}

func newTree(byDir map[string][]*sourceFile) *tree {
	t := &tree{}
	for dir, files := range byDir {
		t.packages = append(t.packages, &sourcePackage{path: dir, files: files})
	}
	slices.SortFunc(t.packages, func(a, b *sourcePackage) int { return strings.Compare(a.path, b.path) })
	return t
}

// skipDir reports whether the go command would not look into dir either.
func skipDir(dir string) bool {
	base := filepath.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func parseSource(name string, text []byte) (*sourceFile, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &sourceFile{
		name:     name,
		pkgName:  syntax.Name.Name,
		isTest:   strings.HasSuffix(name, "_test.go"),
		external: strings.HasSuffix(syntax.Name.Name, "_test"),
		lines:    bytes.Count(text, []byte("\n")),
		syntax:   syntax,
	}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		f.imports = append(f.imports, p)
	}
	return f, nil
}

// loadGraph asks the go command what the packages of the module link, and
// tells what it could not load.
func loadGraph(root string) (graph map[string][]string, broken []string, err error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports,Error", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-mod=readonly", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	graph = map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Error      *struct{ Err string }
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return graph, broken, nil
		} else if err != nil {
			return nil, nil, fmt.Errorf("go list: %w", err)
		}
		// A folder that has only tests, or only files for cgo, links nothing.
		if p.Error != nil && !strings.Contains(p.Error.Err, "no non-test Go files") &&
			!strings.Contains(p.Error.Err, "build constraints exclude all Go files") {
			broken = append(broken, fmt.Sprintf("%s: %s", p.ImportPath, p.Error.Err))
		}
		graph[p.ImportPath] = p.Imports
	}
}

// importPath is how other packages name p.
func (p *sourcePackage) importPath() string { return path.Join(modulePath, p.path) }

// isMain reports whether p is a program.
func (p *sourcePackage) isMain() bool {
	return slices.ContainsFunc(p.files, func(f *sourceFile) bool { return !f.isTest && f.pkgName == "main" })
}

// production returns the files of p that are linked into programs.
func (p *sourcePackage) production() []*sourceFile {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *sourceFile) bool { return f.isTest })
}

// calls lists the uses of names of the package imported as importPath, as
// "time.Now"; with no names every use counts.
func (f *sourceFile) calls(importPath string, names ...string) []string {
	local := ""
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == importPath {
			local = path.Base(importPath)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	if local == "" {
		return nil
	}
	var found []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && (len(names) == 0 || slices.Contains(names, sel.Sel.Name)) {
			found = append(found, importPath+"."+sel.Sel.Name)
		}
		return true
	})
	return found
}

// pathTo returns a shortest import path from one package to another, from
// first; nil if there is none.
func (t *tree) pathTo(from string, isTarget func(string) bool) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != from && isTarget(at) {
			var way []string
			for ; at != ""; at = before[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range t.graph[at] {
			if _, seen := before[next]; !seen {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}
