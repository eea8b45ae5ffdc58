// Command demo plays one device's whole life on real programs: registration,
// enrolment, connection, a measurement, a token, renewal, revocation. It shows
// the evidence of each step and fails at the first that does not hold.
//
// It uses the standard library alone, so that it is also an example of a client
// that was not written with the server.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// limit is how long the whole demo may take.
const limit = 55 * time.Second

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	bin := fs.String("bin", "bin", "directory with mooring-server and mooring-agent")
	dir := fs.String("dir", ".demo", "directory for everything the demo makes")
	down := fs.Bool("down", false, "stop what KEEP=1 left running")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *down {
		return report(stderr, tearDown(*dir, stdout))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d := &demo{bin: *bin, dir: *dir, out: stdout, keep: os.Getenv("KEEP") != "", began: time.Now()}
	err := d.play(ctx)
	if err != nil || !d.keep {
		d.stopAll()
	}
	if err != nil {
		d.showLogs(stderr)
	}
	return report(stderr, err)
}

func report(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintf(stderr, "\ndemo: FAILED: %v\n", err)
		return 1
	}
	return 0
}

// demo is one run: its programs, its places and where it tells.
type demo struct {
	bin, dir string
	out      io.Writer
	keep     bool
	began    time.Time
	step     int

	server, agent *program
	ready         readyLine
	api           *api
	otp           string
	first, second status
	token         string
}

// play is the story, in the order in which a device lives.
func (d *demo) play(ctx context.Context) error {
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"The server starts: certificate authority, EST, MQTT and REST in one process", d.startServer},
		{"The operator makes the tenant's certificate authority and registers a device", d.register},
		{"The device makes its key and enrols over EST with the one-time password", d.enrol},
		{"The agent connects MQTT over mutual TLS, presenting its chain", d.connect},
		{"The device sends a measurement over MQTT; the operator reads it over REST", d.measure},
		{"The device gets a token over MQTT (s/uat, s/dat) and calls REST with it", d.useToken},
		{"The device re-enrols with the token and a new key, proves it, then commits", d.renew},
		{"The server knows both certificates of the device", d.bothCertificates},
		{"The operator revokes the first certificate: it is refused, and both sides say why", d.revoke},
		{"The second certificate still connects", d.stillConnected},
	} {
		d.step++
		fmt.Fprintf(d.out, "\n%2d. %s\n", d.step, scene.title)
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("step %d (%s): %w", d.step, scene.title, err)
		}
	}
	fmt.Fprintf(d.out, "\nAll of it in %.1f seconds.\n", time.Since(d.began).Seconds())
	if d.keep {
		return d.leaveRunning()
	}
	fmt.Fprintln(d.out, "Run `make demo KEEP=1` to keep it running and play on.")
	return nil
}

// say prints one line of evidence.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "    "+format+"\n", args...)
}

func (d *demo) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}
