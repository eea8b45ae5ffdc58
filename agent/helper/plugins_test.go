package helper_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const plugins = "../../packaging/plugins/"

// stubs are programs that note how they were called; PATH is made of them and
// of the system's.
func stubs(t *testing.T, bodies map[string]string) (path string, calls func() string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range bodies {
		script(t, dir, name, `echo "`+name+` $*" >> `+dir+"/calls\n"+body+"\n")
	}
	return dir + ":" + os.Getenv("PATH"), func() string {
		text, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(dir, "calls")) // it may not be there
		return string(text)
	}
}

func plugin(t *testing.T, name, path string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), plugins+name, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &complaint, []string{"PATH=" + path}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String(), complaint.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), complaint.String()
}

func TestPluginApt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0")
	write(t, file, "", 0o600)
	path, calls := stubs(t, map[string]string{
		"apt-get":    `for last; do :; done; [ "$last" = absent ] && exit 100; exit 0`,
		"dpkg-query": `printf 'ii \tbash\t5.2-1\nrc \told\t1\nii \tzlib\t1:1.3\n'`,
		"dpkg-deb":   `[ "$3" = Package ] && echo tool || echo 2.0`,
	})
	const options = "--quiet --yes --no-install-recommends --allow-downgrades -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
	for _, tt := range []struct {
		args   string
		status int
		stdout string
		call   string
	}{
		{"list", 0, "bash\t5.2-1\nzlib\t1:1.3\n", ""},
		{"prepare", 0, "", "apt-get --quiet -o DPkg::Lock::Timeout=120 update"},
		{"install tool", 0, "", "apt-get " + options + " install tool"},
		{"install tool --module-version 1.0", 0, "", "apt-get " + options + " install tool=1.0"},
		{"install tool --file " + file, 0, "", "apt-get " + options + " install " + file + ".deb"},
		{"install other --file " + file, 2, "", ""},
		{"install tool --module-version 3.0 --file " + file, 2, "", ""},
		{"install absent", 2, "", ""},
		{"remove tool --module-version 1.0", 0, "", "apt-get " + options + " remove tool"},
		{"finalize", 0, "", "apt-get --quiet clean"},
		{"update-list", 1, "", ""},
		{"install", 1, "", ""},
		{"install tool --force yes", 1, "", ""},
		{"", 1, "", ""},
	} {
		status, stdout, stderr := plugin(t, "software/apt", path, strings.Fields(tt.args)...)
		called := calls()
		if status != tt.status || stdout != tt.stdout || !strings.Contains(called, tt.call) {
			t.Errorf("%s: %d %q, called %q; stderr %q", tt.args, status, stdout, called, stderr)
		}
	}
	if _, err := exec.LookPath("dpkg-query"); err == nil {
		if status, stdout, _ := plugin(t, "software/apt", os.Getenv("PATH"), "list"); status != 0 || !strings.Contains(stdout, "dpkg\t") {
			t.Errorf("the real list: %d, %d bytes", status, len(stdout))
		}
	}
}

func TestPluginOpkg(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0")
	write(t, file, "", 0o600)
	path, calls := stubs(t, map[string]string{
		"opkg": `case $1 in
list-installed) [ $# = 1 ] && printf 'base - 1.0-r1\nbusybox - 1.36\n'; [ "${2:-}" = tool ] && echo 'tool - 2.0';;
install) [ "$2" = absent ] && exit 255;;
update) exit 9;;
esac; exit 0`,
	})
	for _, tt := range []struct {
		args   string
		status int
		stdout string
		call   string
	}{
		{"list", 0, "base\t1.0-r1\nbusybox\t1.36\n", ""},
		{"prepare", 0, "", "opkg update"},
		{"install tool --module-version 2.0", 0, "", "opkg install tool\n"},
		{"install tool --module-version 1.0", 2, "", ""},
		{"install tool --file " + file, 0, "", "opkg install " + file + ".ipk"},
		{"install absent", 2, "", ""},
		{"remove tool", 0, "", "opkg remove tool"},
		{"finalize", 0, "", ""},
		{"update-list", 1, "", ""},
	} {
		status, stdout, stderr := plugin(t, "software/opkg", path, strings.Fields(tt.args)...)
		called := calls()
		if status != tt.status || stdout != tt.stdout || !strings.Contains(called, tt.call) {
			t.Errorf("%s: %d %q, called %q; stderr %q", tt.args, status, stdout, called, stderr)
		}
	}
}

func TestPluginRauc(t *testing.T) {
	path, calls := stubs(t, map[string]string{"rauc": `[ "$1 $2" = "install bad" ] && exit 1
[ "$1" = status ] && [ "$2" != mark-good ] && printf "RAUC_SLOT_STATE_1='inactive'\nRAUC_SLOT_STATE_2='booted'\nRAUC_SLOT_STATUS_BUNDLE_VERSION_1='1.0'\nRAUC_SLOT_STATUS_BUNDLE_VERSION_2='2.0'\n"
exit 0`})
	for _, tt := range []struct {
		args   string
		status int
		call   string
	}{
		{"install os 2.0 image", 4, "rauc install image"},
		{"install os 2.0 bad", 2, ""},
		{"check os 2.0", 0, ""},
		{"check os 1.0", 2, ""},
		{"commit os 2.0", 0, "rauc status mark-good"},
		{"rollback", 1, ""},
	} {
		status, _, stderr := plugin(t, "firmware/rauc", path, strings.Fields(tt.args)...)
		if called := calls(); status != tt.status || !strings.Contains(called, tt.call) {
			t.Errorf("%s: %d, called %q; stderr %q", tt.args, status, called, stderr)
		}
	}
}
