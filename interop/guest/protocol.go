package guest

import "time"

// Order is what the host asks of the guest's init; one JSON object a line.
// Exactly one field is set.
type Order struct {
	// Write makes a file, with mode 0600, and its folders.
	Write *File `json:",omitempty"`
	// Read is the file to be sent back.
	Read string `json:",omitempty"`
	// Run is a program with its arguments, run to its end.
	Run []string `json:",omitempty"`
	// Start is a program with its arguments that goes on running.
	Start []string `json:",omitempty"`
	// Await is a part of what a started program tells its service manager.
	Await *Await `json:",omitempty"`
	// Stop is the process that is asked to end, and waited for.
	Stop int `json:",omitempty"`
}

// File is a path in the guest and its content.
type File struct {
	Path string
	Text []byte
}

// Await waits until a started process has told its service manager a line
// that contains Text.
type Await struct {
	PID  int
	Text string
}

// Answer is what came of an order.
type Answer struct {
	Error  string `json:",omitempty"` // of init itself
	PID    int    `json:",omitempty"`
	Status int    `json:",omitempty"` // exit status of what ran
	Out    []byte `json:",omitempty"` // of what ran, standard output and error, or of the file that was read
	// CPU is what the awaited process, or the one that ran, has used so far, user
	// and system; Wall is how long ago it was started, by the guest's clock.
	CPU, Wall time.Duration `json:",omitempty"`
}
