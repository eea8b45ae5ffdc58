package registration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/registration"
)

func (r *rig) bulk(csv string) registration.BulkResult {
	r.t.Helper()
	got, err := r.Bulk(r.t.Context(), admin, strings.NewReader(csv))
	if err != nil {
		r.t.Fatal(err)
	}
	if got.All != got.Created+len(got.Updated)+len(got.Failed) || got.Successful() != got.All-len(got.Failed) {
		r.t.Errorf("the numbers do not add up: %+v", got)
	}
	return got
}

// TestBulkForms are files as clients write them (rest.md §5.2).
func TestBulkForms(t *testing.T) {
	tests := []struct{ name, csv string }{
		{name: "test library, tabs and quotes", csv: "\"ID\"\t\"IDTYPE\"\t\"AUTH_TYPE\"\t\"ENROLLMENT_OTP\"\n\"dev1\"\t\"c8y_Serial\"\t\"CERTIFICATES\"\t\"otp;1,\"\n"},
		{name: "web form, semicolons and quotes", csv: "\"ID\";\"AUTH_TYPE\";\"ENROLLMENT_OTP\"\r\n\"dev1\";\"CERTIFICATES\";\"otp;1,\"\r\n"},
		{name: "command line, tabs, all columns", csv: "ID\tAUTH_TYPE\tCREDENTIALS\tENROLLMENT_OTP\tNAME\tTYPE\tIDTYPE\tICCID\tTENANT\tPATH\tcom_cumulocity_model_Agent.active\n" +
			"dev1\tCERTIFICATES\t\totp;1,\t\t\t\t\t\t\ttrue"},
		{name: "commas", csv: "ID,AUTH_TYPE,ENROLLMENT_OTP\ndev1,CERTIFICATES,\"otp;1,\"\n"},
		{name: "byte order mark", csv: "\ufeffID;AUTH_TYPE;ENROLLMENT_OTP\ndev1;CERTIFICATES;\"otp;1,\"\n"},
		{name: "empty lines", csv: "\n\nID;AUTH_TYPE;ENROLLMENT_OTP\n\ndev1;CERTIFICATES;\"otp;1,\"\n\r\n  \n"},
		{name: "names in lower case", csv: "id;auth_type;enrollment_otp\ndev1;certificates;\"otp;1,\"\n"},
		{name: "credentials beside an OTP", csv: "ID;AUTH_TYPE;ENROLLMENT_OTP;CREDENTIALS\ndev1;CERTIFICATES;\"otp;1,\";ignored\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if got := r.bulk(tt.csv); got.All != 1 || got.Created != 1 {
				t.Fatalf("result = %+v", got)
			}
			if !r.hasOTP(tenant, "dev1", "otp;1,") {
				t.Error("the OTP does not count")
			}
			user, err := r.store.DeviceUser(t.Context(), tenant, "dev1")
			if err != nil || user.Credential != platform.CredentialCertificate || !user.Enabled {
				t.Errorf("device user = %+v, %v", user, err)
			}
			reg, err := r.Get(t.Context(), tenant, "dev1")
			if err != nil || reg.Status != platform.StatusAccepted || reg.Owner != "admin" {
				t.Errorf("registration = %+v, %v", reg, err)
			}
			if o := r.object("c8y_Serial", "dev1"); o.Owner != "device_dev1" || o.Fragments["c8y_IsDevice"] == nil {
				t.Errorf("object = %+v", o)
			}
		})
	}
}

