package temporal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
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

// schedule is a datastore's, as the settings want it.
func (k *AuditSchedules) schedule(in cdc.AuditInput, state *schedulepb.ScheduleState) (*schedulepb.Schedule, error) {
	id := cdc.AuditScheduleID(in.Datastore)
	input, err := k.ConverterOf(id).ToPayloads(in)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's input: %w", err)
	}
	summary, err := k.ConverterOf(id).ToPayload("audit of datastore " + in.Datastore)
	if err != nil {
		return nil, fmt.Errorf("encoding the audit's summary: %w", err)
	}
	start := &workflowpb.NewWorkflowExecutionInfo{
		WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: cdc.WorkflowAudit},
		TaskQueue: &taskqueuepb.TaskQueue{Name: k.Owner.TaskQueue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		Input:     input, UserMetadata: &sdkpb.UserMetadata{Summary: summary},
	}
	if k.Attributes {
		if start.SearchAttributes, err = scheduleAttributes(in.Datastore); err != nil {
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
		State: state,
	}, nil
}

// state pauses a schedule when audits are off, and resumes it when they are on again.
// What an operator has paused stays paused.
func (k *AuditSchedules) state(old *schedulepb.ScheduleState) *schedulepb.ScheduleState {
	ours := strings.HasPrefix(old.GetNotes(), offNote)
	switch {
	case k.Off != "" && !old.GetPaused(), k.Off != "" && ours:
		return &schedulepb.ScheduleState{Paused: true, Notes: offNote + k.Off}
	case k.Off == "" && old.GetPaused() && ours:
		return &schedulepb.ScheduleState{}
	case k.Off == "" && old.GetPaused():
		k.Logger.Warn("the schedule of audits is paused by somebody: nothing is audited until it is resumed", "note", old.GetNotes())
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
