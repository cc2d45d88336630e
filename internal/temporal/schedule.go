package temporal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxConflicts bounds the tries against other workers that start at once.
	maxConflicts = 10
	// conflictPause is between the first two tries.
	conflictPause = 200 * time.Millisecond
)

// ErrNotAllowed is returned when the credentials may not create or change schedules.
var ErrNotAllowed = errors.New("schedules may not be made with these credentials: run a worker once with credentials that may, with the same settings")

// AuditSchedules keeps the schedules of audits, one a datastore: it creates them, keeps
// their input in line with the settings, and pauses them when audits are off. A
// datastore's schedule also says which fleet captures it: see [cdc.Owner].
//
// It uses Temporal's raw service: the SDK's updates send no conflict token, so that of
// two workers that start at once one would undo what the other has added.
type AuditSchedules struct {
	*Connection
	// Owner is this fleet.
	Owner cdc.Owner
	// Every is how often to audit. Off says why there are to be no audits, empty
	// when there are.
	Every time.Duration
	Off   string
	// TakeOver makes this fleet the owner of what another one owns, unless that one
	// still polls.
	TakeOver bool
	Logger   *slog.Logger
	Now      func() time.Time
}

// AuditSchedule is what a datastore's schedule says.
type AuditSchedule struct {
	// Input of the audits that it starts.
	Input    cdc.AuditInput
	schedule *schedulepb.Schedule
	token    []byte
}

// AuditSchedule reads a datastore's schedule, nil when there is none. The error is
// [ErrUndecodable] when our keys do not decrypt its input.
func (c *Connection) AuditSchedule(ctx context.Context, datastore string) (*AuditSchedule, error) {
	id := cdc.AuditScheduleID(datastore)
	found, err := c.Client.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: c.Namespace, ScheduleId: id})
	if code(err) == codes.NotFound {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("reading schedule %s: %w", id, err)
	}
	known := &AuditSchedule{schedule: found.GetSchedule(), token: found.GetConflictToken()}
	if err := c.ConverterOf(id).FromPayloads(known.schedule.GetAction().GetStartWorkflow().GetInput(), &known.Input); err != nil {
		return nil, fmt.Errorf("%w; or delete the schedule to begin anew", undecodable("the input of schedule "+id, err))
	}
	return known, nil
}

// Keep creates the datastore's schedule, or brings it in line with the input. in has
// no Since and no Owner: a type that the schedule knows keeps the time at which it
// came, a new one gets now, and none is ever dropped from Since.
//
// A type that the schedule audits and in does not have stays for as long as a worker
// with other types polls the datastore's task queue: [AuditSchedules.KeepTypes] removes it
// later. A schedule of another owner is an [OtherOwnerError].
func (s *AuditSchedules) Keep(ctx context.Context, in cdc.AuditInput) error {
	in.Attributes, in.Owner = s.Attributes, s.Owner
	return s.keep(ctx, in, true)
}

// KeepTypes looks at the datastore's schedule again while a worker runs: it adds what is
// missing of types, and removes what is not in types once no worker with other types
// polls any more. Everything else stays as the last worker to start has made it. A
// schedule that is not there stays so.
func (s *AuditSchedules) KeepTypes(ctx context.Context, datastore string, types []string) error {
	return s.keep(ctx, cdc.AuditInput{Datastore: datastore, Types: types}, false)
}

// keep is Keep, where a worker starts, and KeepTypes: it changes the schedule, and looks
// at it again, until there is nothing to change.
func (s *AuditSchedules) keep(ctx context.Context, in cdc.AuditInput, starting bool) error {
	in.Types = slices.Sorted(slices.Values(in.Types))
	changed := false
	for try := 1; ; try++ {
		kept, err := s.change(ctx, in, starting, changed)
		again := try < maxConflicts
		switch code(err) {
		case codes.OK:
			if kept {
				return nil
			}
			changed, err = true, errors.New("other programs keep changing it")
		case codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		case codes.AlreadyExists, codes.FailedPrecondition, codes.Unavailable, codes.Aborted, codes.ResourceExhausted:
		default:
			again = false
		}
		if !again || smithytime.SleepWithContext(ctx, conflictPause*time.Duration(try)) != nil {
			return fmt.Errorf("keeping schedule %s: %w", cdc.AuditScheduleID(in.Datastore), err)
		}
	}
}

