// Command bench measures the real mooring-server process and prints each
// figure as a ratio to a yardstick of the same run.
//
// The unit is operations per CPU-second (user+system) of the process named;
// wall time is never used, because test machines are shared. Yardsticks run as
// processes of their own: a loop that checks a CSR and signs a certificate, a
// TLS server that only accepts, and a bare mochi broker.
//
//	bench -server bin/mooring-server [-agent bin/mooring-agent] [-only enrol,connect,memory,ingest,fanin,agent] [-devices 2000]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// settings are what the flags say.
type settings struct {
	server, agent string
	agentARM      string // the agent's program for ARMv7
	devices       int    // connections held at once for the memory figure
	enrolments    int
	connects      int
	publishes     int
	profiles      string // directory for profiles of the server; empty: none
}

// figure is one line of the result.
type figure struct {
	what  string
	got   string
	ratio string
	bound string // of design §6
	ok    bool
}

// section is one measurement.
type section struct {
	name string
	run  func(ctx context.Context, s settings) ([]figure, error)
}

var sections = []section{
	{"enrol", benchEnrol},
	{"connect", benchConnect},
	{"memory", benchMemory},
	{"ingest", benchIngest},
	{"fanin", benchFanin},
	{"agent", benchAgent},
}

// more are the sections that run only when they are named: they need an emulator.
var more = []section{{"arm", benchARM}}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var s settings
	role := fs.String("role", "", "internal: be a yardstick process")
	only := fs.String("only", "", "sections to run, comma separated; default all")
	fs.StringVar(&s.server, "server", "bin/mooring-server", "the server's program")
	fs.StringVar(&s.agent, "agent", "bin/mooring-agent", "the agent's program")
	fs.StringVar(&s.agentARM, "agent-armv7", "bin/mooring-agent-armv7", "the agent's program for ARMv7, for the section arm, which runs only when -only names it")
	fs.IntVar(&s.devices, "devices", 2000, "connections held open for the figures of memory and fan-in")
	fs.IntVar(&s.enrolments, "enrolments", 15_000, "enrolments")
	fs.IntVar(&s.connects, "connects", 6000, "MQTT connects")
	fs.IntVar(&s.publishes, "publishes", 200_000, "QoS 1 publishes")
	fs.StringVar(&s.profiles, "profiles", "", "write profiles of the server to this directory; they cost a little themselves")
	asJSON := fs.Bool("json", false, "one JSON object a figure instead of a table")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *role != "" {
		if err := yardstick(ctx, *role, os.Stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return 1
		}
		return 0
	}
	show := printTable
	if *asJSON {
		show = printJSON
	} else {
		fmt.Fprintf(stdout, "| what | measured | ratio | bound | |\n| --- | --- | --- | --- | --- |\n")
	}
	status := 0
	chosen := sections
	if *only != "" {
		chosen = slices.DeleteFunc(append(slices.Clone(sections), more...), func(sec section) bool { return !slices.Contains(strings.Split(*only, ","), sec.name) })
	}
	for _, sec := range chosen {
		figures, err := sec.run(ctx, s)
		if err != nil {
			fmt.Fprintf(stderr, "bench: %s: %v\n", sec.name, err)
			status = 1
			continue
		}
		for _, f := range figures {
			show(stdout, f)
		}
	}
	return status
}

func printTable(w io.Writer, f figure) {
	mark := "meets"
	if !f.ok {
		mark = "**misses**"
	}
	if f.bound == "" {
		mark = ""
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", f.what, f.got, f.ratio, f.bound, mark)
}

func printJSON(w io.Writer, f figure) {
	_ = json.NewEncoder(w).Encode(map[string]any{"what": f.what, "got": f.got, "ratio": f.ratio, "bound": f.bound, "ok": f.ok})
}

// atLeast is a figure that must reach bound times the yardstick.
func atLeast(what string, got, yardstick, bound float64, unit string) figure {
	return figure{
		what: what, got: fmt.Sprintf("%.0f %s, yardstick %.0f", got, unit, yardstick),
		ratio: fmt.Sprintf("%.2f", got/yardstick), bound: fmt.Sprintf("≥ %.2f", bound), ok: got/yardstick >= bound,
	}
}

// compared is a figure that is stated and not held to a bound.
func compared(what string, got, yardstick float64, unit string) figure {
	f := atLeast(what, got, yardstick, 0, unit)
	f.bound = ""
	return f
}
