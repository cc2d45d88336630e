package awslocal

import (
	"context"
	"slices"
	"strings"
)

type putRuleInput struct {
	Name, EventBusName, EventPattern, State, Description, ScheduleExpression string
}

type putRuleOutput struct{ RuleArn string }

func (b *busService) putRule(_ context.Context, in putRuleInput) (putRuleOutput, error) {
	if !ruleName.MatchString(in.Name) {
		return putRuleOutput{}, apiErrorf("ValidationException", "The name of the rule is not valid.")
	}
	if in.ScheduleExpression != "" || in.EventPattern == "" {
		return putRuleOutput{}, apiErrorf("ValidationException", "This stand-in has rules with an event pattern only, no schedules.")
	}
	compiled, err := compilePattern(in.EventPattern)
	if err != nil {
		return putRuleOutput{}, err
	}
	switch in.State {
	case "":
		in.State = "ENABLED"
	case "ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
	default:
		return putRuleOutput{}, apiErrorf("ValidationException", "The state of the rule is not valid.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	on, err := b.find(in.EventBusName)
	if err != nil {
		return putRuleOutput{}, err
	}
	r := &rule{
		Name: in.Name, Arn: b.arn("rule/" + in.Name), EventBusName: on.name, EventPattern: in.EventPattern,
		State: in.State, Description: in.Description, compiled: compiled,
	}
	if on.name != defaultBus {
		r.Arn = b.arn("rule/" + on.name + "/" + in.Name)
	}
	if old := on.rules[in.Name]; old != nil {
		r.targets = old.targets
	}
	on.rules[in.Name] = r
	return putRuleOutput{RuleArn: r.Arn}, nil
}

type ruleInput struct{ Name, EventBusName string }

func (b *busService) describeRule(_ context.Context, in ruleInput) (rule, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r, err := b.findRule(in.EventBusName, in.Name)
	if err != nil {
		return rule{}, err
	}
	return *r, nil
}

func (b *busService) deleteRule(_ context.Context, in ruleInput) (none, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	on, err := b.find(in.EventBusName)
	if err != nil {
		return none{}, err
	}
	if r := on.rules[in.Name]; r != nil && len(r.targets) > 0 {
		return none{}, apiErrorf("ValidationException", "Rule can't be deleted since it has targets.")
	}
	delete(on.rules, in.Name)
	return none{}, nil
}

type listRulesInput struct{ EventBusName, NamePrefix string }

type listRulesOutput struct{ Rules []rule }

func (b *busService) listRules(_ context.Context, in listRulesInput) (listRulesOutput, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	on, err := b.find(in.EventBusName)
	if err != nil {
		return listRulesOutput{}, err
	}
	out := listRulesOutput{Rules: []rule{}}
	for name, r := range on.rules {
		if strings.HasPrefix(name, in.NamePrefix) {
			out.Rules = append(out.Rules, *r)
		}
	}
	slices.SortFunc(out.Rules, func(x, y rule) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// putTarget has the settings of a target that would change what arrives: they are
// rejected.
type putTarget struct {
	target
	Input            *string
	InputPath        *string
	InputTransformer *struct{}
}

type putTargetsInput struct {
	Rule, EventBusName string
	Targets            []putTarget
}

type targetFailure struct {
	TargetID                string `json:"TargetId"`
	ErrorCode, ErrorMessage string
}

type targetsOutput struct {
	FailedEntryCount int
	FailedEntries    []targetFailure
}

func (b *busService) putTargets(_ context.Context, in putTargetsInput) (targetsOutput, error) {
	out := targetsOutput{FailedEntries: []targetFailure{}}
	if len(in.Targets) == 0 || len(in.Targets) > maxTargetsPerPut {
		return out, apiErrorf("ValidationException", "A call takes 1 to %d targets.", maxTargetsPerPut)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.findRule(in.EventBusName, in.Rule)
	if err != nil {
		return out, err
	}
	targets := slices.Clone(r.targets) // all or none
	for _, t := range in.Targets {
		switch {
		case t.Input != nil || t.InputPath != nil || t.InputTransformer != nil:
			return out, apiErrorf("ValidationException", "Target %s changes its input: this stand-in delivers whole events only.", t.ID)
		case !strings.HasPrefix(t.Arn, b.sqs.arn("")):
			return out, apiErrorf("ValidationException", "Target %s is no SQS queue of this account and region: "+
				"this stand-in has no other targets.", t.ID)
		}
		targets = slices.DeleteFunc(targets, func(x target) bool { return x.ID == t.ID })
		targets = append(targets, t.target)
	}
	if len(targets) > maxTargets {
		return out, apiErrorf("LimitExceededException", "The requested resource exceeds the maximum number allowed: "+
			"%d targets per rule.", maxTargets)
	}
	r.targets = targets
	return out, nil
}

type removeTargetsInput struct {
	Rule, EventBusName string
	IDs                []string `json:"Ids"`
}

func (b *busService) removeTargets(_ context.Context, in removeTargetsInput) (targetsOutput, error) {
	out := targetsOutput{FailedEntries: []targetFailure{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.findRule(in.EventBusName, in.Rule)
	if err != nil {
		return out, err
	}
	r.targets = slices.DeleteFunc(slices.Clone(r.targets), func(t target) bool { return slices.Contains(in.IDs, t.ID) })
	return out, nil
}

type listTargetsOutput struct{ Targets []target }

func (b *busService) listTargetsByRule(_ context.Context, in struct{ Rule, EventBusName string }) (listTargetsOutput, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r, err := b.findRule(in.EventBusName, in.Rule)
	if err != nil {
		return listTargetsOutput{}, err
	}
	return listTargetsOutput{Targets: append([]target{}, r.targets...)}, nil
}
