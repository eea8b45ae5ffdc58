package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

// What an OTP bought is read from the certificate that was issued.
const (
	registrationColumns = `r.external_id, r.status, r.owner, r.otp_key, r.otp_mac, r.type, r.group_id, r.created, r.epoch,
		r.asked_key, r.hands_out, r.operator_key, r.operator_mac, r.device_key, r.device_mac, r.tries, r.custom, r.spent_serial, i.key_hash, i.certificate, i.issued_at`
	registrationTables = `registrations r LEFT JOIN issued i ON i.tenant = r.tenant AND i.serial = r.spent_serial`
)

func scanRegistration(tenant platform.TenantID) func(*row) platform.Registration {
	return func(r *row) (reg platform.Registration) {
		reg = platform.Registration{
			Tenant: tenant, ExternalID: r.text(), Status: platform.RegistrationStatus(r.text()), Owner: r.text(),
			OTP: platform.SecretMAC{KeyID: r.text(), MAC: r.bytes()}, Type: r.text(), GroupID: r.id(), Created: r.time(), Epoch: r.int(),
			AskedKey: r.hash(), HandsOut: r.bool(), OperatorToken: platform.SecretMAC{KeyID: r.text(), MAC: r.bytes()},
			DeviceToken: platform.SecretMAC{KeyID: r.text(), MAC: r.bytes()}, Tries: int(r.int()), Custom: r.fragments(),
		}
		reg.Custom, reg.Extra, r.err = splitExtra(reg.Custom, r.err)
		spent := platform.SpentOTP{Serial: r.text(), KeyHash: r.hash(), Certificate: r.bytes(), At: r.time()}
		if spent.Serial != "" {
			reg.OTPSpent = &spent
		}
		return reg
	}
}

// Registration implements platform.Registrations.
func (s *Store) Registration(ctx context.Context, tenant platform.TenantID, externalID string) (platform.Registration, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.Registration, error) {
		return one(tx, "registration", scanRegistration(tenant), "SELECT "+registrationColumns+" FROM "+registrationTables+
			" WHERE r.tenant = $1 AND r.external_id = $2", t, externalID)
	})
}

// Registrations implements platform.Registrations: in the order of external IDs.
func (s *Store) Registrations(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.Registration], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.Registration], error) {
		q := selection{columns: registrationColumns, from: registrationTables, order: "r.external_id"}
		q.and("r.tenant = ?", t)
		return list(tx, &q, page, scanRegistration(tenant))
	})
}

// DeleteRegistration implements platform.Registrations.
func (s *Store) DeleteRegistration(ctx context.Context, tenant platform.TenantID, externalID string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("registration", "DELETE FROM registrations WHERE tenant = $1 AND external_id = $2", t, externalID)
	})
}

// putRegistration creates or replaces r with the next epoch of its external ID
// and an unspent OTP. Epochs outlive registrations: an OTP that was being
// checked while its registration was deleted and made anew must not count.
func (s *session) putRegistration(t tenantKey, r platform.Registration) (created bool, err error) {
	if r.ExternalID == "" {
		return false, invalid("a registration needs an external ID")
	}
	epoch, err := one(s, "epoch", (*row).int, `INSERT INTO registration_epochs (tenant, external_id, epoch) VALUES ($1, $2, 1)
		ON CONFLICT (tenant, external_id) DO UPDATE SET epoch = registration_epochs.epoch + 1 RETURNING epoch`, t, r.ExternalID)
	if err != nil {
		return false, err
	}
	n, err := s.exec("DELETE FROM registrations WHERE tenant = $1 AND external_id = $2", t, r.ExternalID)
	if err != nil {
		return false, err
	}
	all, err := joinExtra(r.Custom, r.Extra)
	if err != nil {
		return false, err
	}
	custom, err := encodeFragments(all)
	if err != nil {
		return false, err
	}
	return n == 0, s.run(`INSERT INTO registrations (tenant, external_id, status, owner, otp_key, otp_mac, type, group_id, created, epoch, asked_key,
		hands_out, operator_key, operator_mac, device_key, device_mac, tries, custom)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		t, r.ExternalID, string(r.Status), r.Owner, r.OTP.KeyID, r.OTP.MAC, r.Type, r.GroupID, r.Created, epoch, r.AskedKey[:],
		r.HandsOut, r.OperatorToken.KeyID, r.OperatorToken.MAC, r.DeviceToken.KeyID, r.DeviceToken.MAC, r.Tries, custom)
}

// extraMember is where the column "custom" keeps a registration's Extra: a name
// that no custom property has.
const extraMember = ""

func joinExtra(custom, extra platform.Fragments) (platform.Fragments, error) {
	if len(extra) == 0 {
		return custom, nil
	}
	text, err := json.Marshal(extra)
	if err != nil {
		return nil, invalid("a property is no JSON")
	}
	all := platform.Fragments{extraMember: text}
	for name, value := range custom {
		if name != extraMember {
			all[name] = value
		}
	}
	return all, nil
}

func splitExtra(all platform.Fragments, before error) (custom, extra platform.Fragments, err error) {
	text, found := all[extraMember]
	if !found || before != nil {
		return all, nil, before
	}
	delete(all, extraMember)
	if len(all) == 0 {
		all = nil
	}
	return all, extra, json.Unmarshal(text, &extra)
}

// spendOTP is the compare-and-set of design decision 10.
func (s *session) spendOTP(t tenantKey, o platform.OTPSpending, serial string) error {
	n, err := s.exec(`UPDATE registrations SET spent_serial = $4
		WHERE tenant = $1 AND external_id = $2 AND epoch = $3 AND spent_serial IS NULL AND otp_key <> ''`, t, o.ExternalID, o.Epoch, serial)
	if err == nil && n == 0 {
		return conflict("the OTP is spent or replaced")
	}
	return err
}
