package account

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// features are the toggles that exist, with what they are unless a tenant says
// otherwise (rest.md §2.2, §8: the certificate authority is on; §6.1: children are
// not shown unless asked for).
var features = []Feature{{Key: platform.FeatureCertificateAuthority, Active: true}, {Key: platform.FeatureWithoutChildren, Active: true}}

// Feature is a toggle as a tenant has it.
type Feature struct {
	Key      string
	Active   bool
	Override bool // the tenant has a setting of its own
}

// Features lists all toggles of a tenant.
func (s *Service) Features(ctx context.Context, tenant platform.TenantID) ([]Feature, error) {
	list := make([]Feature, 0, len(features))
	for _, f := range features {
		f, err := s.FeatureOf(ctx, tenant, f.Key)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// Feature reports whether a toggle is on; problem.NotFound if there is none.
func (s *Service) Feature(ctx context.Context, tenant platform.TenantID, key string) (bool, error) {
	f, err := s.FeatureOf(ctx, tenant, key)
	return f.Active, err
}

// FeatureOf returns one toggle; problem.NotFound if there is none.
func (s *Service) FeatureOf(ctx context.Context, tenant platform.TenantID, key string) (Feature, error) {
	for _, f := range features {
		if f.Key != key {
			continue
		}
		value, set, err := s.Option(ctx, tenant, featureOption(key))
		if err == nil && set {
			f.Active, f.Override = value == "true", true
		}
		return f, err
	}
	return Feature{}, problem.WithCode(problem.NotFound, "inventory/Not Found",
		"Finding device data from database failed : No managedObject for id '"+key+"'!", nil) // the platform's own words (rest.md §2.2)
}

// SetFeature overrides a toggle for a tenant.
func (s *Service) SetFeature(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key string, active bool) error {
	if _, err := s.FeatureOf(ctx, tenant, key); err != nil {
		return err
	}
	return s.SetOption(ctx, actor, tenant, featureOption(key), map[bool]string{true: "true", false: "false"}[active])
}

// ResetFeature drops the override of a tenant, if there is one.
func (s *Service) ResetFeature(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key string) error {
	f, err := s.FeatureOf(ctx, tenant, key)
	if err != nil || !f.Override {
		return err
	}
	return s.DeleteOption(ctx, actor, tenant, featureOption(key))
}

func featureOption(key string) platform.OptionKey {
	return platform.OptionKey{Category: platform.FeatureCategory, Key: key}
}
