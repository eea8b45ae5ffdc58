package helper

import (
	"context"
	"time"
)

// installFirmware hands a file that was checked to the plugin.
func (s *Server) installFirmware(r *Request, path string) Result {
	plugin := s.o.Operations.Firmware.Plugin
	if plugin == "" {
		return resultOf(errNotAllowed)
	}
	if err := checkedProgram(plugin); err != nil {
		return resultOf(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.o.Operations.Firmware.Timeout))
	defer cancel()
	tail, status, err := s.run(ctx, []string{plugin, "install", r.Name, r.Version, path}, nil, nil)
	switch {
	case err != nil:
		return resultOf(err)
	case status == exitNeedsRestart:
		return Result{NeedsRestart: true}
	case status != exitDone:
		return resultOf(failed(status, tail))
	}
	return Result{}
}

// firmware asks the plugin whether firmware runs ("check"), or to keep it
// ("commit"); a plugin need not know the latter.
func (s *Server) firmware(r *Request, command string) error {
	plugin := s.o.Operations.Firmware.Plugin
	if plugin == "" {
		return errNotAllowed
	}
	if err := checkedProgram(plugin); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	tail, status, err := s.run(ctx, []string{plugin, command, r.Name, r.Version}, nil, nil)
	if err == nil && status != exitDone && !(command == "commit" && status == exitUnsupported) {
		err = failed(status, tail)
	}
	return err
}
