package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initramfs writes what the machine begins with.
func initramfs(ctx context.Context, c Config, dir string) (string, error) {
	first := filepath.Join(dir, "init")
	if err := Build(ctx, first, "mooring/interop/guest/init"); err != nil {
		return "", err
	}
	var a archive
	a.console()
	if err := a.add("/init", first, 0o755); err != nil {
		return "", err
	}
	for _, folder := range []string{"/proc", "/sys", "/run", "/tmp", "/var/lib", "/root"} {
		a.folders(folder)
	}
	a.text("/etc/hosts", []byte("10.0.2.2 localhost\n"), 0o644)
	modules := filepath.Join(c.Dir, "modules")
	list, err := os.ReadFile(filepath.Join(modules, "list"))
	if err != nil {
		return "", err
	}
	for _, name := range append(strings.Fields(string(list)), "list") {
		if err := a.add("/modules/"+name, filepath.Join(modules, name), 0o644); err != nil {
			return "", err
		}
	}
	for at, from := range c.Programs {
		if err := a.add(at, from, 0o755); err != nil {
			return "", err
		}
	}
	file := filepath.Join(dir, "initramfs")
	return file, os.WriteFile(file, a.bytes(), 0o600)
}

// Build builds a command of this module for the machine, with flags of the go
// command.
func Build(ctx context.Context, to, command string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", to, command)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=7")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", command, err, out)
	}
	return nil
}
