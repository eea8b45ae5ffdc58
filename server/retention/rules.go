package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of a rule.
const (
	MaxAge       = 36_500 // days: a hundred years
	maxNameBytes = 1024
)

// List lists the rules of a tenant in the order of their IDs.
func (s *Service) List(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.RetentionRule], error) {
	rules, err := s.Rules.RetentionRules(ctx, tenant)
	if err != nil {
		return platform.List[platform.RetentionRule]{}, err
	}
	from := min(page.Offset(), len(rules))
	to := min(from+page.Size, len(rules))
	return platform.List[platform.RetentionRule]{Items: rules[from:to], More: to < len(rules), Total: int64(len(rules))}, nil
}

// Rule returns one rule.
func (s *Service) Rule(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.RetentionRule, error) {
	r, err := s.Rules.RetentionRule(ctx, tenant, id)
	return r, ruleNotFound(id, err)
}

func ruleNotFound(id platform.ID, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "retention/Not Found", "Could not find retention rule by ID "+id.String(), err)
}

// Create adds a rule. Empty texts mean any.
func (s *Service) Create(ctx context.Context, actor platform.Principal, r platform.RetentionRule) (platform.RetentionRule, error) {
	if actor.Tenant != platform.Management {
		r.Editable = true
	}
	if err := checkRule(&r); err != nil {
		return r, err
	}
	var err error
	if r.ID, err = s.IDs.NewID(ctx); err != nil {
		return r, err
	}
	err = s.Rules.PutRetentionRule(ctx, actor.Tenant, r, s.audit(actor, "Retention rule created", r))
	if errors.Is(err, problem.Conflict) {
		return r, problem.New(problem.Unprocessable, fmt.Sprintf("A tenant has at most %d retention rules.", platform.MaxRetentionRules), err)
	}
	return r, err
}

// Update changes a rule as change says.
func (s *Service) Update(ctx context.Context, actor platform.Principal, id platform.ID, change func(*platform.RetentionRule) error) (platform.RetentionRule, error) {
	r, err := s.Rule(ctx, actor.Tenant, id)
	if err != nil {
		return r, err
	}
	if err := mayChange(actor, r); err != nil {
		return r, err
	}
	editable := r.Editable
	if err := change(&r); err != nil {
		return r, err
	}
	r.ID = id
	if actor.Tenant != platform.Management {
		r.Editable = editable
	}
	if err := checkRule(&r); err != nil {
		return r, err
	}
	return r, s.Rules.PutRetentionRule(ctx, actor.Tenant, r, s.audit(actor, "Retention rule updated", r))
}

// Delete removes a rule.
func (s *Service) Delete(ctx context.Context, actor platform.Principal, id platform.ID) error {
	r, err := s.Rule(ctx, actor.Tenant, id)
	if err != nil {
		return err
	}
	if err := mayChange(actor, r); err != nil {
		return err
	}
	return ruleNotFound(id, s.Rules.DeleteRetentionRule(ctx, actor.Tenant, id, s.audit(actor, "Retention rule deleted", r)))
}

func mayChange(actor platform.Principal, r platform.RetentionRule) error {
	if r.Editable || actor.Tenant == platform.Management {
		return nil
	}
	return problem.WithCode(problem.Forbidden, "security/Forbidden", "The retention rule is not editable.", nil)
}

func checkRule(r *platform.RetentionRule) error {
	for _, text := range []*string{&r.DataType, &r.FragmentType, &r.Type, &r.Source} {
		if *text == "" {
			*text = platform.Any
		}
		if len(*text) > maxNameBytes || strings.ContainsRune(*text, 0) {
			return unprocessable("A text of a retention rule has at most 1024 bytes and no zero byte.")
		}
	}
	switch {
	case !slices.Contains(platform.RetentionDataTypes, r.DataType):
		return unprocessable("'dataType' must be one of " + strings.Join(platform.RetentionDataTypes, ", ") + ".")
	case r.MaximumAge < 1 || r.MaximumAge > MaxAge:
		return unprocessable(fmt.Sprintf("'maximumAge' must be a number of days from 1 to %d.", MaxAge))
	}
	return nil
}

func unprocessable(text string) error {
	return problem.WithCode(problem.Unprocessable, "undefined/validationError", text, nil)
}

func (s *Service) audit(actor platform.Principal, activity string, r platform.RetentionRule) platform.AuditRecord {
	return platform.AuditRecord{Tenant: actor.Tenant, At: platform.Millis(s.Now()), Type: "RetentionRule", Activity: activity, User: actor.User,
		Source: r.ID.String(), Text: fmt.Sprintf("dataType='%s', type='%s', fragmentType='%s', source='%s', maximumAge='%d'",
			r.DataType, r.Type, r.FragmentType, r.Source, r.MaximumAge)}
}
