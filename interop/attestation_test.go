package interop_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
)

// TestAttestedLife is the life of a device at a tenant that wants proof of the TPM
// that holds its key, by the tools of swtpm's local maker; and what becomes of devices
// that have none, or another.
func TestAttestedLife(t *testing.T) {
	t.Parallel()
	tpm, makers := swtpmtest.StartEndorsed(t)
	plain, foreign := swtpmtest.Start(t), swtpmtest.Start(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	s.wantAttestation(t, "required")

	d := newDevice(t, s, "attested-1")
	enrol := append(d.enrol(), "--key", "tpm:"+tpm.Socket)
	d.run(t, enrol...).refused(t, "no certificate of a TPM maker that the tenant trusts")
	if a := s.admin(t, http.MethodPost, "/mooring/tpm/makers", "application/x-pem-file", []byte(readFile(t, makers))); a.status != http.StatusCreated {
		t.Fatalf("makers: %s", a)
	}
	d.run(t, enrol...).want(t, exitDone)
	d.wantKeys(t, "current")
	d.pub(t, 1).want(t, exitDone)

	// Renewals: by token, after a reset of the TPM, and by certificate without the agent.
	run := d.background(t)
	d.run(t, "renew").want(t, exitDone)
	tpm.Reset(t)
	d.run(t, "renew").want(t, exitDone)
	d.wantKeys(t, "current")
	run()
	d.run(t, "renew").want(t, exitDone)
	d.pub(t, 2).want(t, exitDone)
	var list struct {
		Attestations []struct{ DeviceID, Model, By, EKSha256 string }
	}
	s.get(t, "/mooring/tpm/attestations?pageSize=100&deviceId="+d.id, &list)
	if len(list.Attestations) != 4 {
		t.Errorf("attested %+v, want 4 times", list)
	}
	for _, a := range list.Attestations {
		if a.Model != "swtpm-libtpms" && a.Model != "swtpm" || a.By != "maker" || a.EKSha256 != list.Attestations[0].EKSha256 {
			t.Errorf("%+v", a)
		}
	}

	// A key in a file is refused, and a device that does not want to prove its own.
	file := newDevice(t, s, "attested-2")
	file.run(t, file.enrol()...).refused(t, "its key has to be in a TPM")
	silent := newDevice(t, s, "attested-3")
	silent.run(t, append(silent.enrol(), "--key", "tpm:"+tpm.Socket, "--attestation", "off")...).refused(t, "its key has to be in a TPM")
	unknown := newDevice(t, s, "attested-4")
	unknown.run(t, append(unknown.enrol(), "--key", "tpm:"+plain.Socket)...).refused(t, "the tenant does not know the key")
	if a := s.admin(t, http.MethodGet, "/mooring/refusals?cn="+file.id, "", nil); !strings.Contains(string(a.body), "attestation-refused") ||
		!strings.Contains(string(a.body), "its key has to be in a TPM") {
		t.Errorf("explained: %s", a)
	}

	// The TPM of that device is noted; another one in its place is not taken.
	note := fmt.Sprintf(`{"ekSha256":"%x"}`, unknown.endorsementKey(t, plain))
	if a := s.admin(t, http.MethodPut, "/mooring/tpm/devices/"+unknown.id, "application/json", []byte(note)); a.status != http.StatusOK {
		t.Fatalf("note: %s", a)
	}
	unknown.run(t, append(unknown.enrol(), "--key", "tpm:"+plain.Socket)...).want(t, exitDone)
	thief := newDevice(t, s, unknown.id)
	thief.run(t, append(thief.enrol(), "--key", "tpm:"+foreign.Socket)...).refused(t, "not the one that the tenant noted")

	// The working identity stays when a renewal is refused.
	s.wantAttestation(t, "optional")
	before := d.run(t, "status", "--json").stdout
	config := d.state + ".toml"
	if err := os.WriteFile(config, []byte("attestation = 'off'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := d.run(t, "renew", "--timeout", "5s", "--config", config); o.status != exitLater || !strings.Contains(o.stderr, "the certificate that it is to replace had one") {
		t.Errorf("want status %d: %s", exitLater, o)
	}
	if after := d.run(t, "status", "--json").stdout; serialOf(after) != serialOf(before) || serialOf(after) == "" {
		t.Errorf("before %s\nafter %s", before, after)
	}
	d.pub(t, 3).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone)
	d.wantKeys(t, "current")
}

// refused: the agent says why and ends with the status of a failure.
func (o outcome) refused(t testing.TB, why string) {
	t.Helper()
	if o.status != exitFailed || !strings.Contains(o.stderr, why) {
		t.Errorf("want status %d and %q: %s", exitFailed, why, o)
	}
}

// serialOf finds the serial in the status.
func serialOf(status string) string {
	_, after, _ := strings.Cut(status, `"serial":"`)
	serial, _, _ := strings.Cut(after, `"`)
	return serial
}

// wantAttestation sets what the tenant wants.
func (s *instance) wantAttestation(t testing.TB, policy string) {
	t.Helper()
	body := fmt.Sprintf(`{"value":%q}`, policy)
	if a := s.admin(t, http.MethodPut, "/tenant/options/certificate-authority/enrolment.attestation", "application/json", []byte(body)); a.status != http.StatusOK {
		t.Fatalf("option: %s", a)
	}
}

// endorsementKey asks a TPM for the SHA-256 of its endorsement key.
func (d *device) endorsementKey(t testing.TB, m *swtpmtest.TPM) [sha256.Size]byte {
	t.Helper()
	store := "tpm:" + m.Socket + "?dir=" + t.TempDir()
	made := d.run(t, "keystore", "create", "--key", store)
	made.want(t, exitDone)
	o := d.run(t, "keystore", "attest", "--key", store, strings.TrimSpace(made.stdout))
	var proof key.Attestation
	if err := json.Unmarshal([]byte(o.stdout), &proof); err != nil {
		t.Fatalf("%v: %s", err, o)
	}
	public, err := attestation.ParsePublic(proof.EKPublic)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := public.KeyHash()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
