package filekey

import "testing"

func TestIterationsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		p    pbkdf2Parameters
		want bool
	}{
		{pbkdf2Parameters{Iterations: 0}, false},
		{pbkdf2Parameters{Iterations: 1}, true},
		{pbkdf2Parameters{Iterations: 10_000_000 - 1}, true},
		{pbkdf2Parameters{Iterations: 10_000_000}, true},
		{pbkdf2Parameters{Iterations: 10_000_000 + 1}, false},
		{pbkdf2Parameters{Iterations: 1, Salt: make([]byte, 63)}, true},
		{pbkdf2Parameters{Iterations: 1, Salt: make([]byte, 64)}, true},
		{pbkdf2Parameters{Iterations: 1, Salt: make([]byte, 65)}, false},
		{pbkdf2Parameters{Iterations: 1, KeyLength: 31}, false},
		{pbkdf2Parameters{Iterations: 1, KeyLength: 32}, true},
		{pbkdf2Parameters{Iterations: 1, KeyLength: 33}, false},
	} {
		if err := tt.p.check(32); (err == nil) != tt.want {
			t.Errorf("%d iterations, %d bytes of salt, a key of %d: got %v, want it done: %v", tt.p.Iterations, len(tt.p.Salt), tt.p.KeyLength, err, tt.want)
		}
	}
}
