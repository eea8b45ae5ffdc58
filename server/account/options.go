package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of tenant options. The platform names none; its own longest key has
// 41 bytes, and a PEM chain is the longest value anyone stores.
const (
	MaxOptionKeyBytes   = 256
	MaxOptionValueBytes = 64 << 10
	MaxOptionsAtOnce    = 1_000
	maxOptionCache      = 20_000
)

type settingKey struct {
	tenant platform.TenantID
	key    platform.OptionKey
}

// setting is what the store says of a key; set is false if it says nothing.
type setting struct {
	value string
	set   bool
}

// Option returns the value of a tenant option, cached; set is false if the
// tenant has none.
func (s *Service) Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error) {
	k := settingKey{tenant, key}
	if v, ok := s.settings.get(k); ok {
		return v.value, v.set, nil
	}
	epoch := s.settings.begin()
	o, err := s.options.Option(ctx, tenant, key)
	if err != nil && !errors.Is(err, problem.NotFound) {
		return "", false, err
	}
	v := setting{value: o.Value, set: err == nil}
	if len(key.Category)+len(key.Key) <= 2*MaxOptionKeyBytes && len(v.value) <= MaxOptionKeyBytes {
		s.settings.fill(epoch, k, v)
	}
	return v.value, v.set, nil
}

// Options lists the options of a category, all if it is empty.
func (s *Service) Options(ctx context.Context, tenant platform.TenantID, category string) ([]platform.Option, error) {
	all, err := s.options.Options(ctx, tenant, category)
	return slices.DeleteFunc(all, func(o platform.Option) bool { return o.Category == ownCategory }), err
}

// SetOptions sets options together.
func (s *Service) SetOptions(ctx context.Context, actor platform.Principal, tenant platform.TenantID, options []platform.Option) error {
	for _, o := range options {
		if err := s.checkEditable(ctx, actor, o.OptionKey); err != nil {
			return err
		}
	}
	return s.setOptions(ctx, actor, tenant, options)
}

func (s *Service) setOptions(ctx context.Context, actor platform.Principal, tenant platform.TenantID, options []platform.Option) error {
	if len(options) == 0 {
		return nil
	}
	if len(options) > MaxOptionsAtOnce {
		return problem.New(problem.Unprocessable, "More than 1000 options at once.", nil)
	}
	var audit []platform.AuditRecord
	options = slices.Clone(options)
	for i, o := range options {
		if err := checkOption(o); err != nil {
			return err
		}
		if IsCredential(o.OptionKey) {
			var err error
			if options[i].Value, err = s.sealOption(ctx, tenant, o); err != nil {
				return err
			}
		}
		audit = append(audit, s.optionRecord(actor, tenant, o.OptionKey, "updated"))
	}
	err := s.options.SetOptions(ctx, tenant, options, audit...)
	for _, o := range options {
		s.settings.forget(settingKey{tenant, o.OptionKey})
	}
	return err
}

// SetOption sets one option.
func (s *Service) SetOption(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key platform.OptionKey, value string) error {
	return s.SetOptions(ctx, actor, tenant, []platform.Option{{OptionKey: key, Value: value}})
}

// DeleteOption removes an option; problem.NotFound if the tenant has none.
func (s *Service) DeleteOption(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key platform.OptionKey) error {
	if err := s.checkEditable(ctx, actor, key); err != nil {
		return err
	}
	err := s.options.DeleteOption(ctx, tenant, key, s.optionRecord(actor, tenant, key, "deleted"))
	s.settings.forget(settingKey{tenant, key})
	if errors.Is(err, problem.NotFound) {
		return OptionNotFound(key)
	}
	return err
}

// OptionNotFound is the problem of an option that is not set (rest.md §0.4).
func OptionNotFound(key platform.OptionKey) error {
	return problem.WithCode(problem.NotFound, "options/Not Found",
		"Unable to find option by given key: "+key.Category+"/"+key.Key, nil)
}

func (s *Service) optionRecord(actor platform.Principal, tenant platform.TenantID, key platform.OptionKey, verb string) platform.AuditRecord {
	name := key.Category + "/" + key.Key
	return platform.AuditRecord{Tenant: tenant, At: platform.Millis(s.now()), Type: "Option", Activity: "Option " + verb,
		Text: "Option '" + name + "' " + verb, User: actor.User, Source: name}
}

// checkOption keeps "/" out of categories, because a change names an option as
// "category/key".
func checkOption(o platform.Option) error {
	switch {
	case o.Category == "" || o.Key == "" || len(o.Category) > MaxOptionKeyBytes || len(o.Key) > MaxOptionKeyBytes:
		return problem.New(problem.Unprocessable, "Category and key of an option have 1 to 256 bytes.", nil)
	case strings.Contains(o.Category, "/"):
		return problem.New(problem.Unprocessable, "The category of an option has no '/'.", nil)
	case len(o.Value) > MaxOptionValueBytes:
		return problem.New(problem.Unprocessable, "The value of an option has at most 65536 bytes.", nil)
	}
	return nil
}

func (s *Service) forgetOption(tenant platform.TenantID, name string) {
	category, key, _ := strings.Cut(name, "/")
	s.settings.forget(settingKey{tenant, platform.OptionKey{Category: category, Key: key}})
}
