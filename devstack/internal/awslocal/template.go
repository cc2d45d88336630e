package awslocal

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.yaml.in/yaml/v3"
)

// A Target is where a template is applied, with the region and account of its ARNs.
type Target struct {
	SQS         *sqs.Client
	EventBridge *eventbridge.Client
	Region      string
	Account     string
}

// Applied is the result of applying a template.
type Applied struct {
	// Outputs by name, without those that depend on something skipped.
	Outputs map[string]string
	// Created are the logical ids of what was created.
	Created []string
	// Skipped names the resources and outputs that were skipped, as
	// "LogicalId (AWS::IAM::ManagedPolicy)" and "Outputs.Name".
	Skipped []string
}

// ApplyTemplateFile applies the template in a file: see [ApplyTemplate].
func ApplyTemplateFile(ctx context.Context, path string, params map[string]string, to Target) (Applied, error) {
	doc, err := os.ReadFile(path) //nolint:gosec // the caller names the template
	if err != nil {
		return Applied{}, fmt.Errorf("reading template: %w", err)
	}
	return ApplyTemplate(ctx, doc, params, to)
}

// ApplyTemplate creates the queues, buses and rules of a CloudFormation
// template by the same calls as on AWS, and returns its outputs. Resources of
// other types are skipped and named. A function or property that it does not
// know is an error, never ignored.
func ApplyTemplate(ctx context.Context, doc []byte, params map[string]string, to Target) (Applied, error) {
	var t template
	if err := yaml.Unmarshal(doc, &t); err != nil {
		return Applied{}, fmt.Errorf("parsing template: %w", err)
	}
	values, err := t.parameters(params)
	if err != nil {
		return Applied{}, fmt.Errorf("reading template's parameters: %w", err)
	}
	s := &stack{to: to, template: t, params: values, made: make(map[string]*resource)}
	if err := s.createAll(ctx); err != nil {
		return Applied{}, err
	}
	s.applied.Outputs, err = s.outputs(ctx)
	return s.applied, err
}

type template struct {
	Parameters map[string]parameter        `yaml:"Parameters"`
	Conditions map[string]yaml.Node        `yaml:"Conditions"`
	Resources  map[string]templateResource `yaml:"Resources"`
	Outputs    map[string]templateOutput   `yaml:"Outputs"`
}

type parameter struct {
	Type           string   `yaml:"Type"`
	Default        *string  `yaml:"Default"`
	AllowedValues  []string `yaml:"AllowedValues"`
	AllowedPattern string   `yaml:"AllowedPattern"`
}

type templateResource struct {
	Type       string    `yaml:"Type"`
	Condition  string    `yaml:"Condition"`
	Properties yaml.Node `yaml:"Properties"`
}

type templateOutput struct {
	Condition string    `yaml:"Condition"`
	Value     yaml.Node `yaml:"Value"`
}

// parameters joins what was given with the defaults and checks it.
func (t *template) parameters(given map[string]string) (map[string]any, error) {
	for name := range given {
		if _, ok := t.Parameters[name]; !ok {
			return nil, fmt.Errorf("the template has no parameter %s", name)
		}
	}
	values := make(map[string]any, len(t.Parameters))
	for name, p := range t.Parameters {
		text, ok := given[name]
		if !ok {
			if p.Default == nil {
				return nil, fmt.Errorf("give the parameter %s: it has no default", name)
			}
			text = *p.Default
		}
		value, err := p.check(text)
		if err != nil {
			return nil, fmt.Errorf("checking parameter %s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

func (p parameter) check(text string) (any, error) {
	if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, text) {
		return nil, fmt.Errorf("it must be one of %v", p.AllowedValues)
	}
	if p.AllowedPattern != "" {
		re, err := regexp.Compile("^(?:" + p.AllowedPattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("compiling its AllowedPattern: %w", err)
		}
		if !re.MatchString(text) {
			return nil, fmt.Errorf("it must match %s", p.AllowedPattern)
		}
	}
	switch p.Type {
	case "String", "Number":
		return text, nil
	case "CommaDelimitedList":
		return splitText(",", text), nil
	}
	return nil, fmt.Errorf("its type %s is unknown here", p.Type)
}
