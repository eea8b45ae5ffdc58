package helper

import (
	"context"
	"strings"
	"time"

	"mooring/agent/config"
	"mooring/internal/bounded"
)

// restartLimit bounds the program that begins a restart; it need not wait for it.
const restartLimit = time.Minute

// restart begins a restart when nothing is under way that it would break.
func (s *Server) restart() error {
	if !s.o.Operations.Restart && s.o.Operations.Firmware.Plugin == "" {
		return errNotAllowed
	}
	s.change <- struct{}{}
	defer func() { <-s.change }()
	ctx, cancel := context.WithTimeout(context.Background(), restartLimit)
	defer cancel()
	_, tail, status, err := start(ctx, strings.Fields(s.o.Operations.RestartCommand), nil, nil)
	if err == nil && status != 0 {
		err = failed(status, tail)
	}
	return err
}

// command runs a command of the configuration. Its output is told even if it
// fails.
func (s *Server) command(name string) Result {
	line, ok := config.Find(s.o.Operations.Shell.Commands, name)
	if !ok {
		return resultOf(errNotAllowed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.o.Operations.Shell.Timeout))
	defer cancel()
	output := &head{limit: MaxOutput}
	tail, status, err := s.run(ctx, strings.Fields(line), nil, output)
	if err == nil && status != 0 {
		err = failed(status, tail)
	}
	r := resultOf(err)
	r.Output = bounded.Text(printable(strings.ToValidUTF8(string(output.kept), "\uFFFD")), MaxOutput)
	return r
}
