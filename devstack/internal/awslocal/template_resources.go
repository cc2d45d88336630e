package awslocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A stack is one application of a template. Resources are created when they
// are first referred to, which puts them in order.
type stack struct {
	to       Target
	template template
	params   map[string]any
	made     map[string]*resource
	applied  Applied
}

// A resource's attributes; "" is the value of Ref. It is nil while the resource is being
// created.
type resource struct {
	attributes map[string]string
	skipped    bool
}

func (s *stack) createAll(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.template.Resources)) {
		holds, err := s.condition(ctx, s.template.Resources[id].Condition)
		if err != nil {
			return err
		}
		if !holds {
			continue
		}
		if _, err := s.create(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) attribute(ctx context.Context, id, name string) (string, error) {
	r, err := s.create(ctx, id)
	if err != nil {
		return "", err
	}
	if r.skipped {
		return "", errSkipped
	}
	v, ok := r.attributes[name]
	if !ok {
		return "", fmt.Errorf("resource %s has no attribute %s here", id, name)
	}
	return v, nil
}

func (s *stack) create(ctx context.Context, id string) (*resource, error) {
	if r, ok := s.made[id]; ok {
		if r == nil {
			return nil, fmt.Errorf("creating %s: it refers to itself", id)
		}
		return r, nil
	}
	described, ok := s.template.Resources[id]
	if !ok {
		return nil, fmt.Errorf("the template has no parameter or resource %s", id)
	}
	makers := map[string]func(context.Context, map[string]any) (map[string]string, error){
		"AWS::SQS::Queue":             s.makeQueue,
		"AWS::Events::EventBus":       s.makeBus,
		"AWS::Events::EventBusPolicy": s.makeBusPolicy,
		"AWS::Events::Rule":           s.makeRule,
	}
	create, known := makers[described.Type]
	if !known {
		r := &resource{skipped: true}
		s.made[id] = r
		s.applied.Skipped = append(s.applied.Skipped, id+" ("+described.Type+")")
		return r, nil
	}
	s.made[id] = nil
	properties, err := s.eval(ctx, &described.Properties)
	if err != nil {
		return nil, fmt.Errorf("reading properties of %s: %w", id, err)
	}
	fields, ok := properties.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading properties of %s: they must be an object", id)
	}
	attributes, err := create(ctx, fields)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", id, err)
	}
	r := &resource{attributes: attributes}
	s.made[id] = r
	s.applied.Created = append(s.applied.Created, id)
	return r, nil
}

func (s *stack) makeQueue(ctx context.Context, properties map[string]any) (map[string]string, error) {
	var name string
	attributes := make(map[string]string)
	for key, value := range properties {
		switch key {
		case "QueueName":
			name = text(value)
		case "RedrivePolicy", "RedriveAllowPolicy":
			doc, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("writing %s: %w", key, err)
			}
			attributes[key] = string(doc)
		default: // the service rejects an attribute that it does not know
			attributes[key] = text(value)
		}
	}
	created, err := s.to.SQS.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return nil, err
	}
	got, err := s.to.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: created.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return nil, err
	}
	url := aws.ToString(created.QueueUrl)
	return map[string]string{"": url, "QueueUrl": url, "QueueName": name, "Arn": got.Attributes["QueueArn"]}, nil
}

// decodeProperties fills a struct of the properties that are passed on; any
// other is an error.
func decodeProperties(properties map[string]any, into any) error {
	doc, err := json.Marshal(properties)
	if err != nil {
		return err
	}
	return decodeStrict(doc, into)
}

// makeBusPolicy adds a statement to a bus's policy, or replaces the one with its id.
func (s *stack) makeBusPolicy(ctx context.Context, properties map[string]any) (map[string]string, error) {
	var in struct {
		EventBusName, StatementId string //nolint:revive // CloudFormation's name
		Statement                 map[string]any
	}
	if err := decodeProperties(properties, &in); err != nil {
		return nil, err
	}
	described, err := s.to.EventBridge.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &in.EventBusName})
	if err != nil {
		return nil, err
	}
	policy := struct {
		Version   string
		Statement []map[string]any
	}{Version: "2012-10-17"}
	if described.Policy != nil {
		if err := json.Unmarshal([]byte(*described.Policy), &policy); err != nil {
			return nil, fmt.Errorf("reading the bus's policy: %w", err)
		}
	}
	in.Statement["Sid"] = in.StatementId
	policy.Statement = slices.DeleteFunc(policy.Statement, func(other map[string]any) bool { return other["Sid"] == in.StatementId })
	policy.Statement = append(policy.Statement, in.Statement)
	doc, err := json.Marshal(policy)
	if err != nil {
		return nil, err
	}
	_, err = s.to.EventBridge.PutPermission(ctx, &eventbridge.PutPermissionInput{
		EventBusName: &in.EventBusName, Policy: aws.String(string(doc)),
	})
	return map[string]string{"": in.EventBusName + "|" + in.StatementId}, err
}

func (s *stack) makeBus(ctx context.Context, properties map[string]any) (map[string]string, error) {
	var in struct {
		Name        string
		Description *string
	}
	if err := decodeProperties(properties, &in); err != nil {
		return nil, err
	}
	var exists *ebtypes.ResourceAlreadyExistsException
	_, err := s.to.EventBridge.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &in.Name, Description: in.Description})
	if err != nil && !errors.As(err, &exists) { // a template may be applied again
		return nil, err
	}
	got, err := s.to.EventBridge.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &in.Name})
	if err != nil {
		return nil, err
	}
	return map[string]string{"": in.Name, "Name": in.Name, "Arn": aws.ToString(got.Arn)}, nil
}

func (s *stack) makeRule(ctx context.Context, properties map[string]any) (map[string]string, error) {
	var in struct {
		Name, EventBusName, Description *string
		State                           ebtypes.RuleState
		EventPattern                    map[string]any
		Targets                         []struct {
			ID  string `json:"Id"`
			Arn string
		}
	}
	if err := decodeProperties(properties, &in); err != nil {
		return nil, err
	}
	pattern, err := json.Marshal(in.EventPattern)
	if err != nil {
		return nil, fmt.Errorf("writing event pattern: %w", err)
	}
	put, err := s.to.EventBridge.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: in.Name, EventBusName: in.EventBusName, Description: in.Description, State: in.State,
		EventPattern: aws.String(string(pattern)),
	})
	if err != nil {
		return nil, err
	}
	targets := make([]ebtypes.Target, len(in.Targets))
	for i, t := range in.Targets {
		targets[i] = ebtypes.Target{Id: aws.String(t.ID), Arn: aws.String(t.Arn)}
	}
	added, err := s.to.EventBridge.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: in.Name, EventBusName: in.EventBusName, Targets: targets,
	})
	if err != nil {
		return nil, err
	}
	if added.FailedEntryCount > 0 {
		return nil, fmt.Errorf("adding targets: %s", aws.ToString(added.FailedEntries[0].ErrorMessage))
	}
	return map[string]string{"": aws.ToString(in.Name), "Arn": aws.ToString(put.RuleArn)}, nil
}

func (s *stack) outputs(ctx context.Context) (map[string]string, error) {
	out := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(s.template.Outputs)) {
		o := s.template.Outputs[name]
		holds, err := s.condition(ctx, o.Condition)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		v, err := s.eval(ctx, &o.Value)
		switch {
		case errors.Is(err, errSkipped):
			s.applied.Skipped = append(s.applied.Skipped, "Outputs."+name)
		case err != nil:
			return nil, fmt.Errorf("evaluating output %s: %w", name, err)
		default:
			out[name] = text(v)
		}
	}
	return out, nil
}
