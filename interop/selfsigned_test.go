package interop_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mooring/hsm/tpmkey/swtpmtest"
)

// TestSelfSigned follows what mooring-agent selfsign prints, word for word: the
// certificate is uploaded, possession of its key is proved, the device connects,
// and its next certificate is the tenant's.
func TestSelfSigned(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	for id, key := range map[string]string{"in-file": "", "in-tpm": "tpm"} {
		t.Run(id, func(t *testing.T) {
			args := []string{"selfsign", "--server", "localhost:" + port(t, s.HTTPS), "--mtls-port", port(t, s.MTLS),
				"--mqtts-port", port(t, s.MQTTS), "--ca", s.rootFile(), "--id", id}
			if key != "" {
				args = append(args, "--key", "tpm:"+swtpmtest.Start(t).Socket)
			}
			d := &device{server: s, id: id, state: t.TempDir() + "/state"}
			made := d.run(t, args...)
			made.want(t, exitDone)
			d.run(t, "pub", "--timeout", "2s", "200,c8y_Kill,N,1").want(t, exitLater) // nobody trusts it yet, but it is kept

			commands := operatorsCommands(t, s, made.stdout)
			operator(t, commands[:2]) // export, upload
			var asked struct {
				Code string `json:"proofOfPossessionUnsignedVerificationCode"`
			}
			if err := json.Unmarshal(operator(t, []string{commands[0], commands[2]}), &asked); err != nil || asked.Code == "" {
				t.Fatalf("no code: %v", err)
			}
			signed := d.run(t, "prove", asked.Code)
			signed.want(t, exitDone)
			var proved struct {
				Valid bool `json:"proofOfPossessionValid"`
			}
			last := strings.Replace(commands[3], "SIGNED", strings.TrimSpace(signed.stdout), 1)
			if err := json.Unmarshal(operator(t, []string{commands[0], last}), &proved); err != nil || !proved.Valid {
				t.Errorf("not proved: %v", err)
			}

			d.pub(t, 2).want(t, exitDone)
			if got := s.values(t, id, "c8y_Kill"); got[1] != 1 || got[2] != 1 {
				t.Errorf("values %v", got)
			}
			d.run(t, "renew").want(t, exitDone)
			if o := d.run(t, "status"); !strings.Contains(o.stdout, "CN=t1000") {
				t.Errorf("the next certificate is not the tenant's: %s", o)
			}
		})
	}
}

// operatorsCommands takes the commands for an operator out of what selfsign
// printed, with the names filled in.
func operatorsCommands(t *testing.T, s *instance, text string) (commands []string) {
	t.Helper()
	fill := strings.NewReplacer("/TENANT/", "/t1000/", "-u USER", "-sS --fail --cacert '"+s.rootFile()+"' -u 'admin:"+s.pass+"'")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "export ") || strings.HasPrefix(line, "curl ") {
			commands = append(commands, fill.Replace(line))
		}
	}
	if len(commands) != 4 {
		t.Fatalf("%d commands, want export, upload, code and proof: %s", len(commands), text)
	}
	return commands
}

// operator runs commands in one shell and returns what they print.
func operator(t *testing.T, commands []string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", "-euc", strings.Join(commands, "\n")).Output()
	if err != nil {
		t.Fatalf("%s: %v", commands[len(commands)-1], err)
	}
	return out
}
