package templates

// Cached counts what is remembered by X-ID.
func (s *Service) Cached() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byXID)
}

// Sizes counts the bytes that both caches are held to, and what they say of them.
func (s *Service) Sizes() (known, said, listed, saidListed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byXID {
		known += c.size
	}
	for _, l := range s.lists {
		for _, c := range l.collections {
			listed += c.size
		}
	}
	return known, s.bytes, listed, s.listed
}

const MaxCachedBytes, MaxListedBytes = maxCachedBytes, maxListedBytes