// change makes the schedule as it should be; changed is set when it did so before. kept is
// set when it was so already.
//
// A server may drop a change whose conflict token is old without saying so, hence the other
// look. That it finds other settings of another worker is no conflict: the last one to
// start wins.
func (s *AuditSchedules) change(ctx context.Context, in cdc.AuditInput, starting, changed bool) (kept bool, err error) {
	known, err := s.AuditSchedule(ctx, in.Datastore)
	if err == nil && known != nil {
		err = s.checkOwner(ctx, in.Datastore, known.Input.Owner, s.TakeOver && starting)
	}
	switch {
	case err != nil:
		return false, err
	case known == nil && !starting:
		return true, nil
	case known == nil:
		known = &AuditSchedule{}
	case changed && known.Input.Owner == s.Owner && len(Lacking(in.Types, known.Input.Types)) == 0:
		return true, nil
	}
	wanted := in
	if !starting {
		wanted = known.Input
	}
	if changed {
		// Workers that start at once with other types must not remove each other's types
		// in turn: KeepTypes removes them later.
		wanted.Types = union(in.Types, known.Input.Types)
	} else {
		wanted.Types = s.types(ctx, in.Datastore, in.Types, known.Input.Types, starting)
	}
	wanted.Since = s.since(known.Input.Since, wanted.Types)
	schedule, err := s.schedule(wanted, known.schedule, starting)
	if err != nil {
		return false, err
	}
	if sameInput(wanted, known.Input) && shape(schedule) == shape(known.schedule) {
		return true, nil
	}
	return false, s.write(ctx, known, wanted, schedule)
}

// types are those that the schedule is to have: the configured ones, and, while a
// worker with others polls, those that it has already.
func (s *AuditSchedules) types(ctx context.Context, datastore string, configured, known []string, starting bool) []string {
	extra := Lacking(known, configured)
	if len(extra) == 0 {
		return configured
	}
	others, err := s.otherTypes(ctx, datastore, configured)
	if err != nil || len(others) > 0 {
		if starting {
			s.Logger.Warn("audits go on with resource types that are not configured here, for as long as a worker with other types polls",
				"datastore", datastore, "types", extra, "workers", others, "error", err)
		}
		return union(configured, extra)
	}
	s.Logger.Warn("taking resource types out of the audits: no worker that polls is configured with them", "datastore", datastore, "types", extra)
	return configured
}

// Lacking are the names of all that are not in some.
func Lacking(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// union are the names of both, in alphabetical order.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// since is from when each type is promised: types that are not known yet from now on.
func (s *AuditSchedules) since(known map[string]time.Time, types []string) map[string]time.Time {
	since := maps.Clone(known)
	if since == nil {
		since = make(map[string]time.Time, len(types))
	}
	for _, name := range types {
		if _, ok := since[name]; !ok {
			since[name] = s.Now().UTC().Truncate(time.Second)
		}
	}
	return since
}

// write creates the schedule, or changes the known one.
func (s *AuditSchedules) write(ctx context.Context, known *AuditSchedule, in cdc.AuditInput, schedule *schedulepb.Schedule) (err error) {
	id, service := cdc.AuditScheduleID(in.Datastore), s.Client.WorkflowService()
	if known.schedule == nil {
		_, err = service.CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
			Namespace: s.Namespace, ScheduleId: id, Schedule: schedule, Identity: s.Identity, RequestId: rand.Text(),
		})
	} else {
		_, err = service.UpdateSchedule(ctx, &workflowservice.UpdateScheduleRequest{
			Namespace: s.Namespace, ScheduleId: id, Schedule: schedule, ConflictToken: known.token, Identity: s.Identity, RequestId: rand.Text(),
		})
	}
	if err != nil {
		return err
	}
	s.Logger.Info("brought the schedule of audits in line with the settings",
		"schedule", id, "every", s.Every.String(), "types", len(in.Types), "paused", schedule.GetState().GetPaused())
	s.logBackfill(ctx, known.Input.Since, in)
	return nil
}

// logBackfill logs the command that publishes what the datastore held of new types before:
// windows and audits begin now with them.
func (s *AuditSchedules) logBackfill(ctx context.Context, known map[string]time.Time, in cdc.AuditInput) {
	added := Lacking(in.Types, slices.Collect(maps.Keys(known)))
	if len(added) == 0 {
		return
	}
	level := slog.LevelInfo // a new datastore, with all its types
	command := fmt.Sprintf("starter backfill --name added-%s-%s --datastore %s", in.Datastore, s.Now().UTC().Format("20060102T150405Z"), in.Datastore)
	if len(known) > 0 {
		level = slog.LevelWarn
		command += " --type " + strings.Join(added, ",")
	}
	s.Logger.Log(ctx, level, "what the datastore held of new resource types is not published by itself: to publish it, run this once every worker is configured with them",
		"datastore", in.Datastore, "command", command)
}
