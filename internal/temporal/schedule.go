// Package schedule keeps the schedules of audits, one a datastore: it makes them,
// keeps their input in line with the settings, and pauses them when audits are off.
// A datastore's schedule also says which fleet captures it: see [cdc.Owner].
package temporal

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
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

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

// ErrNotAllowed is returned when the credentials may not make or change schedules.
var ErrNotAllowed = errors.New("schedules may not be made with these credentials: run a worker once with credentials that may, with the same settings")

// ScheduleService is what is asked of Temporal. It is the raw one: the SDK's updates send
// no conflict token, so that of two workers that start at once one would undo what
// the other has added.
type ScheduleService interface {
	DescribeSchedule(ctx context.Context, in *workflowservice.DescribeScheduleRequest, options ...grpc.CallOption) (*workflowservice.DescribeScheduleResponse, error)
	CreateSchedule(ctx context.Context, in *workflowservice.CreateScheduleRequest, options ...grpc.CallOption) (*workflowservice.CreateScheduleResponse, error)
	UpdateSchedule(ctx context.Context, in *workflowservice.UpdateScheduleRequest, options ...grpc.CallOption) (*workflowservice.UpdateScheduleResponse, error)
	DescribeTaskQueue(ctx context.Context, in *workflowservice.DescribeTaskQueueRequest, options ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error)
}

// AuditSchedules keeps the schedules of audits.
type AuditSchedules struct {
	Service ScheduleService
	// Converter is the one that knows no workflow.
	Converter converter.DataConverter
	Namespace string
	// Owner is this fleet.
	Owner    cdc.Owner
	Identity string
	// Every is how often to audit. Off says why there are to be no audits, empty
	// when there are.
	Every time.Duration
	Off   string
	// TakeOver makes this fleet the owner of what another one owns, unless that one
	// still polls.
	TakeOver bool
	// Attributes is set when our search attributes are registered.
	Attributes bool
	Logger     *slog.Logger
	Now        func() time.Time
}

// Keep makes the datastore's schedule, or brings it in line with the input. in has
// no Since and no Owner: a type that the schedule knows keeps the time at which it
// came, a new one gets now, and none is ever dropped from Since.
//
// A type that the schedule audits and in does not have stays for as long as a worker
// with other types polls the datastore's task queue: [AuditSchedules.Follow] takes it out
// later. A schedule of another owner is an [OtherOwnerError].
func (k *AuditSchedules) Keep(ctx context.Context, in cdc.AuditInput) error {
	in.Attributes, in.Owner = k.Attributes, k.Owner
	return k.repeat(ctx, in, false)
}

// Follow looks at the datastore's schedule again while a worker runs: it puts in what
// is missing of types, and takes out what is not in types once no worker with other
// types polls any more. Everything else stays as the last worker to start has made it.
// A schedule that is not there stays so.
func (k *AuditSchedules) Follow(ctx context.Context, datastore string, types []string) error {
	return k.repeat(ctx, cdc.AuditInput{Datastore: datastore, Types: types}, true)
}

