// Command mooring-pkcs11 uses a PKCS#11 token for another program of Mooring.
//
// It is a process of its own, because it loads a vendor's shared library, which
// needs cgo and may crash or hang. It is started by package hsm/pkcs11key, which
// speaks hsm/pkcs11key/wire with it over standard input and output, and it ends
// when its input does.
package main

import (
	"fmt"
	"io"
	"os"
)

var version = "devel"

const usage = `usage: mooring-pkcs11

Uses a PKCS#11 token for mooring-agent and mooring-server, which start it when
a key URI begins with pkcs11:. It is not meant to be started by hand.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		fmt.Fprintln(stdout, "mooring-pkcs11", version)
		return 0
	case len(args) == 1 && args[0] == "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case len(args) != 0:
		fmt.Fprint(stderr, usage)
		return 2
	}
	return work(stdin, stderr)
}
