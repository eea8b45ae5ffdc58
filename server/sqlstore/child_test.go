package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// Tests that must not take this process down with them run a copy of it. The
// environment says what the copy does, and in which directory.
const (
	childRole = "SQLSTORE_TEST_CHILD"
	childDir  = "SQLSTORE_TEST_DIR"
)

func child(role string) {
	s, err := sqlstore.OpenSQLite(context.Background(), os.Getenv(childDir), sqlstore.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	switch role {
	case "write":
		writeForever(s)
	case "small files":
		writeIntoSmallFiles(s)
	}
}

// process is a running copy.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
}

func startChild(t *testing.T, role, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &process{cmd: cmd, lines: bufio.NewReader(out)}
}

// line reads the next complete line; ok is false at the end.
func (p *process) line() (fields []string, ok bool) {
	text, err := p.lines.ReadString('\n')
	return strings.Fields(text), err == nil
}

// kill ends the copy at once and returns what it had still said.
func (p *process) kill(t *testing.T) (rest [][]string) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		fields, ok := p.line()
		if !ok {
			break
		}
		rest = append(rest, fields)
	}
	_ = p.cmd.Wait() // says that it was killed
	return rest
}

// writeForever stores measurements with alarms, and users, and says what was
// acknowledged: "m ID" for both of the first, "u NAME". Now and then it reads
// the audit log, which empties the outbox.
func writeForever(s *sqlstore.Store) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	say := func(what string, name any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(os.Stdout, what, name)
	}
	for range 4 {
		wg.Go(func() {
			for {
				id, err := s.NewID(context.Background())
				if err != nil {
					return
				}
				b := measurement(id)
				b.Measurements[0].Body = json.RawMessage(`{"f":{"s` + strconv.Itoa(int(id)%500) + `":{"value":1}}}`)
				b.Alarms = []platform.Alarm{{ID: id, Source: platform.ID(int(id)), Type: "A", Status: platform.Active}}
				if id%50 == 0 {
					if _, err := s.AuditRecords(context.Background(), tenant, platform.AuditFilter{}, platform.Page{Number: 1, Size: 1}); err != nil {
						return
					}
				}
				s.Submit(b, func(err error) {
					if err == nil {
						say("m", id)
					}
				})
				err = s.PutUser(context.Background(), platform.User{Tenant: tenant, Name: id.String()})
				if err != nil {
					return
				}
				say("u", id)
			}
		})
	}
	wg.Wait()
	io.WriteString(os.Stdout, "error the writers ended\n")
}
