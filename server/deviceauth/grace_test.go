package deviceauth_test

import (
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func TestAdmitReEnrolment(t *testing.T) {
	disabledUser := certificateUser("dev1")
	disabledUser.Enabled = false
	tests := []struct {
		name    string
		users   []platform.DeviceUser
		scope   platform.Scope
		want    platform.Reason
		wantErr error
	}{
		{name: "in its grace window", users: []platform.DeviceUser{certificateUser("dev1")}, scope: platform.ReEnrolOnly},
		{name: "full", users: []platform.DeviceUser{certificateUser("dev1")}, scope: platform.Full},
		{name: "refused", users: []platform.DeviceUser{certificateUser("dev1")}, scope: platform.ExplainOnly, want: platform.ReasonExpired, wantErr: problem.Unauthenticated},
		{name: "unknown, whatever auto-registration says", scope: platform.ReEnrolOnly, want: platform.ReasonNotRegistered, wantErr: problem.Forbidden},
		{name: "disabled", users: []platform.DeviceUser{disabledUser}, scope: platform.ReEnrolOnly, want: platform.ReasonUserDisabled, wantErr: problem.Forbidden},
		{name: "password user", users: []platform.DeviceUser{passwordUser("dev1", "x")}, scope: platform.ReEnrolOnly, want: platform.ReasonPasswordDevice, wantErr: problem.Forbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(tt.users...)
			v := full()
			v.Scope, v.AutoRegistration = tt.scope, true
			if tt.scope != platform.Full {
				v.Reason = platform.ReasonExpired
			}
			p, err := r.auth.AdmitReEnrolment(t.Context(), v)
			checkRefusal(t, err, tt.want, tt.wantErr, "")
			if tt.wantErr == nil && (p.Device != "dev1" || p.Tenant != "t1" || p.Method != platform.ByCertificate || p.Serial != "ab01") {
				t.Errorf("principal %+v", p)
			}
			if u, err := r.users.DeviceUser(t.Context(), "t1", "dev1"); err == nil && len(u.Provisioned) != 0 {
				t.Errorf("recorded as provisioned: %+v", u.Provisioned)
			}
		})
	}
}
