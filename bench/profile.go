package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profile asks a server that runs with --debug for a profile ("heap",
// "profile?seconds=4") and writes it to a file, for go tool pprof.
func (p *process) profile(ctx context.Context, kind, file string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr("admin")+"/debug/pprof/"+kind, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile %s: %s", kind, res.Status)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, res.Body)
	return err
}

// profiled runs work and, if profiles are wanted, takes one of the CPU
// meanwhile, which costs the server a little itself, and one of allocations.
func (p *process) profiled(ctx context.Context, s settings, name string, work func() error) func() error {
	if s.profiles == "" {
		return work
	}
	return func() error {
		taken := make(chan error, 1)
		go func() { taken <- p.profile(ctx, "profile?seconds=4", filepath.Join(s.profiles, name+".cpu.pb.gz")) }()
		err := errors.Join(work(), <-taken)
		return errors.Join(err, p.profile(ctx, "allocs", filepath.Join(s.profiles, name+".allocs.pb.gz")))
	}
}
