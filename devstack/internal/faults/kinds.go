package faults

import (
	"context"
	"syscall"
	"time"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
)

// begin begins a fault, and returns what ends it; nil for one that ends by itself.
type begin func(ctx context.Context, h *harness, f Fault) (end func(context.Context) error, err error)

// longStop is longer than the heartbeat timeout of a Publish (30 s).
const longStop = 33

// kinds are all the ways to fail.
var kinds = []kind{
	{name: "kill", group: "processes", about: "a worker is killed, and started again", often: 20, seconds: [2]float64{0, 3}, begin: killWorker},
	{name: "stop", group: "processes", about: "a worker stands still for longer than a heartbeat timeout", seconds: [2]float64{longStop, 45}, begin: stopWorker},

	{name: "temporal", group: "temporal", about: "Temporal is killed, and started again with its database", seconds: [2]float64{5, 60}, begin: killTemporal},

	{name: "sqs-down", group: "sqs", about: "SQS answers 503", seconds: [2]float64{2, 30}, begin: sqsDown},
	{name: "sqs-throttle", group: "sqs", about: "n receives and deletes are throttled", seconds: [2]float64{5, 5}, n: [2]int{3, 20}, begin: sqsThrottle},
	{name: "sqs-lost", group: "sqs", about: "the answers of n receives and deletes are lost", seconds: [2]float64{5, 5}, n: [2]int{1, 3}, begin: sqsLost},

	{name: "bus-entries", group: "eventbridge", about: "every third entry fails", seconds: [2]float64{2, 20}, begin: busEntries},
	{name: "bus-throttle", group: "eventbridge", about: "n calls are throttled", seconds: [2]float64{20, 20}, n: [2]int{5, 40}, begin: busThrottle},
	{name: "bus-lost", group: "eventbridge", about: "the answers of n calls are lost after they were accepted", seconds: [2]float64{10, 10}, n: [2]int{1, 5}, begin: busLost},
	{name: "bus-stall", group: "eventbridge", about: "calls stall for 10 s", seconds: [2]float64{5, 15}, begin: busStall},
	{name: "bus-down", group: "eventbridge", about: "EventBridge answers 503", seconds: [2]float64{2, 20}, begin: busDown},
	{name: "bus-slow", group: "eventbridge", about: "calls take n ms", seconds: [2]float64{10, 30}, n: [2]int{300, 900}, begin: busSlow},

	{name: "search-429", group: "healthlake", about: "n searches are throttled", n: [2]int{5, 40}, begin: store(simulator.Fault{Kind: simulator.Throttle, RetryAfter: 2 * time.Second})},
	{name: "search-500", group: "healthlake", about: "n searches answer 500", n: [2]int{5, 40}, begin: store(simulator.Fault{Kind: simulator.ServerError})},
	{name: "search-503", group: "healthlake", about: "n searches answer 503", n: [2]int{5, 40}, begin: store(simulator.Fault{Kind: simulator.Unavailable})},
	{name: "search-hangs", group: "healthlake", about: "n searches get no answer", n: [2]int{1, 4}, begin: store(simulator.Fault{Kind: simulator.Hang})},
	{name: "search-cut", group: "healthlake", about: "the bodies of n searches are cut in half", n: [2]int{3, 20}, begin: store(simulator.Fault{Kind: simulator.Truncate})},
	{name: "search-breaks", group: "healthlake", about: "the connections of n searches break within the body", n: [2]int{3, 20}, begin: store(simulator.Fault{Kind: simulator.HalfPage})},
	{name: "search-html", group: "healthlake", about: "n searches get a web page", n: [2]int{3, 20}, begin: store(simulator.Fault{Kind: simulator.WrongType})},
	{name: "token", group: "healthlake", about: "n page tokens are expired", n: [2]int{1, 4}, begin: store(simulator.Fault{Kind: simulator.ExpireToken})},
	{name: "circle", group: "healthlake", about: "the next links of n pages lead to the page itself", n: [2]int{2, 10}, begin: store(simulator.Fault{Kind: simulator.LinkItself})},
	{name: "restart", group: "healthlake", about: "the next links of n further pages lead to the first one", n: [2]int{1, 4}, begin: store(simulator.Fault{Kind: simulator.LinkFirst, Further: true})},
	{name: "hide", group: "healthlake", about: "n searches leave every other version out", n: [2]int{5, 30}, begin: store(simulator.Fault{Kind: simulator.Hide})},
	{name: "read-500", group: "healthlake", about: "n reads of single resources answer 500", n: [2]int{3, 20}, begin: store(simulator.Fault{Kind: simulator.ServerError, Of: simulator.KindRead})},
	{name: "lag", group: "healthlake", about: "search shows what is written up to 20 s later", seconds: [2]float64{5, 20}, begin: searchLag},
	{name: "clock", group: "healthlake", about: "the store's clock is up to 30 s off", whole: true, n: [2]int{-30, 30}, begin: moveClock},

	{name: "lost", group: "triggers", about: "no record of a write comes", seconds: [2]float64{5, 25}, begin: trail(func(t *simulator.Trail) { t.Loss = 1 }, func(t *simulator.Trail) { t.Loss = 0 })},
	{name: "repeated", group: "triggers", about: "every record comes twice", seconds: [2]float64{5, 20}, begin: trail(func(t *simulator.Trail) { t.Repeat = 1 }, func(t *simulator.Trail) { t.Repeat = 0 })},
	{name: "late", group: "triggers", about: "records come up to 25 s late, in any order", seconds: [2]float64{5, 25}, begin: trail(func(t *simulator.Trail) { t.Delay = simulator.Between(0, 25*time.Second) }, func(t *simulator.Trail) { t.Delay = usualDelay })},
	{name: "duplicated", group: "triggers", about: "SQS delivers n messages again", n: [2]int{5, 30}, begin: duplicate},
	{name: "malformed", group: "triggers", about: "n messages are garbage", n: [2]int{1, 5}, begin: malformed},
	{name: "forged", group: "triggers", about: "n records and notifications are forged: other stores, 1990, deletes of the living", n: [2]int{1, 5}, begin: forge},

	{name: "terminate", group: "operator", about: "an open window is terminated", seconds: [2]float64{5, 5}, begin: onWindow((*harness).terminate)},
	{name: "cancel", group: "operator", about: "an open window is cancelled", seconds: [2]float64{5, 5}, begin: onWindow((*harness).cancel)},
	{name: "reset", group: "operator", about: "an open window is reset to an earlier point of its history", seconds: [2]float64{5, 5}, begin: onWindow((*harness).reset)},
	{name: "poison", group: "operator", about: "EventBridge rejects one change of forty", seconds: [2]float64{5, 25}, begin: poison},
}

