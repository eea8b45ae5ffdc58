package registration

import (
	"strings"
	"testing"
)

// FuzzTable: no panic, and a row that parses has as many cells as its quoted
// form.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"", "ID", "ID\n1\n", "\"ID\"\t\"IDTYPE\"\n\"dev1\"\t\"\"\n", "ID;A.b;A.c;PATH\r\n1;2;3;/a//b/\r\n", "ID,X\n\"a\"\"b\",\"c,d\"\n",
		"\ufeffID;X\n1;\"2\n", "ID;SHELL;ICCID;external-x\n1;1;2;3\n", "ID;\xe4\n1;\x80\n", "ID;a;a.b\n1;2;3",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		table, err := readTable(strings.NewReader(in))
		if err != nil {
			return
		}
		headerErr := checkHeader(table.header)
		for _, line := range table.lines {
			cells, err := table.cells(line)
			if err != nil {
				continue
			}
			again, err := table.cells(quote(cells, table.separator))
			if err != nil || strings.Join(again, "\x00") != strings.Join(cells, "\x00") {
				t.Errorf("cells %q come back as %q, %v", cells, again, err)
			}
			r, err := table.row(line, headerErr)
			if err != nil {
				continue
			}
			if err := r.check(isSimple(table.header)); err == nil && r.externalID == "" {
				t.Error("a row without ID passes")
			}
			if _, err := r.fragments(); err != nil {
				t.Errorf("fragments: %v", err)
			}
		}
	})
}

func quote(cells []string, separator byte) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(separator)
		}
		b.WriteString(`"` + strings.ReplaceAll(c, `"`, `""`) + `"`)
	}
	return b.String()
}
