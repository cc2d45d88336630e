package awslocal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// errSkipped is returned for a value that depends on a skipped resource.
var errSkipped = errors.New("it refers to a resource that is not created here")

// noValue is what AWS::NoValue evaluates to: the property is omitted.
type noValue struct{}

var subVariable = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

// eval evaluates a node of the template: intrinsic functions in their short
// and long forms, and plain YAML.
func (s *stack) eval(ctx context.Context, n *yaml.Node) (any, error) {
	if name, arg, ok := function(n); ok {
		return s.call(ctx, name, arg)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return s.evalMapping(ctx, n)
	case yaml.SequenceNode:
		return s.evalList(ctx, n)
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("reading line %d: %w", n.Line, err)
		}
		return v, nil
	}
	return nil, fmt.Errorf("reading line %d: YAML aliases are not allowed in a template", n.Line)
}

// function recognises !Name arg, {"Fn::Name": arg}, {"Ref": arg} and
// {"Condition": arg}; the argument comes without the tag.
func function(n *yaml.Node) (string, *yaml.Node, bool) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		arg := *n
		arg.Tag = ""
		if n.Kind == yaml.ScalarNode {
			arg.Tag = "!!str"
		}
		return strings.TrimPrefix(n.Tag, "!"), &arg, true
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if name, ok := strings.CutPrefix(key, "Fn::"); ok || key == "Ref" {
			return name, n.Content[1], true
		}
	}
	return "", nil, false
}

func (s *stack) evalMapping(ctx context.Context, n *yaml.Node) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		v, err := s.eval(ctx, n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			out[n.Content[i].Value] = v
		}
	}
	return out, nil
}

func (s *stack) evalList(ctx context.Context, n *yaml.Node) ([]any, error) {
	out := make([]any, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := s.eval(ctx, item)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			out = append(out, v)
		}
	}
	return out, nil
}

func (s *stack) call(ctx context.Context, name string, arg *yaml.Node) (any, error) {
	switch name {
	case "Ref":
		return s.ref(ctx, arg.Value)
	case "GetAtt":
		return s.getAtt(ctx, arg)
	case "Condition":
		return s.condition(ctx, arg.Value)
	case "If":
		return s.ifElse(ctx, arg)
	case "Sub":
		return s.sub(ctx, arg)
	}
	args, err := s.arguments(ctx, name, arg)
	if err != nil {
		return nil, err
	}
	switch name {
	case "Equals":
		return len(args) == 2 && text(args[0]) == text(args[1]), nil
	case "Not":
		return len(args) == 1 && args[0] != true, nil
	case "And", "Or":
		all, anyOf := true, false
		for _, a := range args {
			all, anyOf = all && a == true, anyOf || a == true
		}
		return name == "And" && all || name == "Or" && anyOf, nil
	case "Join":
		if list, ok := args[1].([]any); ok {
			return joinTexts(text(args[0]), list), nil
		}
	case "Split":
		return splitText(text(args[0]), text(args[1])), nil
	case "Select":
		i, err := strconv.Atoi(text(args[0]))
		if list, ok := args[1].([]any); ok && err == nil && i >= 0 && i < len(list) {
			return list[i], nil
		}
	default:
		return nil, fmt.Errorf("reading line %d: the function %s is not known here", arg.Line, name)
	}
	return nil, fmt.Errorf("reading line %d: the arguments of %s are not valid", arg.Line, name)
}

// arguments evaluates a list of arguments; the functions of two get two.
func (s *stack) arguments(ctx context.Context, name string, arg *yaml.Node) ([]any, error) {
	if arg.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("reading line %d: %s needs a list", arg.Line, name)
	}
	args, err := s.evalList(ctx, arg)
	if err != nil {
		return nil, err
	}
	switch name {
	case "Join", "Split", "Select":
		if len(args) != 2 {
			return nil, fmt.Errorf("reading line %d: %s needs two arguments", arg.Line, name)
		}
	}
	return args, nil
}

func (s *stack) ifElse(ctx context.Context, arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, fmt.Errorf("reading line %d: If needs three arguments", arg.Line)
	}
	holds, err := s.condition(ctx, arg.Content[0].Value)
	if err != nil {
		return nil, err
	}
	if holds {
		return s.eval(ctx, arg.Content[1])
	}
	return s.eval(ctx, arg.Content[2])
}

// condition evaluates a named condition; the empty name always holds.
func (s *stack) condition(ctx context.Context, name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	n, ok := s.template.Conditions[name]
	if !ok {
		return false, fmt.Errorf("the template has no condition %s", name)
	}
	v, err := s.eval(ctx, &n)
	if err != nil {
		return false, fmt.Errorf("evaluating condition %s: %w", name, err)
	}
	return v == true, nil
}

func (s *stack) getAtt(ctx context.Context, arg *yaml.Node) (any, error) {
	id, attribute, _ := strings.Cut(arg.Value, ".")
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		id, attribute = arg.Content[0].Value, arg.Content[1].Value
	}
	return s.attribute(ctx, id, attribute)
}

// ref resolves a pseudo parameter, a parameter or a resource.
func (s *stack) ref(ctx context.Context, name string) (any, error) {
	switch name {
	case "AWS::Region":
		return s.to.Region, nil
	case "AWS::AccountId":
		return s.to.Account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::NoValue":
		return noValue{}, nil
	}
	if v, ok := s.params[name]; ok {
		return v, nil
	}
	return s.attribute(ctx, name, "")
}

// sub replaces ${Name} and ${Resource.Attribute} in a text, with variables of
// its own in the form of a list.
func (s *stack) sub(ctx context.Context, arg *yaml.Node) (any, error) {
	format, vars := arg.Value, map[string]any{}
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		format = arg.Content[0].Value
		own, err := s.eval(ctx, arg.Content[1])
		if err != nil {
			return nil, err
		}
		vars, _ = own.(map[string]any)
	}
	var failed error
	out := subVariable.ReplaceAllStringFunc(format, func(found string) string {
		parts := subVariable.FindStringSubmatch(found)
		if parts[1] == "!" { // ${!Literal}
			return "${" + parts[2] + "}"
		}
		v, ok := vars[parts[2]]
		if !ok {
			var err error
			if id, attribute, dotted := strings.Cut(parts[2], "."); dotted {
				v, err = s.attribute(ctx, id, attribute)
			} else {
				v, err = s.ref(ctx, parts[2])
			}
			failed = errors.Join(failed, err)
		}
		return text(v)
	})
	return out, failed
}

// text writes a scalar as CloudFormation passes it on.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func joinTexts(separator string, list []any) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = text(v)
	}
	return strings.Join(texts, separator)
}

func splitText(separator, s string) []any {
	var out []any
	for part := range strings.SplitSeq(s, separator) {
		out = append(out, strings.TrimSpace(part))
	}
	return out
}
