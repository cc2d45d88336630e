// Package schedule sees to the schedules of audits, one a datastore: it makes
// them, keeps their input in line with the settings, and pauses them when audits
// are off.
package schedule

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"healthlake-cdc/internal/cdc"
)

const (
	// catchUp is how late a run may start: an audit goes on from the last one's
	// end, so one run makes up for all that were missed.
	catchUp = time.Hour
	// mostConflicts bounds the tries against other workers that start at once.
	mostConflicts = 10
	// conflictPause is between two tries.
	conflictPause = 200 * time.Millisecond
	// offNote marks a schedule that was paused because audits are off. One that an
	// operator has paused stays so.
	offNote = "paused by healthlake-cdc: "
)

// ErrNotAllowed tells that the credentials may not make or change schedules.
var ErrNotAllowed = errors.New("schedules may not be made with these credentials: run a worker once with credentials that may, with the same settings")

// Service is what is asked of Temporal. It is the raw one: the SDK's updates send
// no conflict token, so that of two workers that start at once one would undo what
// the other has added.
type Service interface {
	DescribeSchedule(ctx context.Context, in *workflowservice.DescribeScheduleRequest, options ...grpc.CallOption) (*workflowservice.DescribeScheduleResponse, error)
	CreateSchedule(ctx context.Context, in *workflowservice.CreateScheduleRequest, options ...grpc.CallOption) (*workflowservice.CreateScheduleResponse, error)
	UpdateSchedule(ctx context.Context, in *workflowservice.UpdateScheduleRequest, options ...grpc.CallOption) (*workflowservice.UpdateScheduleResponse, error)
}

// Keeper keeps the schedules of audits.
type Keeper struct {
	Service   Service
	Converter converter.DataConverter
	Namespace string
	TaskQueue string
	Identity  string
	// Every is how often to audit. Off says why there are to be no audits, empty
	// when there are.
	Every time.Duration
	Off   string
	// Attributes tells whether our search attributes are registered.
	Attributes bool
	Logger     *slog.Logger
	Now        func() time.Time
}

// Keep makes the datastore's schedule, or brings it in line with the input. in has
// no Since: a type that the schedule knows keeps the time at which it came, a new
// one gets now, and none is ever dropped.
func (k *Keeper) Keep(ctx context.Context, in cdc.AuditInput) error {
	in.Attributes = k.Attributes
	changed := false
	for try := 1; ; try++ {
		kept, err := k.keep(ctx, in, changed)
		switch {
		case kept:
			return nil
		case err == nil: // to be looked at again
			changed, err = true, errConflict
		case isCode(err, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented):
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
		if try == mostConflicts || !again(err) {
			return fmt.Errorf("keeping schedule %s: %w", cdc.AuditScheduleID(in.Datastore), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("keeping schedule %s: %w", cdc.AuditScheduleID(in.Datastore), err)
		case <-time.After(conflictPause * time.Duration(try)):
		}
	}
}

// errConflict tells that what was asked for is not there yet.
var errConflict = errors.New("other programs keep changing it")

// again tells of errors that another worker at work, or a server that is busy,
// makes.
func again(err error) bool {
	return errors.Is(err, errConflict) || isCode(err, codes.AlreadyExists, codes.FailedPrecondition, codes.Unavailable, codes.Aborted, codes.ResourceExhausted)
}

func isCode(err error, all ...codes.Code) bool {
	return slices.Contains(all, serviceerror.ToStatus(err).Code())
}

// keep makes one change, if one is to be made. It is kept when there was none to be
// made, or when a look after a change finds every type. A server may drop a change
// whose conflict token is old without saying so, hence the look; that it finds the
// other settings of another worker is no conflict: the last one to start wins.
func (k *Keeper) keep(ctx context.Context, in cdc.AuditInput, changed bool) (kept bool, err error) {
	id := cdc.AuditScheduleID(in.Datastore)
	found, err := k.Service.DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: k.Namespace, ScheduleId: id})
	if isCode(err, codes.NotFound) {
		return k.Off != "", k.create(ctx, id, in)
	}
	if err != nil {
		return false, err
	}
	var known cdc.AuditInput
	if err := k.Converter.FromPayloads(found.GetSchedule().GetAction().GetStartWorkflow().GetInput(), &known); err != nil {
		return false, errors.New("its input cannot be decoded: put the payload key that it was made with into CDC_PAYLOAD_KEYS, or delete the schedule to begin anew")
	}
	if changed && len(withNew(known.Since, in.Types, k.Now())) == len(known.Since) {
		return true, nil
	}
	return k.update(ctx, id, in, known, found)
}

func (k *Keeper) create(ctx context.Context, id string, in cdc.AuditInput) error {
	if k.Off != "" {
		return nil
	}
	in.Since = withNew(nil, in.Types, k.Now())
	wanted, err := k.schedule(id, in)
	if err != nil {
		return err
	}
	_, err = k.Service.CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
		Namespace: k.Namespace, ScheduleId: id, Schedule: wanted, Identity: k.Identity, RequestId: rand.Text(),
	})
	if err == nil {
		k.Logger.Info("made the schedule of audits", "schedule", id, "every", k.Every.String(), "types", len(in.Types))
	}
	return err
}

