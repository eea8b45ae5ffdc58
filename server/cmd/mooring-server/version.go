package main

import (
	"context"
	"fmt"
	"runtime/debug"
)

// version is set by the linker in releases.
var version = ""

func showVersion(_ context.Context, _ []string, s streams) error {
	text := version
	if info, ok := debug.ReadBuildInfo(); ok && text == "" {
		text = info.Main.Version
	}
	_, err := fmt.Fprintln(s.out, "mooring-server", text)
	return err
}