func killWorker(ctx context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	w, err := h.free(ctx, f, h.mortal())
	if err != nil {
		for _, w := range h.mortal() {
			if w.starting.Load() { // it will be started again
				return nil, w.Kill()
			}
		}
		return nil, err
	}
	h.whilePublishing(ctx, f)
	if err := w.Kill(); err != nil {
		w.busy.Unlock()
		return nil, err
	}
	h.nameHeartbeats(ctx)
	return func(ctx context.Context) error {
		defer w.busy.Unlock()
		return w.restart(ctx, h.o.Patience)
	}, nil
}

func stopWorker(ctx context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	w, err := h.free(ctx, f, h.workers)
	if err != nil {
		return nil, err
	}
	h.whilePublishing(ctx, f)
	if err := w.Signal(syscall.SIGSTOP); err != nil {
		w.busy.Unlock()
		return nil, err
	}
	publishing := h.nameHeartbeats(ctx)
	h.round().note(func(r *round) { r.latePublishes += publishing })
	return func(context.Context) error {
		defer w.busy.Unlock()
		return w.Signal(syscall.SIGCONT)
	}, nil
}

func killTemporal(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	h.restarting.Lock() // the one before may still be starting
	return func(ctx context.Context) error {
		defer h.restarting.Unlock()
		return h.Temporal.Restart(ctx)
	}, h.Temporal.Kill()
}

