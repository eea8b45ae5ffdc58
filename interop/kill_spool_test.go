package interop_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestSpoolOverKills: lines are handed to the agent while the server is dead, and
// the agent is killed in between and while it delivers: every line whose pub
// returned arrives, at most a window of messages twice for each kill.
func TestSpoolOverKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch{}.start(t, dir)
	s.authority(t)
	d := enrolledDevice(t, s, "spooled")
	run := func() (*exec.Cmd, *logBuffer) {
		t.Helper()
		cmd, log := d.command(t.Context(), t, "run"), &logBuffer{}
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the agent runs", func() bool { return strings.Contains(log.String(), "msg=running") })
		return cmd, log
	}
	kill := func(cmd *exec.Cmd) {
		t.Helper()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // says that it was killed
	}
	agent, log := run()
	eventually(t, "the agent is connected", func() bool { return strings.Contains(log.String(), "the server confirmed the connection") })
	s.kill()
	const calls, lines = 30, 20
	for n := range calls {
		if n == calls/2 {
			kill(agent)
			agent, _ = run()
		}
		args := []string{"pub", "--queue"}
		for i := range lines {
			args = append(args, fmt.Sprintf("200,c8y_Kill,N,%d", n*lines+i))
		}
		d.run(t, args...).want(t, exitDone)
	}
	o := d.run(t, "pub", "--timeout", "1s", fmt.Sprintf("200,c8y_Kill,N,%d", calls*lines))
	o.want(t, exitLater)
	if !strings.Contains(o.stderr, "kept for later") {
		t.Errorf("not said that the line is kept: %s", o)
	}
	kill(agent)
	s = launch{again: s}.start(t, dir)
	for range 3 { // killed at the first sign of life, and once the rest is on its way
		agent, log = run()
		eventually(t, "the agent is connected", func() bool { return strings.Contains(log.String(), "the server confirmed the connection") })
		kill(agent)
	}
	agent, _ = run()
	eventually(t, "nothing waits", func() bool { return strings.Contains(d.run(t, "status").stdout, "\nwaiting     0 messages") })
	kill(agent)
	got, repeated := s.values(t, d.id, "c8y_Kill"), 0
	for n := range calls*lines + 1 {
		if got[n] == 0 {
			t.Errorf("line %d is lost", n)
		}
		repeated += max(0, got[n]-1)
	}
	if most := 4 * 32 * lines; repeated > most {
		t.Errorf("%d lines came twice, want %d at most", repeated, most)
	}
	t.Logf("%d lines over a dead server and five kills, %d of them twice", calls*lines+1, repeated)
}
