package mqttapi

import "time"

// deep runs what needs much stack, TLS handshakes and logins, on goroutines that
// are used again. A goroutine's stack grows by copying and shrinks by halves, one
// collection at a time: a connection's reader that had shaken hands itself would
// keep 32 KiB for an hour of silence, and each connect would pay for the growth.
type deep struct {
	tasks chan *task      // unbuffered: a send succeeds if a worker waits
	stop  <-chan struct{} // closed: no worker waits
}

// task is one call of deep.do.
type task struct {
	run   func()
	done  chan struct{}
	panic any // of run
}

// deepIdle is how long a worker waits for its next task; ours.
const deepIdle = 5 * time.Second

func newDeep(stop <-chan struct{}) deep { return deep{make(chan *task), stop} }

// do calls run and returns after it, panicking if run did. There are as many
// workers as calls at once: those within the gate.
func (d deep) do(run func()) {
	t := &task{run: run, done: make(chan struct{})}
	select {
	case d.tasks <- t:
	default:
		go d.work(t)
	}
	<-t.done
	if t.panic != nil {
		panic(t.panic) // of the caller's doing, as if it had called run itself
	}
}

func (d deep) work(t *task) {
	idle := time.NewTimer(deepIdle)
	defer idle.Stop()
	for {
		t.call()
		idle.Reset(deepIdle)
		select {
		case t = <-d.tasks:
		case <-idle.C:
			return
		case <-d.stop:
			return
		}
	}
}

func (t *task) call() {
	defer close(t.done)
	defer func() { t.panic = recover() }()
	t.run()
}
