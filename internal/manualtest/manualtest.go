// Package manualtest writes manual pages and completions from what a program
// says of itself, and fails a test when the files in the tree say something
// else.
package manualtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Program is a program with its subcommands.
type Program struct {
	Name, Summary string
	Description   string // paragraphs, with an empty line between two
	Commands      []Command
	Files         []Entry
	See           string // "mooring-agent.toml(5)"
}

// Command is one subcommand.
type Command struct {
	Name, Args, Summary, Long, Example string
	Flags                              []Entry // without the dashes
}

// Entry is a term and what it means.
type Entry struct{ Term, Meaning string }

// Check compares the page and the bash completion of a program with the files in
// the folders docs/man and packaging/completions of root.
func Check(t *testing.T, root string, p Program, update bool) {
	t.Helper()
	Compare(t, filepath.Join(root, "docs/man", p.Name+".1"), p.page(), update)
	Compare(t, filepath.Join(root, "packaging/completions", p.Name+".bash"), p.completion(), update)
}

// Compare compares a file with what it should be, or writes it anew.
func Compare(t *testing.T, path string, want []byte, update bool) {
	t.Helper()
	if update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale (%v): write it anew with go test -run %s -update", path, err, t.Name())
	}
}

func (p *Program) page() []byte {
	r := Page(p.Name, "1", p.Summary)
	r.Section("SYNOPSIS")
	r.Example(p.Name + " COMMAND [flags]")
	r.Section("DESCRIPTION")
	r.Text(p.Description)
	r.Section("COMMANDS")
	for _, c := range p.Commands {
		r.Subsection(strings.TrimSpace(c.Name + " " + c.Args))
		r.Text(strings.TrimSuffix(strings.ToUpper(c.Summary[:1])+c.Summary[1:], ".") + ".")
		if c.Long != "" {
			r.Text(strings.ReplaceAll(c.Long, "\n", " "))
		}
		for _, f := range c.Flags {
			r.Entry(Entry{"--" + f.Term, f.Meaning})
		}
		if c.Example != "" {
			r.Example(c.Example)
		}
	}
	r.Section("EXIT STATUS")
	for _, e := range []Entry{{"0", "done"}, {"1", "failed"}, {"2", "the command line or the configuration is wrong"}, {"75", "come back later: the cause may pass"}} {
		r.Entry(e)
	}
	if len(p.Files) > 0 {
		r.Section("FILES")
		for _, f := range p.Files {
			r.Entry(f)
		}
	}
	if p.See != "" {
		r.Section("SEE ALSO")
		r.Text(p.See)
	}
	return r.Bytes()
}

// completion completes command names, and the flags of the one that was given.
func (p *Program) completion() []byte {
	var b bytes.Buffer
	function := "_" + strings.ReplaceAll(p.Name, "-", "_")
	first := map[string][]string{} // words that may follow a first word
	var order []string
	fmt.Fprintf(&b, "# bash completion of %s; made by a test from its table of commands\n%s() {\n\tlocal words flags\n\tcase \"${COMP_WORDS[*]:1:COMP_CWORD-1}\" in\n", p.Name, function)
	for _, c := range p.Commands {
		head, tail, _ := strings.Cut(c.Name, " ")
		if _, seen := first[head]; !seen {
			order = append(order, head)
		}
		first[head] = append(first[head], tail)
	}
	fmt.Fprintf(&b, "\t\"\") words=%q ;;\n", strings.Join(append(order, "help"), " "))
	for _, head := range order {
		if words := strings.TrimSpace(strings.Join(first[head], " ")); words != "" {
			fmt.Fprintf(&b, "\t%s) words=%q ;;\n", head, words)
		}
	}
	b.WriteString("\tesac\n\tcase \"${COMP_WORDS[*]:1}\" in\n")
	for _, c := range p.Commands {
		flags := flagNames(c)
		if len(flags) > 0 {
			fmt.Fprintf(&b, "\t%q*) flags=%q ;;\n", c.Name+" ", strings.Join(flags, " "))
		}
	}
	fmt.Fprintf(&b, "\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words $flags\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\ncomplete -o default -F %s %s\n", function, p.Name)
	return b.Bytes()
}

// flagNames are those of the flag set, or those named in the arguments.
func flagNames(c Command) (names []string) {
	for _, f := range c.Flags {
		name, _, _ := strings.Cut(f.Term, " ")
		names = append(names, "--"+name)
	}
	if len(names) == 0 {
		for _, word := range strings.FieldsFunc(c.Args, func(r rune) bool { return strings.ContainsRune(" []|", r) }) {
			if strings.HasPrefix(word, "--") {
				names = append(names, word)
			}
		}
	}
	return names
}