func TestBulkColumns(t *testing.T) {
	r := newRig(t)
	r.bulk("ID;CREDENTIALS;NAME;TYPE;ICCID;IDTYPE;PATH;SHELL;com_cumulocity_model_Agent.active;external-c8y_Imei;a.b.c;a.b.d\n" +
		`dev1;pass"word;My device;my_type;8949;my_Id;plant/hall 1/line;1;true;490154;x;"say ""y"""` + "\n")
	if !r.hasPassword("dev1", `pass"word`) {
		t.Error("the password does not count")
	}
	o := r.object("my_Id", "dev1")
	if other := r.object("c8y_Imei", "490154"); other.ID != o.ID {
		t.Error("the further external ID names another object")
	}
	if o.Name != "My device" || o.Type != "my_type" {
		t.Errorf("name %q, type %q", o.Name, o.Type)
	}
	want := map[string]string{
		"c8y_IsDevice": `{}`, "com_cumulocity_model_Agent": `{"active":"true"}`, "c8y_Mobile": `{"iccid":"8949"}`,
		"c8y_SupportedOperations": `["c8y_Command"]`, "a": `{"b":{"c":"x","d":"say \"y\""}}`,
	}
	if len(o.Fragments) != len(want) {
		t.Errorf("fragments = %v", o.Fragments)
	}
	for name, text := range want {
		var got bytes.Buffer
		if err := json.Compact(&got, o.Fragments[name]); err != nil || got.String() != text {
			t.Errorf("%s = %s, %v, want %s", name, got.String(), err, text)
		}
	}
	parent := o.ID
	for _, name := range []string{"line", "hall 1", "plant"} {
		groups, err := r.store.Parents(t.Context(), tenant, parent, platform.ChildAssets)
		if err != nil || len(groups) != 1 || groups[0].Name != name {
			t.Fatalf("group above = %+v, %v, want %s", groups, err, name)
		}
		parent = groups[0].ID
	}
}

func TestBulkSimple(t *testing.T) {
	for _, csv := range []string{"ID\ndev1\ndev2\n", "ID;PATH\ndev1;a/b\ndev2;\n"} {
		r := newRig(t)
		if got := r.bulk(csv); got.Created != 2 {
			t.Fatalf("result = %+v", got)
		}
		reg, err := r.Get(t.Context(), tenant, "dev1")
		if err != nil || reg.Status != platform.StatusWaiting {
			t.Errorf("registration = %+v, %v", reg, err)
		}
		if _, err := r.store.DeviceUser(t.Context(), tenant, "dev1"); !errors.Is(err, problem.NotFound) {
			t.Errorf("device user: %v, want NotFound", err)
		}
		if got := r.bulk(csv); len(got.Failed) != 2 {
			t.Errorf("the same file again: %+v, want failures", got)
		}
	}
}

func TestBulkAgain(t *testing.T) {
	r := newRig(t)
	r.bulk("ID;CREDENTIALS\ndev1;old\n")
	before := r.object("c8y_Serial", "dev1")
	got := r.bulk("ID;CREDENTIALS\ndev1;new\n")
	if got.Created != 0 || len(got.Updated) != 1 || got.Updated[0].Status != registration.BulkCredentialUpdated || got.Updated[0].ExternalID != "dev1" {
		t.Errorf("result = %+v", got)
	}
	if r.hasPassword("dev1", "old") || !r.hasPassword("dev1", "new") {
		t.Error("the old password counts, or the new one does not")
	}
	r.bulk("ID;AUTH_TYPE;ENROLLMENT_OTP\ndev1;CERTIFICATES;otp-1\n")
	r.spend("dev1")
	if r.hasOTP(tenant, "dev1", "otp-1") {
		t.Fatal("the OTP is not spent")
	}
	r.bulk("ID;AUTH_TYPE;ENROLLMENT_OTP\ndev1;CERTIFICATES;otp-2\n")
	if !r.hasOTP(tenant, "dev1", "otp-2") {
		t.Error("the OTP of a device that is registered again does not count")
	}
	if after := r.object("c8y_Serial", "dev1"); after.ID != before.ID {
		t.Error("the device has another object")
	}
}

