package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// examples holds the programs of docs/local-api.md.
const examples = "../docs/examples"

// neighbourLimit is what one call of another program may take.
const neighbourLimit = 30 * time.Second

// example runs a program beside the agent and returns what it prints.
func example(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), neighbourLimit)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, &stderr)
	}
	return string(out)
}

// beside starts a program that is stopped when the test ends.
func beside(t *testing.T, name string, args ...string) *logBuffer {
	t.Helper()
	log := &logBuffer{}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // stopped
		if t.Failed() {
			t.Logf("%s\n%s", cmd, log)
		}
	})
	return log
}

// TestNeighbours: the examples of docs/local-api.md, mosquitto's clients and curl
// use the identity of a real agent.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "landlord")
	socket := filepath.Join(filepath.Dir(d.state), "api.sock")
	file := filepath.Join(filepath.Dir(d.state), "agent.toml")
	config := fmt.Sprintf("supported_operations = [\"c8y_Command\"]\n[local]\nsocket = %q\nproxy = \"127.0.0.1:0\"\nmqtt = \"127.0.0.1:0\"\n", socket)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := d.start(t, "--config", file).log
	door := regexp.MustCompile(`"open to programs of this device" address=(127\S+)`)
	eventually(t, "the doors are open and the agent is connected", func() bool {
		return len(door.FindAllString(log.String(), -1)) == 2 && strings.Contains(log.String(), "the server confirmed the connection")
	})
	proxy, mqtt := doors(t, door.FindAllStringSubmatch(log.String(), -1))

	example(t, examples+"/send.sh", socket, "21.5")
	eventually(t, "the measurement is there", func() bool { return s.measured(t, d.id) == 1 })
	if got := example(t, examples+"/proxy.sh", proxy, d.id); got != `{"T":{"unit":"C","value":21.5}}`+"\n" {
		t.Errorf("through the proxy: got %s", got)
	}
	host, port, _ := strings.Cut(mqtt, ":")
	example(t, "mosquitto_pub", "-h", host, "-p", port, "-V", "mqttv311", "-q", "1", "-t", "s/us", "-m", "200,c8y_Temperature,T,22,C")
	eventually(t, "what mosquitto_pub sent is there", func() bool { return s.measured(t, d.id) == 2 })

	heard := beside(t, "mosquitto_sub", "-h", host, "-p", port, "-V", "mqttv311", "-q", "1", "-t", "s/ds")
	beside(t, "python3", examples+"/operations.py", socket)
	object := s.object(t, d.id)
	body := fmt.Sprintf(`{"deviceId":"%s","c8y_Command":{"text":"hello, world"}}`, object)
	if a, err := s.do(t.Context(), http.MethodPost, "/devicecontrol/operations", "admin", s.pass, "application/json", strings.NewReader(body)); err != nil || a.status != http.StatusCreated {
		t.Fatalf("order: %v %v", a, err)
	}
	eventually(t, "the operation is carried out", func() bool {
		var all struct {
			Operations []struct {
				Status  string
				Command struct{ Result string } `json:"c8y_Command"`
			}
		}
		s.get(t, "/devicecontrol/operations?deviceId="+object, &all)
		return len(all.Operations) == 1 && all.Operations[0].Status == "SUCCESSFUL" && all.Operations[0].Command.Result == "you said hello, world"
	})
	eventually(t, "mosquitto_sub heard it, too", func() bool { return strings.Contains(heard.String(), `511,landlord,"hello, world"`) })

	chain := filepath.Join(filepath.Dir(d.state), "chain.pem")
	beside(t, "python3", examples+"/follow_chain.py", socket, chain)
	followed := func() bool {
		pair, err := d.pair()
		return err == nil && sameChain(chain, pair)
	}
	eventually(t, "the chain is in the file", followed)
	before := d.fingerprint(t)
	d.run(t, "renew").want(t, exitDone)
	eventually(t, "the new chain is in the file", followed)
	if d.fingerprint(t) == before {
		t.Error("not renewed")
	}
	if text := log.String(); !strings.Contains(text, `"local call" verb=publish uid=`) {
		t.Errorf("no line for a call:\n%s", text)
	}
}

// doors tells which is which: the proxy speaks HTTP.
func doors(t *testing.T, found [][]string) (proxy, mqtt string) {
	t.Helper()
	for i, f := range found {
		if a, err := http.Get("http://" + f[1] + "/tenant/currentTenant"); err == nil {
			_ = a.Body.Close()
			return f[1], found[1-i][1]
		}
	}
	t.Fatalf("no proxy among %q", found)
	return "", ""
}

// measured counts the temperatures of a device.
func (s *instance) measured(t *testing.T, id string) int {
	t.Helper()
	var all struct{ Measurements []struct{} }
	s.get(t, "/measurement/measurements?pageSize=100&valueFragmentType=c8y_Temperature&source="+s.object(t, id), &all)
	return len(all.Measurements)
}

// sameChain reports whether a PEM file holds the chain of a pair.
func sameChain(file string, pair tls.Certificate) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for _, want := range pair.Certificate {
		block, rest := pem.Decode(text)
		if block == nil || !bytes.Equal(block.Bytes, want) {
			return false
		}
		text = rest
	}
	return len(bytes.TrimSpace(text)) == 0
}
