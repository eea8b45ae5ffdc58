package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScripts runs testdata/script/*.txtar against the program's own run. The
// files are in the form of txtar archives, and the commands those of
// testscript, as far as they are used here:
//
//	mooring-agent ARGS…   status N mooring-agent ARGS…
//	[!] stdout REGEXP     [!] stderr REGEXP
//	[!] exists FILE       grep REGEXP FILE
//	mkdir DIR   cp A B   rm FILE   chmod MODE FILE   symlink A -> B   env K=V
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := &script{t: t, dir: t.TempDir()}
			t.Chdir(s.dir)
			t.Setenv("MOORING_STATE", filepath.Join(s.dir, "state"))
			t.Setenv("MOORING_CONFIG", "")
			lines := s.unpack(string(text))
			for i, line := range lines {
				if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
					continue
				}
				if err := s.do(fields(strings.ReplaceAll(line, "$WORK", s.dir))); err != nil {
					t.Fatalf("%s:%d: %s\n%v\nstdout: %s\nstderr: %s", file, i+1, line, err, s.stdout.String(), s.stderr.String())
				}
			}
		})
	}
}

type script struct {
	t              *testing.T
	dir            string
	stdout, stderr bytes.Buffer
}

// unpack writes the files behind the script and returns its lines.
func (s *script) unpack(text string) []string {
	marker := regexp.MustCompile(`(?m)^-- (\S+) --\n`)
	parts := marker.FindAllStringSubmatchIndex(text, -1)
	end := len(text)
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		if err := os.WriteFile(filepath.Join(s.dir, text[p[2]:p[3]]), []byte(text[p[1]:end]), 0o644); err != nil {
			s.t.Fatal(err)
		}
		end = p[0]
	}
	return strings.Split(text[:end], "\n")
}

// fields splits at blanks outside single quotes.
func fields(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

func (s *script) do(f []string) error {
	not := f[0] == "!"
	if not {
		f = f[1:]
	}
	switch f[0] {
	case "mooring-agent":
		return s.run(0, f[1:])
	case "status":
		want, err := strconv.Atoi(f[1])
		if err != nil {
			return err
		}
		return s.run(want, f[3:])
	case "stdout":
		return match(not, f[1], s.stdout.String())
	case "stderr":
		return match(not, f[1], s.stderr.String())
	case "grep":
		text, err := os.ReadFile(f[2])
		return errors.Join(err, match(not, f[1], string(text)))
	case "exists":
		if _, err := os.Lstat(f[1]); (err == nil) == not {
			return errors.New("it is the other way")
		}
		return nil
	}
	return s.file(f)
}

// file changes the work directory.
func (s *script) file(f []string) error {
	switch f[0] {
	case "mkdir":
		return os.MkdirAll(f[1], 0o755)
	case "rm":
		return os.RemoveAll(f[1])
	case "symlink":
		return os.Symlink(f[3], f[1])
	case "chmod":
		mode, err := strconv.ParseUint(f[1], 8, 32)
		return errors.Join(err, os.Chmod(f[2], os.FileMode(mode)))
	case "cp":
		text, err := os.ReadFile(f[1])
		return errors.Join(err, os.WriteFile(f[2], text, 0o644))
	case "env":
		name, value, _ := strings.Cut(f[1], "=")
		s.t.Setenv(name, value)
		return nil
	}
	return errors.New("unknown command")
}

func (s *script) run(want int, args []string) error {
	s.stdout.Reset()
	s.stderr.Reset()
	if got := run(args, strings.NewReader(""), &s.stdout, &s.stderr); got != want {
		return errors.New("exit status " + strconv.Itoa(got) + ", want " + strconv.Itoa(want))
	}
	return nil
}

func match(not bool, pattern, text string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	if re.MatchString(text) == not {
		return errors.New("the output does not agree")
	}
	return nil
}
