package awslocal

import (
	"context"
	"encoding/base64"
	"slices"
	"sync"
	"time"
)

// maxMoveRate is the highest MaxNumberOfMessagesPerSecond ("StartMessageMoveTask").
const maxMoveRate = 500

// moveTasks runs the redrives of dead-letter queues.
type moveTasks struct {
	closed <-chan struct{} // by the server

	mu    sync.Mutex
	wg    sync.WaitGroup
	tasks []*moveTask // latest first
}

type moveTask struct {
	handle, source, destination string
	rate                        int
	started                     time.Time

	// guarded by moveTasks.mu
	status, failure string
	moved, toMove   int64
}

type startMoveInput struct {
	SourceArn                    string
	DestinationArn               string
	MaxNumberOfMessagesPerSecond *int
}

type startMoveOutput struct{ TaskHandle string }

func (s *sqsService) startMessageMoveTask(_ context.Context, in startMoveInput) (startMoveOutput, error) {
	source := s.byArn(in.SourceArn)
	if source == nil || in.DestinationArn != "" && s.byArn(in.DestinationArn) == nil {
		return startMoveOutput{}, apiErrorf("ResourceNotFoundException", "The resource that you specified doesn't exist.")
	}
	if !s.isDeadLetterQueue(in.SourceArn) {
		return startMoveOutput{}, apiErrorf("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
	}
	t := &moveTask{
		source: in.SourceArn, destination: in.DestinationArn, started: time.Now(),
		status: "RUNNING", toMove: int64(source.depth().Visible),
		handle: base64.StdEncoding.EncodeToString([]byte(newUUID())),
	}
	if in.MaxNumberOfMessagesPerSecond != nil {
		t.rate = *in.MaxNumberOfMessagesPerSecond
		if t.rate < 1 || t.rate > maxMoveRate {
			return startMoveOutput{}, outOfRange("MaxNumberOfMessagesPerSecond", "1", "500")
		}
	}
	if err := s.moves.start(t, func() { s.move(source, t) }); err != nil {
		return startMoveOutput{}, err
	}
	return startMoveOutput{TaskHandle: t.handle}, nil
}

func (s *sqsService) isDeadLetterQueue(arn string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, q := range s.queues {
		if q.settings().redrive.DeadLetterTargetArn == arn {
			return true
		}
	}
	return false
}

func (m *moveTasks) start(t *moveTask, run func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.tasks {
		if other.source == t.source && other.status == "RUNNING" {
			return apiErrorf("UnsupportedOperation", "There is already a task running on this queue: wait for it to end.")
		}
	}
	m.tasks = slices.Insert(m.tasks, 0, t)
	m.wg.Go(run)
	return nil
}

func (m *moveTasks) update(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// move moves the messages that were visible when the task began, at the requested rate or
// as fast as possible.
func (s *sqsService) move(source *queue, t *moveTask) {
	var pace <-chan time.Time
	if t.rate > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(t.rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	for range t.toMove {
		if pace != nil {
			select {
			case <-pace:
			case <-s.moves.closed:
				return
			}
		}
		batch := source.drainVisible(1)
		if len(batch) == 0 {
			break
		}
		if reason := s.moveOne(batch[0], t.destination, source); reason != "" {
			s.moves.update(func() { t.status, t.failure = "FAILED", reason })
			return
		}
		s.moves.update(func() { t.moved++ })
	}
	s.moves.update(func() { t.status = "COMPLETED" })
}

// moveOne sends a message to the destination, or to the queue that it came from. If that
// is not possible, it returns the reason and puts the message back.
func (s *sqsService) moveOne(m *message, destination string, source *queue) (failure string) {
	target := destination
	if target == "" {
		target = m.deadLetterOf
	}
	q := s.byArn(target)
	if q == nil {
		source.push(m, 0)
		if target == "" {
			return "CouldNotDetermineMessageSource"
		}
		return "AWS.SimpleQueueService.NonExistentQueue"
	}
	q.push(newMessage(m.body, m.attributes, time.Now()), 0)
	return ""
}

type listMovesInput struct {
	SourceArn  string
	MaxResults *int
}

type moveResult struct {
	TaskHandle                        string `json:",omitempty"` // only while it runs
	Status                            string
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      int    `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove int64
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64  // milliseconds since 1970
}

type listMovesOutput struct{ Results []moveResult }

func (s *sqsService) listMessageMoveTasks(_ context.Context, in listMovesInput) (listMovesOutput, error) {
	limit := 1
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > 10 {
		return listMovesOutput{}, outOfRange("MaxResults", "1", "10")
	}
	if s.byArn(in.SourceArn) == nil {
		return listMovesOutput{}, apiErrorf("ResourceNotFoundException", "The resource that you specified doesn't exist.")
	}
	s.moves.mu.Lock()
	defer s.moves.mu.Unlock()
	var out listMovesOutput
	for _, t := range s.moves.tasks {
		if t.source != in.SourceArn || len(out.Results) == limit {
			continue
		}
		r := moveResult{
			Status: t.status, SourceArn: t.source, DestinationArn: t.destination,
			MaxNumberOfMessagesPerSecond: t.rate, ApproximateNumberOfMessagesMoved: t.moved,
			ApproximateNumberOfMessagesToMove: t.toMove, FailureReason: t.failure,
			StartedTimestamp: t.started.UnixMilli(),
		}
		if t.status == "RUNNING" {
			r.TaskHandle = t.handle
		}
		out.Results = append(out.Results, r)
	}
	return out, nil
}