func TestBrokenRowsFailAlone(t *testing.T) {
	const header = "ID;AUTH_TYPE;CREDENTIALS;ENROLLMENT_OTP;TENANT;NAME;PATH;a;a.b;x..y;owner"
	good := "good%d;BASIC;secret-password;;;;;;;;\n"
	tests := []struct{ name, row, reason string }{
		{name: "no ID", row: ";BASIC;secret-password;;;;;;;;", reason: "ID is missing"},
		{name: "bad ID", row: "a b;BASIC;secret-password;;;;;;;;", reason: "contains ' ' character"},
		{name: "ID too long", row: strings.Repeat("d", 255) + ";BASIC;secret-password;;;;;;;;", reason: "longer than 254"},
		{name: "no credentials", row: "d;BASIC;;;;;;;;;", reason: "CREDENTIALS are missing"},
		{name: "unknown kind", row: "d;MAGIC;secret-password;;;;;;;;", reason: "AUTH_TYPE"},
		{name: "OTP for a password device", row: "d;BASIC;secret-password;otp;;;;;;;", reason: "ENROLLMENT_OTP needs"},
		{name: "OTP too long", row: "d;CERTIFICATES;;" + strings.Repeat("o", 33) + ";;;;;;;", reason: "more than 32"},
		{name: "another tenant", row: "d;BASIC;secret-password;;t2000;;;;;;", reason: "management tenant"},
		{name: "too few cells", row: "d;BASIC;secret-password", reason: "3 cells, the header 11"},
		{name: "too many cells", row: "d;BASIC;secret-password;;;;;;;;;", reason: "12 cells, the header 11"},
		{name: "open quote", row: `d;BASIC;"secret-password;;;;;;;;`, reason: "does not end"},
		{name: "text after a quote", row: `"d"x;BASIC;secret-password;;;;;;;;`, reason: "follows"},
		{name: "cell too long", row: "d;BASIC;" + strings.Repeat("p", 4097) + ";;;;;;;;", reason: "longer than 4,096"},
		{name: "name too long", row: "d;BASIC;secret-password;;;" + strings.Repeat("n", 255) + ";;;;;", reason: "NAME or TYPE"},
		{name: "too many groups", row: "d;BASIC;secret-password;;;;1/2/3/4/5/6/7/8/9/10/11;;;;", reason: "more than 10"},
		{name: "property within a property", row: "d;BASIC;secret-password;;;;;1;2;;", reason: "within a column that has a value"},
		{name: "bad property", row: "d;BASIC;secret-password;;;;;;;1;", reason: "no name of a property"},
		{name: "reserved property", row: "d;BASIC;secret-password;;;;;;;;me", reason: "reserved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			got := r.bulk(header + "\n" + fmt.Sprintf(good, 1) + tt.row + "\n" + fmt.Sprintf(good, 2))
			if got.All != 3 || got.Created != 2 || len(got.Failed) != 1 {
				t.Fatalf("result = %+v", got)
			}
			failed := got.Failed[0]
			if failed.Status != registration.BulkFailed || !strings.Contains(failed.Reason, tt.reason) {
				t.Errorf("failure = %+v, want %q in its reason", failed, tt.reason)
			}
			if strings.Contains(failed.Line+failed.Reason, "secret-password") {
				t.Errorf("the password is in %+v", failed)
			}
			if want := "DeviceInfo{id='" + failed.ExternalID + "', tenant='t1000'}"; failed.Line != want {
				t.Errorf("line = %q, want %q", failed.Line, want)
			}
			r.object("c8y_Serial", "good2")
		})
	}
}

func TestBulkLimits(t *testing.T) {
	r := newRig(t)
	accepted := []struct{ name, csv string }{
		{name: "longest cell", csv: "ID;CREDENTIALS\nd1;" + strings.Repeat("p", 4096) + "\n"},
		{name: "longest OTP", csv: "ID;AUTH_TYPE;ENROLLMENT_OTP\nd2;CERTIFICATES;" + strings.Repeat("o", 32) + "\n"},
		{name: "most groups", csv: "ID;CREDENTIALS;PATH\nd3;p;1/2/3/4/5/6/7/8/9/10\n"},
		{name: "most columns", csv: "ID;CREDENTIALS" + manyColumns(254) + "\nd4;p" + strings.Repeat(";", 254) + "\n"},
	}
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.bulk(tt.csv); got.Created != 1 {
				t.Errorf("result = %+v", got)
			}
		})
	}
}

func manyColumns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ";c%d", i)
	}
	return b.String()
}

