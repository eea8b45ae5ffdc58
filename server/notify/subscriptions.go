package notify

import (
	"context"
	"errors"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Subscribe adds a subscription and returns it with its ID.
//
// Errors: problem.Unprocessable for what cannot be one, problem.NotFound if there
// is no such object, problem.Conflict if there is one like it.
func (s *Service) Subscribe(ctx context.Context, n platform.NotificationSubscription) (platform.NotificationSubscription, error) {
	if err := checkSubscription(&n); err != nil {
		return n, err
	}
	if n.Source != 0 {
		if _, err := s.Objects.Owner(ctx, n.Tenant, n.Source); err != nil {
			return n, err
		}
	}
	var err error
	if n.ID, err = s.IDs.NewID(ctx); err != nil {
		return n, err
	}
	n.Created = platform.Millis(s.Now())
	err = s.Store.CreateSubscription(ctx, n)
	if errors.Is(err, problem.Conflict) {
		source := ""
		if n.Source != 0 {
			source = n.Source.String()
		}
		return n, problem.WithCode(problem.Conflict, "reliable-notification/Duplicate", "Subscription with source <'"+source+
			"'>, context <'"+n.Context+"'> & subscription <'"+n.Topic.Name+"'> already exists!", err)
	}
	return n, err
}

// Subscription returns one.
func (s *Service) Subscription(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.NotificationSubscription, error) {
	n, err := s.Store.Subscription(ctx, tenant, id)
	return n, noSubscription(err)
}

// Subscriptions lists them in the order of IDs.
func (s *Service) Subscriptions(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter, page platform.Page) (platform.List[platform.NotificationSubscription], error) {
	return s.Store.Subscriptions(ctx, tenant, f, page)
}

// Unsubscribe removes one.
func (s *Service) Unsubscribe(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return noSubscription(s.Store.DeleteSubscription(ctx, tenant, id))
}

// UnsubscribeAll removes those that f selects.
func (s *Service) UnsubscribeAll(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter) error {
	_, err := s.Store.DeleteSubscriptions(ctx, tenant, f)
	return err
}

func noSubscription(err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "reliable-notification/Not Found", "Finding subscription from database failed", err)
}