func (k *Keeper) update(ctx context.Context, id string, in, known cdc.AuditInput, found *workflowservice.DescribeScheduleResponse) (same bool, err error) {
	old := found.GetSchedule()
	in.Since = withNew(known.Since, in.Types, k.Now())
	wanted, err := k.schedule(id, in)
	if err != nil {
		return false, err
	}
	wanted.State = k.state(old.GetState())
	if sameInput(in, known) && sameShape(old, wanted) {
		return true, nil
	}
	_, err = k.Service.UpdateSchedule(ctx, &workflowservice.UpdateScheduleRequest{
		Namespace: k.Namespace, ScheduleId: id, Schedule: wanted, ConflictToken: found.GetConflictToken(),
		Identity: k.Identity, RequestId: rand.Text(),
	})
	if err == nil {
		k.Logger.Info("brought the schedule of audits in line with the settings",
			"schedule", id, "every", k.Every.String(), "types", len(in.Types), "paused", wanted.GetState().GetPaused())
	}
	return false, err
}

// withNew adds the types that are not known yet.
func withNew(known map[string]time.Time, types []string, now time.Time) map[string]time.Time {
	since := make(map[string]time.Time, len(types))
	maps.Copy(since, known)
	for _, name := range types {
		if _, ok := since[name]; !ok {
			since[name] = now.UTC().Truncate(time.Second)
		}
	}
	return since
}

// state pauses a schedule when audits are off, and lets it go on when they are on
// again. What an operator has paused stays paused.
func (k *Keeper) state(old *schedulepb.ScheduleState) *schedulepb.ScheduleState {
	ours := strings.HasPrefix(old.GetNotes(), offNote)
	switch {
	case k.Off != "" && !old.GetPaused(), k.Off != "" && ours:
		return &schedulepb.ScheduleState{Paused: true, Notes: offNote + k.Off}
	case k.Off == "" && old.GetPaused() && ours:
		return &schedulepb.ScheduleState{}
	case k.Off == "" && old.GetPaused():
		k.Logger.Warn("the schedule of audits is paused by somebody: nothing is audited until it goes on", "note", old.GetNotes())
	}
	return &schedulepb.ScheduleState{Paused: old.GetPaused(), Notes: old.GetNotes()}
}

func sameInput(a, b cdc.AuditInput) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// sameShape compares what the settings decide, beside the input.
func sameShape(old, wanted *schedulepb.Schedule) bool {
	every := func(s *schedulepb.Schedule) (all []time.Duration) {
		for _, interval := range s.GetSpec().GetInterval() {
			all = append(all, interval.GetInterval().AsDuration())
		}
		return all
	}
	action := func(s *schedulepb.Schedule) [3]string {
		start := s.GetAction().GetStartWorkflow()
		attributes := fmt.Sprint(len(start.GetSearchAttributes().GetIndexedFields()))
		return [3]string{start.GetTaskQueue().GetName(), start.GetWorkflowId(), attributes}
	}
	return slices.Equal(every(old), every(wanted)) && action(old) == action(wanted) &&
		old.GetState().GetPaused() == wanted.GetState().GetPaused() && old.GetState().GetNotes() == wanted.GetState().GetNotes() &&
		old.GetPolicies().GetOverlapPolicy() == wanted.GetPolicies().GetOverlapPolicy() &&
		old.GetPolicies().GetCatchupWindow().AsDuration() == wanted.GetPolicies().GetCatchupWindow().AsDuration()
}

func (k *Keeper) schedule(id string, in cdc.AuditInput) (*schedulepb.Schedule, error) {
	input, err := k.Converter.ToPayloads(in)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's input: %w", err)
	}
	summary, err := k.Converter.ToPayload("audit of datastore " + in.Datastore)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's summary: %w", err)
	}
	start := &workflowpb.NewWorkflowExecutionInfo{
		WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: cdc.WorkflowAudit},
		TaskQueue: &taskqueuepb.TaskQueue{Name: k.TaskQueue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		Input:     input, UserMetadata: &sdkpb.UserMetadata{Summary: summary},
	}
	if k.Attributes {
		if start.SearchAttributes, err = attributes(in.Datastore); err != nil {
			return nil, err
		}
	}
	every := k.Every
	if every == 0 { // paused
		every = catchUp
	}
	return &schedulepb.Schedule{
		Spec:   &schedulepb.ScheduleSpec{Interval: []*schedulepb.IntervalSpec{{Interval: durationpb.New(every)}}},
		Action: &schedulepb.ScheduleAction{Action: &schedulepb.ScheduleAction_StartWorkflow{StartWorkflow: start}},
		Policies: &schedulepb.SchedulePolicies{
			OverlapPolicy: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: durationpb.New(catchUp),
		},
		State: &schedulepb.ScheduleState{},
	}, nil
}

// attributes are those that every execution of ours starts with. They are plain
// text in Temporal, and never pass through the codec.
func attributes(datastore string) (*commonpb.SearchAttributes, error) {
	fields := make(map[string]*commonpb.Payload)
	for name, value := range map[string]string{
		cdc.AttrDatastore.GetName(): datastore, cdc.AttrState.GetName(): cdc.StateOpen,
	} {
		encoded, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, fmt.Errorf("encoding search attributes: %w", err)
		}
		encoded.Metadata["type"] = []byte("Keyword")
		fields[name] = encoded
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}, nil
}
