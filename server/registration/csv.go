package registration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"mooring/internal/problem"
)

// Bounds of a bulk file; they are ours.
const (
	MaxFileBytes = 10 << 20
	MaxRows      = 10_000 // without the header
	MaxColumns   = 256
	MaxCellBytes = 4 << 10
)

var errTooManyCells = errors.New("there are more than 256 cells")

// separators by precedence: the first that stands in the header outside
// quotes parts the cells.
var separators = []byte{'\t', ';', ','}

// table is a CSV file: the header's cells and the other lines, unparsed, so
// that a broken one fails alone.
type table struct {
	separator byte
	header    []string
	lines     []string
}

// readTable reads a bulk file. A cell may be quoted, with "" for a quote; it
// holds no line end. An unquoted cell is taken as it is, quotes included.
//
// Errors: problem.TooLarge above MaxFileBytes, MaxRows or MaxColumns,
// problem.Invalid for a file without a readable header.
func readTable(r io.Reader) (*table, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read CSV file: %w", err)
	}
	if len(raw) > MaxFileBytes {
		return nil, problem.New(problem.TooLarge, "The file is longer than 10 MiB.", nil)
	}
	text, err := decodeText(raw)
	if err != nil {
		return nil, err
	}
	lines := splitLines(text)
	if len(lines) == 0 {
		return nil, problem.New(problem.Invalid, "The file has no header line.", nil)
	}
	t := &table{separator: findSeparator(lines[0]), lines: lines[1:]}
	if len(t.lines) > MaxRows {
		return nil, problem.New(problem.TooLarge, "The file has more than 10,000 rows.", nil)
	}
	t.header, err = t.cells(lines[0])
	if errors.Is(err, errTooManyCells) {
		return nil, problem.New(problem.TooLarge, "The file has more than 256 columns.", nil)
	}
	if err != nil {
		return nil, problem.New(problem.Invalid, "The header line cannot be read: "+err.Error(), nil)
	}
	for i, name := range t.header {
		t.header[i] = strings.TrimSpace(name)
	}
	return t, nil
}

// decodeText takes UTF-8 with or without byte order mark, else Windows-1252,
// which spreadsheets call ANSI.
func decodeText(raw []byte) (string, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if utf8.Valid(raw) {
		return string(raw), nil
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return "", problem.New(problem.Invalid, "The file is neither UTF-8 nor ANSI text.", err)
	}
	return string(text), nil
}

// splitLines returns the lines that are not blank. Blank is what holds nothing
// but white space other than the tab, which may be a separator between empty
// cells.
func splitLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.Trim(line, " ") != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func findSeparator(header string) byte {
	quoted := false
	seen := map[byte]bool{}
	for i := 0; i < len(header); i++ {
		switch c := header[i]; {
		case c == '"':
			quoted = !quoted
		case !quoted:
			seen[c] = true
		}
	}
	for _, s := range separators {
		if seen[s] {
			return s
		}
	}
	return ';'
}

// cells splits a line.
func (t *table) cells(line string) ([]string, error) {
	var cells []string
	for {
		cell, rest, more, err := t.cell(line)
		if err != nil {
			return nil, err
		}
		if len(cell) > MaxCellBytes {
			return nil, fmt.Errorf("cell %d is longer than 4,096 bytes", len(cells)+1)
		}
		if len(cells) == MaxColumns {
			return nil, errTooManyCells
		}
		cells = append(cells, cell)
		if !more {
			return cells, nil
		}
		line = rest
	}
}

// cell cuts the first cell from line; more tells that a separator followed it.
func (t *table) cell(line string) (cell, rest string, more bool, err error) {
	if !strings.HasPrefix(line, `"`) {
		cell, rest, more = strings.Cut(line, string(t.separator))
		return cell, rest, more, nil
	}
	var text strings.Builder
	for line = line[1:]; ; {
		before, after, closed := strings.Cut(line, `"`)
		if !closed {
			return "", "", false, fmt.Errorf("a quoted cell does not end")
		}
		text.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			line = after
			break
		}
		text.WriteByte('"')
		line = after[1:]
	}
	if line == "" {
		return text.String(), "", false, nil
	}
	if line[0] != t.separator {
		return "", "", false, fmt.Errorf("something follows the end of a quoted cell")
	}
	return text.String(), line[1:], true, nil
}
