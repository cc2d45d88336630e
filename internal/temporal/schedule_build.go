package temporal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"healthlake-cdc/internal/cdc"
)

const (
	// catchUp is how late a run may start: an audit goes on from the last one's
	// end, so one run makes up for all that were missed.
	catchUp = time.Hour
	// offNote marks a schedule that was paused because audits are off. One that an
	// operator has paused stays so.
	offNote = "paused by healthlake-cdc: "
)

// schedule is a datastore's: as the settings want it, paused when audits are off, or, when
// no worker starts, the known one with another input.
func (s *AuditSchedules) schedule(in cdc.AuditInput, known *schedulepb.Schedule, starting bool) (*schedulepb.Schedule, error) {
	id := cdc.AuditScheduleID(in.Datastore)
	input, err := s.ConverterOf(id).ToPayloads(in)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's input: %w", err)
	}
	if !starting {
		known = proto.CloneOf(known)
		known.GetAction().GetStartWorkflow().Input = input
		return known, nil
	}
	summary, err := s.ConverterOf(id).ToPayload("audit of datastore " + in.Datastore)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's summary: %w", err)
	}
	start := &workflowpb.NewWorkflowExecutionInfo{
		WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: cdc.WorkflowAudit},
		TaskQueue: &taskqueuepb.TaskQueue{Name: s.Owner.TaskQueue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		Input:     input, UserMetadata: &sdkpb.UserMetadata{Summary: summary},
	}
	if s.Attributes {
		if start.SearchAttributes, err = scheduleAttributes(in.Datastore); err != nil {
			return nil, err
		}
	}
	every := s.Every
	if every == 0 { // paused
		every = catchUp
	}
	return &schedulepb.Schedule{
		Spec:   &schedulepb.ScheduleSpec{Interval: []*schedulepb.IntervalSpec{{Interval: durationpb.New(every)}}},
		Action: &schedulepb.ScheduleAction{Action: &schedulepb.ScheduleAction_StartWorkflow{StartWorkflow: start}},
		Policies: &schedulepb.SchedulePolicies{
			OverlapPolicy: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: durationpb.New(catchUp),
		},
		State: s.state(known.GetState()),
	}, nil
}

// state pauses a schedule when audits are off, and resumes it when they are on again.
// What an operator has paused stays paused.
func (s *AuditSchedules) state(old *schedulepb.ScheduleState) *schedulepb.ScheduleState {
	ours := strings.HasPrefix(old.GetNotes(), offNote)
	switch {
	case s.Off != "" && !old.GetPaused(), s.Off != "" && ours:
		return &schedulepb.ScheduleState{Paused: true, Notes: offNote + s.Off}
	case s.Off == "" && old.GetPaused() && ours:
		return &schedulepb.ScheduleState{}
	case s.Off == "" && old.GetPaused():
		s.Logger.Warn("the schedule of audits is paused by somebody: nothing is audited until it is resumed", "note", old.GetNotes())
	}
	return &schedulepb.ScheduleState{Paused: old.GetPaused(), Notes: old.GetNotes()}
}

func sameInput(a, b cdc.AuditInput) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// shape is what the settings decide of a schedule beside the input, to compare.
func shape(s *schedulepb.Schedule) string {
	var every []time.Duration
	for _, interval := range s.GetSpec().GetInterval() {
		every = append(every, interval.GetInterval().AsDuration())
	}
	start, state, policies := s.GetAction().GetStartWorkflow(), s.GetState(), s.GetPolicies()
	return fmt.Sprintf("%v %q %q %d %v %q %v %v", every, start.GetTaskQueue().GetName(), start.GetWorkflowId(),
		len(start.GetSearchAttributes().GetIndexedFields()), state.GetPaused(), state.GetNotes(),
		policies.GetOverlapPolicy(), policies.GetCatchupWindow().AsDuration())
}

// scheduleAttributes are those that every execution of ours starts with. They are plain
// text in Temporal, and never pass through the codec.
func scheduleAttributes(datastore string) (*commonpb.SearchAttributes, error) {
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
