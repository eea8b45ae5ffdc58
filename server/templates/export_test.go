package templates

// Cached counts what is remembered by X-ID.
func (s *Service) Cached() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byXID)
}
