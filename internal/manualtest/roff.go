package manualtest

import (
	"bytes"
	"fmt"
	"strings"
)

// Roff is a manual page in the making (man(7)).
type Roff struct{ b bytes.Buffer }

// Page begins a page.
func Page(name, section, summary string) *Roff {
	r := &Roff{}
	fmt.Fprintf(&r.b, ".\\\" made by a test; see internal/manualtest\n.TH %s %s \"\" Mooring \"Mooring manual\"\n", strings.ToUpper(name), section)
	r.Section("NAME")
	fmt.Fprintf(&r.b, "%s \\- %s\n", escape(name), escape(summary))
	return r
}

// Section begins a section.
func (r *Roff) Section(title string) { fmt.Fprintf(&r.b, ".SH %q\n", title) }

// Subsection begins a part of one.
func (r *Roff) Subsection(title string) {
	fmt.Fprintf(&r.b, ".SS \"%s\"\n", strings.ReplaceAll(escape(title), `"`, `\(dq`))
}

// Text is paragraphs, with an empty line between two.
func (r *Roff) Text(text string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		fmt.Fprintf(&r.b, ".PP\n%s\n", escape(paragraph))
	}
}

// Entry is a term with its meaning, indented.
func (r *Roff) Entry(e Entry) {
	fmt.Fprintf(&r.b, ".TP\n.B %s\n%s\n", escape(e.Term), escape(e.Meaning))
}

// Example is text as it is typed.
func (r *Roff) Example(text string) {
	fmt.Fprintf(&r.b, ".PP\n.nf\n.RS\n%s\n.RE\n.fi\n", escape(text))
}

// Bytes is the page.
func (r *Roff) Bytes() []byte { return r.b.Bytes() }

// escape keeps text from being read as roff: backslashes, dashes, and dots and
// quotes at the beginning of a line.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "→", "->").Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
