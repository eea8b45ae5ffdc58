package pkcs11key

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	helperName   = "mooring-pkcs11"
	helperEnv    = "MOORING_PKCS11"
	helperLibDir = "/usr/lib/mooring"
)

// findHelper looks at the URI, the environment, beside this program, in
// /usr/lib/mooring and in PATH, in this order.
func (l Location) findHelper() (string, error) {
	if l.Helper != "" {
		return l.Helper, nil
	}
	if path := os.Getenv(helperEnv); path != "" {
		return path, nil
	}
	places := []string{filepath.Join(helperLibDir, helperName)}
	if self, err := os.Executable(); err == nil {
		places = append([]string{filepath.Join(filepath.Dir(self), helperName)}, places...)
	}
	for _, path := range places {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	path, err := exec.LookPath(helperName)
	if err != nil {
		return "", &Error{Kind: Refused, Text: "the program mooring-pkcs11, which uses PKCS#11 tokens, is not installed",
			Hint: "install it beside this program, or name it in " + helperEnv}
	}
	return path, nil
}

// moduleDirs is where distributions keep modules.
var moduleDirs = []string{"/usr/lib/*-linux-*/pkcs11", "/usr/lib/pkcs11", "/usr/lib64/pkcs11", "/usr/local/lib/pkcs11",
	"/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/lib/softhsm", "/usr/lib64/softhsm"}

// findModule returns the path of the module. Of one name there must be one.
func (l Location) findModule() (string, error) {
	if l.Token.Module != "" {
		return l.Token.Module, nil
	}
	if l.ModuleName == "" {
		return "", refuse("a pkcs11: URI says which module to use: add ?module-path=/path/to/module.so")
	}
	var found []string
	real := map[string]bool{}
	for _, dir := range moduleDirs {
		for _, name := range []string{"lib" + l.ModuleName + ".so", l.ModuleName + ".so"} {
			matches, _ := filepath.Glob(filepath.Join(dir, escape(name)))
			for _, m := range matches {
				if target, err := filepath.EvalSymlinks(m); err == nil && !real[target] {
					real[target] = true
					found = append(found, m)
				}
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &Error{Kind: Refused, Text: "there is no PKCS#11 module named " + l.ModuleName, Hint: "use module-path with the path of the library"}
	}
	return "", &Error{Kind: Refused, Text: "several PKCS#11 modules are named " + l.ModuleName + ": " + strings.Join(found, ", "),
		Hint: "use module-path with the path of one"}
}

// escape keeps a name from being a pattern.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}