// repeat tries until the schedule is as it should be.
func (k *AuditSchedules) repeat(ctx context.Context, in cdc.AuditInput, typesOnly bool) error {
	in.Types = slices.Sorted(slices.Values(in.Types))
	changed := false
	for try := 1; ; try++ {
		kept, err := k.keep(ctx, in, typesOnly, changed)
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

// errConflict is the error when what was asked for is not there yet.
var errConflict = errors.New("other programs keep changing it")

// again reports whether another worker at work, or a server that is busy, made the
// error.
func again(err error) bool {
	return errors.Is(err, errConflict) || isCode(err, codes.AlreadyExists, codes.FailedPrecondition, codes.Unavailable, codes.Aborted, codes.ResourceExhausted)
}

func isCode(err error, all ...codes.Code) bool {
	return slices.Contains(all, serviceerror.ToStatus(err).Code())
}

// AuditSchedule is what a datastore's schedule says.
type AuditSchedule struct {
	// Input of the audits that it starts.
	Input cdc.AuditInput
	found *workflowservice.DescribeScheduleResponse
}

// Extra are the types of the schedule that are not among those given.
func (k *AuditSchedule) Extra(types []string) []string { return missing(k.Input.Types, types) }

// Read reads the datastore's schedule, nil when there is none. The error is
// [ErrUndecodable] when our keys do not open it.
func (k *AuditSchedules) Read(ctx context.Context, datastore string) (*AuditSchedule, error) {
	found, err := k.Service.DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{
		Namespace: k.Namespace, ScheduleId: cdc.AuditScheduleID(datastore),
	})
	if isCode(err, codes.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := &AuditSchedule{found: found}
	if err := k.converter(datastore).FromPayloads(found.GetSchedule().GetAction().GetStartWorkflow().GetInput(), &known.Input); err != nil {
		return nil, fmt.Errorf("%w; or delete the schedule to begin anew", undecodable("its input", err))
	}
	return known, nil
}

// keep makes one change, if one is to be made. It is kept when there was none to be
// made, or when a look after a change finds every type. A server may drop a change
// whose conflict token is old without saying so, hence the look; that it finds the
// other settings of another worker is no conflict: the last one to start wins.
func (k *AuditSchedules) keep(ctx context.Context, in cdc.AuditInput, typesOnly, changed bool) (kept bool, err error) {
	known, err := k.Read(ctx, in.Datastore)
	switch {
	case err != nil:
		return false, err
	case known == nil:
		return typesOnly, k.create(ctx, in, typesOnly)
	}
	if err := k.owns(ctx, in.Datastore, known.Input.Owner, typesOnly); err != nil {
		return false, err
	}
	if changed && known.Input.Owner == k.Owner && len(missing(in.Types, known.Input.Types)) == 0 {
		return true, nil
	}
	wanted := in
	if typesOnly {
		wanted = known.Input
	}
	wanted.Types = k.types(ctx, in, known.Input.Types, !typesOnly && !changed)
	wanted.Since = withNew(known.Input.Since, wanted.Types, k.Now())
	return k.update(ctx, wanted, known, typesOnly)
}

// owns returns an error when another fleet owns the datastore and this one may not
// take it over.
func (k *AuditSchedules) owns(ctx context.Context, datastore string, owner cdc.Owner, typesOnly bool) error {
	if owner == k.Owner {
		return nil
	}
	other := &OtherOwnerError{Datastore: datastore, Found: owner, Ours: k.Owner}
	if !k.TakeOver || typesOnly {
		return other
	}
	var err error
	if other.Polling, err = k.stillPolling(ctx, datastore, owner); err != nil {
		return err
	}
	if len(other.Polling) > 0 {
		return other
	}
	k.Logger.Warn("taking over the datastore from another fleet: start no worker of that fleet any more, and no other one with --take-over",
		"datastore", datastore, "from", owner.String(), "to", k.Owner.String())
	return nil
}

// types are those that the schedule is to have: the configured ones, and, while a
// worker with others polls, those that it has already.
func (k *AuditSchedules) types(ctx context.Context, in cdc.AuditInput, known []string, say bool) []string {
	extra := missing(known, in.Types)
	if len(extra) == 0 {
		return in.Types
	}
	others, err := k.otherTypes(ctx, in.Datastore, in.Types)
	if err != nil || len(others) > 0 {
		if say {
			k.Logger.Warn("audits go on with resource types that are not configured here, for as long as a worker with other types polls",
				"datastore", in.Datastore, "types", extra, "workers", others, "error", err)
		}
		return slices.Sorted(slices.Values(slices.Concat(in.Types, extra)))
	}
	k.Logger.Warn("taking resource types out of the audits: no worker that polls is configured with them", "datastore", in.Datastore, "types", extra)
	return in.Types
}

// missing are the names of all that are not in some.
func missing(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// create makes the schedule, paused when audits are off: it says who the owner is.
func (k *AuditSchedules) create(ctx context.Context, in cdc.AuditInput, typesOnly bool) error {
	if typesOnly {
		return nil
	}
	in.Since = withNew(nil, in.Types, k.Now())
	wanted, err := k.schedule(in, k.state(nil))
	if err != nil {
		return err
	}
	_, err = k.Service.CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
		Namespace: k.Namespace, ScheduleId: cdc.AuditScheduleID(in.Datastore), Schedule: wanted, Identity: k.Identity, RequestId: rand.Text(),
	})
	if err == nil {
		k.Logger.Info("made the schedule of audits", "schedule", cdc.AuditScheduleID(in.Datastore), "every", k.Every.String(),
			"types", len(in.Types), "paused", wanted.GetState().GetPaused())
	}
	return err
}

func (k *AuditSchedules) update(ctx context.Context, in cdc.AuditInput, known *AuditSchedule, typesOnly bool) (same bool, err error) {
	old := known.found.GetSchedule()
	wanted := proto.CloneOf(old)
	if !typesOnly {
		if wanted, err = k.schedule(in, k.state(old.GetState())); err != nil {
			return false, err
		}
	} else if wanted.GetAction().GetStartWorkflow().Input, err = k.converter(in.Datastore).ToPayloads(in); err != nil {
		return false, fmt.Errorf("encoding the audit's input: %w", err)
	}
	if sameInput(in, known.Input) && sameShape(old, wanted) {
		return true, nil
	}
	_, err = k.Service.UpdateSchedule(ctx, &workflowservice.UpdateScheduleRequest{
		Namespace: k.Namespace, ScheduleId: cdc.AuditScheduleID(in.Datastore), Schedule: wanted, ConflictToken: known.found.GetConflictToken(),
		Identity: k.Identity, RequestId: rand.Text(),
	})
	if err == nil {
		k.Logger.Info("brought the schedule of audits in line with the settings",
			"schedule", cdc.AuditScheduleID(in.Datastore), "every", k.Every.String(), "types", len(in.Types), "paused", wanted.GetState().GetPaused())
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

func sameInput(a, b cdc.AuditInput) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}