// standIn changes the stand-in's failures, and changes them back.
func standIn(h *harness, set, unset func(*awslocal.Faults)) (func(context.Context) error, error) {
	h.AWS.UpdateFaults(set)
	return func(context.Context) error {
		h.AWS.UpdateFaults(unset)
		return nil
	}, nil
}

func sqsDown(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { f.SQSDown = true }, func(f *awslocal.Faults) { f.SQSDown = false })
}

// plus makes the next n calls of operations fail in one of the stand-in's ways.
func plus(counts *map[string]int, n int, operations ...string) {
	if *counts == nil {
		*counts = make(map[string]int)
	}
	for _, operation := range operations {
		(*counts)[operation] += n
	}
}

const (
	receive = "ReceiveMessage"
	remove  = "DeleteMessageBatch"
	put     = "PutEvents"
)

func sqsThrottle(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { plus(&f.Throttle, fault.N, receive, remove) }, func(f *awslocal.Faults) {
		delete(f.Throttle, receive)
		delete(f.Throttle, remove)
	})
}

func sqsLost(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { plus(&f.LoseResponse, fault.N, receive, remove) }, func(f *awslocal.Faults) {
		delete(f.LoseResponse, receive)
		delete(f.LoseResponse, remove)
	})
}

func busEntries(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { f.FailEvery = 3 }, func(f *awslocal.Faults) { f.FailEvery = 0 })
}

func busThrottle(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { plus(&f.Throttle, fault.N, put) }, func(f *awslocal.Faults) { delete(f.Throttle, put) })
}

func busLost(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
	r := h.round()
	return standIn(h, func(f *awslocal.Faults) { plus(&f.LoseResponse, fault.N, put) }, func(f *awslocal.Faults) {
		r.note(func(r *round) { r.lostAnswers += fault.N - f.LoseResponse[put] })
		delete(f.LoseResponse, put)
	})
}

// stall delays PutEvents; usualPut is how long it takes otherwise.
func stall(h *harness, d time.Duration) (func(context.Context) error, error) {
	set := func(d time.Duration) func(f *awslocal.Faults) {
		return func(f *awslocal.Faults) { f.Stall = map[string]awslocal.Latency{put: awslocal.Latency(d)} }
	}
	return standIn(h, set(d), set(usualPut))
}

func busStall(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	return stall(h, 10*time.Second)
}

func busSlow(_ context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	return stall(h, time.Duration(f.N)*time.Millisecond)
}

func busDown(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { f.EventBridgeDown = true }, func(f *awslocal.Faults) { f.EventBridgeDown = false })
}

func poison(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
	return standIn(h, func(f *awslocal.Faults) { f.RejectDetailContaining = lot(int(fault.Pick % lots)) },
		func(f *awslocal.Faults) { f.RejectDetailContaining = "" })
}

// store fails the next requests that match.
func store(f simulator.Fault) begin {
	return func(_ context.Context, h *harness, fault Fault) (func(context.Context) error, error) {
		f := f
		f.Count = fault.N
		return nil, h.Simulator.InjectFault(f)
	}
}

func searchLag(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
	h.Simulator.SetSearchLag(simulator.RandomLag(simulator.Between(0, 20*time.Second)))
	return func(context.Context) error {
		h.Simulator.SetSearchLag(usualLag)
		return nil
	}, nil
}

func moveClock(_ context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	h.ahead.Store(int64(f.N) * int64(time.Second))
	return nil, nil
}

// trail changes how records are delivered, and changes it back.
func trail(set, unset func(*simulator.Trail)) begin {
	return func(_ context.Context, h *harness, _ Fault) (func(context.Context) error, error) {
		return func(context.Context) error { return h.setTrail(unset) }, h.setTrail(set)
	}
}
