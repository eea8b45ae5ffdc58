package sqlstore

import (
	"context"

	"mooring/server/platform"
)

const deviceUserColumns = "external_id, credential, mac_key, mac, enabled, created"

func scanDeviceUser(tenant platform.TenantID) func(*row) platform.DeviceUser {
	return func(r *row) platform.DeviceUser {
		return platform.DeviceUser{
			Tenant: tenant, ExternalID: r.text(), Credential: platform.CredentialKind(r.text()),
			Password: platform.SecretMAC{KeyID: r.text(), MAC: r.bytes()}, Enabled: r.bool(), Created: r.time(),
		}
	}
}

// DeviceUser implements platform.DeviceUsers.
func (s *Store) DeviceUser(ctx context.Context, tenant platform.TenantID, externalID string) (platform.DeviceUser, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.DeviceUser, error) {
		u, err := one(tx, "device user", scanDeviceUser(tenant),
			"SELECT "+deviceUserColumns+" FROM device_users WHERE tenant = $1 AND external_id = $2", t, externalID)
		if err != nil {
			return u, err
		}
		u.Provisioned, err = tx.provisioned(t, externalID)
		return u, err
	})
}

// DeviceUsers implements platform.DeviceUsers: in the order of external IDs.
func (s *Store) DeviceUsers(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.DeviceUser], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.DeviceUser], error) {
		q := selection{columns: deviceUserColumns, from: "device_users", order: "external_id"}
		q.and("tenant = ?", t)
		q.users("'device_' || external_id", f)
		l, err := list(tx, &q, page, scanDeviceUser(tenant))
		for i := range l.Items {
			if err != nil {
				break
			}
			l.Items[i].Provisioned, err = tx.provisioned(t, l.Items[i].ExternalID)
		}
		return l, err
	})
}

// CreateDeviceUser implements platform.DeviceUsers.
func (s *Store) CreateDeviceUser(ctx context.Context, u platform.DeviceUser, audit ...platform.AuditRecord) error {
	return s.write(ctx, u.Tenant, audit, func(tx *session, t tenantKey) error {
		created, err := tx.insertDeviceUser(t, u)
		if err == nil && !created {
			return conflict("the device user exists")
		}
		return err
	})
}

// insertDeviceUser leaves a user that exists as it is.
func (s *session) insertDeviceUser(t tenantKey, u platform.DeviceUser) (created bool, err error) {
	if u.ExternalID == "" {
		return false, invalid("a device user needs an external ID")
	}
	n, err := s.exec(`INSERT INTO device_users (tenant, `+deviceUserColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant, external_id) DO NOTHING`,
		t, u.ExternalID, string(u.Credential), u.Password.KeyID, u.Password.MAC, u.Enabled, u.Created)
	if err != nil || n == 0 {
		return false, err
	}
	s.changed(t, u.Tenant, platform.ChangeDeviceUser, u.ExternalID)
	for _, c := range u.Provisioned {
		if _, err := s.recordProvisioned(t, u.ExternalID, c); err != nil {
			return false, err
		}
	}
	return true, nil
}

// putDeviceUser creates u or, if it exists, replaces its credential alone.
func (s *session) putDeviceUser(t tenantKey, u platform.DeviceUser) (created bool, err error) {
	created, err = s.insertDeviceUser(t, u)
	if err != nil || created {
		return created, err
	}
	s.changed(t, u.Tenant, platform.ChangeDeviceUser, u.ExternalID)
	return false, s.run("UPDATE device_users SET credential = $3, mac_key = $4, mac = $5 WHERE tenant = $1 AND external_id = $2",
		t, u.ExternalID, string(u.Credential), u.Password.KeyID, u.Password.MAC)
}

// SetDeviceUserEnabled implements platform.DeviceUsers.
func (s *Store) SetDeviceUserEnabled(ctx context.Context, tenant platform.TenantID, externalID string, enabled bool, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeDeviceUser, externalID)
		return tx.must("device user", "UPDATE device_users SET enabled = $3 WHERE tenant = $1 AND external_id = $2", t, externalID, enabled)
	})
}

// SetDevicePassword implements platform.DeviceUsers.
func (s *Store) SetDevicePassword(ctx context.Context, tenant platform.TenantID, externalID string, password platform.SecretMAC, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		n, err := tx.exec("UPDATE device_users SET mac_key = $3, mac = $4 WHERE tenant = $1 AND external_id = $2 AND credential = $5",
			t, externalID, password.KeyID, password.MAC, string(platform.CredentialPassword))
		if err != nil || n > 0 {
			tx.changed(t, tenant, platform.ChangeDeviceUser, externalID)
			return err
		}
		found, err := tx.exists("SELECT 1 FROM device_users WHERE tenant = $1 AND external_id = $2", t, externalID)
		if err != nil {
			return err
		}
		if !found {
			return notFound("device user")
		}
		return conflict("the device is set up for certificates")
	})
}

// DeleteDeviceUser implements platform.DeviceUsers.
func (s *Store) DeleteDeviceUser(ctx context.Context, tenant platform.TenantID, externalID string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeDeviceUser, externalID)
		return tx.must("device user", "DELETE FROM device_users WHERE tenant = $1 AND external_id = $2", t, externalID)
	})
}