func TestUnreadableFiles(t *testing.T) {
	tests := []struct {
		name    string
		csv     string
		wantErr error
		all     int
	}{
		{name: "empty", wantErr: problem.Invalid},
		{name: "blank", csv: "\n \r\n", wantErr: problem.Invalid},
		{name: "header with an open quote", csv: "\"ID;X\nd1;1\n", wantErr: problem.Invalid},
		{name: "too many columns", csv: "ID;CREDENTIALS" + manyColumns(255) + "\n", wantErr: problem.TooLarge},
		{name: "most rows", csv: "X\n" + strings.Repeat("1\n", 10_000), all: 10_000},
		{name: "too many rows", csv: "X\n" + strings.Repeat("1\n", 10_001), wantErr: problem.TooLarge},
		{name: "longest file", csv: "X;Y\n1" + strings.Repeat(" ", 10<<20-5), all: 1},
		{name: "file too long", csv: "X;Y\n1" + strings.Repeat(" ", 10<<20-4), wantErr: problem.TooLarge},
		{name: "no rows", csv: "ID;CREDENTIALS\n"},
		{name: "no column ID", csv: "NAME;CREDENTIALS\nd1;p\n", all: 1},
		{name: "a column twice", csv: "ID;CREDENTIALS;id\nd1;p;d2\n", all: 1},
		{name: "a column without name", csv: "ID;CREDENTIALS;\nd1;p;x\n", all: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newRig(t).Bulk(t.Context(), admin, strings.NewReader(tt.csv))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if got.All != tt.all || len(got.Failed) != tt.all {
				t.Errorf("%d rows, %d failed, want %d", got.All, len(got.Failed), tt.all)
			}
		})
	}
}

func TestBulkANSI(t *testing.T) {
	r := newRig(t)
	r.bulk("ID;CREDENTIALS;NAME\ndev1;p;Ger\xe4t \x80\n")
	if o := r.object("c8y_Serial", "dev1"); o.Name != "Gerät €" {
		t.Errorf("name = %q", o.Name)
	}
}

func TestBulkForAnotherTenant(t *testing.T) {
	r := newRig(t)
	csv := "ID;AUTH_TYPE;ENROLLMENT_OTP;TENANT\ndev1;CERTIFICATES;otp;t2000\ndev2;CERTIFICATES;otp;t9999\n"
	got, err := r.Bulk(t.Context(), operator, strings.NewReader(csv))
	if err != nil || got.Created != 1 || len(got.Failed) != 1 {
		t.Fatalf("result = %+v, %v", got, err)
	}
	if !r.hasOTP("t2000", "dev1", "otp") {
		t.Error("the OTP does not count")
	}
	if _, err := r.Get(t.Context(), platform.Management, "dev1"); !errors.Is(err, problem.NotFound) {
		t.Errorf("in the management tenant: %v, want NotFound", err)
	}
}

func TestExternalIDInUse(t *testing.T) {
	r := newRig(t)
	r.bulk("ID;CREDENTIALS;external-imei\ndev1;p;42\n")
	got := r.bulk("ID;CREDENTIALS;external-imei\ndev2;p;42\n")
	if len(got.Failed) != 1 || !strings.Contains(got.Failed[0].Reason, "in use") {
		t.Errorf("result = %+v", got)
	}
	if _, err := r.Get(t.Context(), tenant, "dev2"); !errors.Is(err, problem.NotFound) {
		t.Errorf("the failed row left a registration: %v", err)
	}
}

// TestNewObjectsAreTold sees that who listens hears of a device's object when a
// registration makes one, and not again when the row is repeated.
func TestNewObjectsAreTold(t *testing.T) {
	r := newRig(t)
	for range 2 {
		r.bulk("ID;AUTH_TYPE;CREDENTIALS;NAME\nd1;BASIC;secret;One\n")
	}
	want := []string{"CREATE managedobjects One"}
	if !slices.Equal(r.told.list, want) {
		t.Errorf("told %q, want %q", r.told.list, want)
	}
}
