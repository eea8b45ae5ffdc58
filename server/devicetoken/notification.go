package devicetoken

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// topicKind stands between tenant and subscription in the topic of a token:
// "t1000/relnotif/news".
const topicKind = "relnotif"

// notificationClaims are the payload of a notification token. Clients read sub,
// topic, shared (a text) and exp.
type notificationClaims struct {
	Subscriber    string `json:"sub"`
	Topic         string `json:"topic"`
	ID            string `json:"jti"`
	IssuedAt      int64  `json:"iat"`
	Expires       int64  `json:"exp"`
	Shared        string `json:"shared,omitempty"`        // "true"
	NonPersistent string `json:"nonPersistent,omitempty"` // "true"
}

// MarshalJSON writes what clients can read that know the plain base64 only.
func (c notificationClaims) MarshalJSON() ([]byte, error) {
	type plain notificationClaims
	text, err := json.Marshal(plain(c))
	return plainASCII(text), err
}

func (c notificationClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	return date(c.Expires), nil
}
func (c notificationClaims) GetIssuedAt() (*jwt.NumericDate, error)  { return date(c.IssuedAt), nil }
func (c notificationClaims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }
func (c notificationClaims) GetIssuer() (string, error)              { return "", nil }
func (c notificationClaims) GetSubject() (string, error)             { return c.Subscriber, nil }
func (c notificationClaims) GetAudience() (jwt.ClaimStrings, error)  { return nil, nil }

const isTrue = "true"

func textIf(v bool) string {
	if v {
		return isTrue
	}
	return ""
}

// IssueNotification returns a token that lets its bearer connect as g says, for
// lifespan; at most MaxLifespan.
func (s *Service) IssueNotification(ctx context.Context, g platform.NotificationGrant, lifespan time.Duration) (string, error) {
	k, err := s.ring.newest(ctx)
	if err != nil {
		return "", err
	}
	now := s.now()
	var id [16]byte
	rand.Read(id[:]) // never fails, crypto/rand
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, notificationClaims{
		Subscriber: g.Subscriber, Topic: string(g.Tenant) + "/" + topicKind + "/" + g.Topic.Name, ID: hex.EncodeToString(id[:]),
		IssuedAt: now.Unix(), Expires: now.Add(min(lifespan, MaxLifespan)).Unix(),
		Shared: textIf(g.Shared), NonPersistent: textIf(g.Topic.NonPersistent),
	}).SignedString(k.private)
	if err != nil {
		return "", problem.New(problem.Internal, "", err)
	}
	return token, nil
}

// VerifyNotification returns what a notification token allows. Every refusal is
// problem.Unauthenticated with one text; other tokens are none of these.
func (s *Service) VerifyNotification(ctx context.Context, token string) (platform.NotificationGrant, error) {
	if len(token) > MaxTokenBytes {
		return platform.NotificationGrant{}, refuse(nil)
	}
	c, err := s.parseNotification(ctx, token)
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && s.ring.expire() {
		c, err = s.parseNotification(ctx, token) // another node may have rotated
	}
	if err != nil {
		return platform.NotificationGrant{}, err
	}
	parts := strings.Split(c.Topic, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] != topicKind || parts[2] == "" || c.Subscriber == "" {
		return platform.NotificationGrant{}, refuse(nil)
	}
	return platform.NotificationGrant{
		Tenant: platform.TenantID(parts[0]), Subscriber: c.Subscriber, Shared: c.Shared == isTrue,
		Topic: platform.NotificationTopic{Name: parts[2], NonPersistent: c.NonPersistent == isTrue},
	}, nil
}

func (s *Service) parseNotification(ctx context.Context, token string) (c notificationClaims, err error) {
	keys, err := s.ring.public(ctx)
	if err != nil {
		return c, err
	}
	if _, err := s.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return keys, nil }); err != nil {
		return c, refuse(err)
	}
	return c, nil
}
