package durabletest

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
)

// Cuts counts the cut points that the tests of a package have tried, for a table
// when all of them are done. It may be used by several goroutines.
type Cuts struct {
	Each string // what each point was tried in: heading of the last column
	End  string // how all of them ended

	mu   sync.Mutex // guards what follows
	rows []string
	sum  int
}

// Add notes points of one part of the life, with keys in one kind of store.
func (c *Cuts) Add(keys, part string, points, each int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, fmt.Sprintf("%s\t%s\t%d\t%d\n", keys, part, points, each))
	c.sum += points
}

// Print writes the table, under go test -v.
func (c *Cuts) Print(w io.Writer) {
	if !testing.Verbose() || len(c.rows) == 0 {
		return
	}
	slices.Sort(c.rows)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "keys\tpower cuts while\tcut points (ALL_CUTS=1 tries all)\t%s\n", c.Each)
	for _, row := range c.rows {
		fmt.Fprint(tw, row)
	}
	fmt.Fprintf(tw, "all\t%s\t%d\n", c.End, c.sum)
	_ = tw.Flush() // to the terminal of a test
}
