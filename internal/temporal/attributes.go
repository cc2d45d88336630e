package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"

	"healthlake-cdc/internal/cdc"
)

const (
	// usableWithin is how long new attributes may take: servers on Elasticsearch
	// refresh their cache of attributes once a minute.
	usableWithin = 90 * time.Second
	// firstPause and maxPause lie between two looks at whether they are there.
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// attribute is a search attribute that our workflows use, and a condition on it
// that no execution meets: only a server that knows the attribute accepts it.
type attribute struct {
	key   temporal.SearchAttributeKey
	never string
}

var attributes = []attribute{
	{cdc.AttrDatastore, "= 'none'"},
	{cdc.AttrState, "= 'none'"},
	{cdc.AttrTypes, "= 'none'"},
	{cdc.AttrWindowStart, "< '1970-01-01T00:00:00Z'"},
	{cdc.AttrPublished, "< 0"},
}

func (a attribute) name() string                   { return a.key.GetName() }
func (a attribute) kind() enumspb.IndexedValueType { return a.key.GetValueType() }

// ensureSearchAttributes creates the search attributes of internal/cdc that the
// namespace lacks, where it may, and waits until all can be used.
//
// It returns the commands that an operator has to run when creating them is not
// permitted, and an error for, say, a full namespace or an attribute of another type.
// With either, executions must be started without attributes: a start with an unknown
// one fails, and an upsert fails its workflow task indefinitely.
func ensureSearchAttributes(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, usableWithin)
	defer cancel()
	missing, err := missingAttributes(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	if err := checkTypes(ctx, c, namespace); err != nil {
		return nil, err
	}
	for pause := firstPause; len(missing) > 0; pause = min(2*pause, maxPause) {
		// Again each time: programs that start together race for the same columns, and
		// the server fails all but one of them.
		failed := add(ctx, c, namespace, missing)
		switch code(failed) {
		case codes.OK, codes.AlreadyExists, codes.Unavailable, codes.Aborted, codes.Internal, codes.Unknown:
		case codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
			return commands(namespace, missing), nil
		default:
			return commands(namespace, missing), fmt.Errorf("creating search attributes %s: %w", names(missing), failed)
		}
		select {
		case <-ctx.Done():
			return commands(namespace, missing),
				fmt.Errorf("waiting for search attributes %s to become usable: %w", names(missing), errors.Join(failed, ctx.Err()))
		case <-time.After(pause):
		}
		if missing, err = missingAttributes(ctx, c, namespace); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// missingAttributes looks by a query, which any client may make, and which fails for
// just as long as the attribute cannot be used.
func missingAttributes(ctx context.Context, c client.Client, namespace string) ([]attribute, error) {
	var missing []attribute
	for _, a := range attributes {
		_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: namespace,
			Query:     fmt.Sprintf("WorkflowId = 'none' AND %s %s", a.name(), a.never),
		})
		switch code(err) {
		case codes.OK:
		case codes.InvalidArgument:
			missing = append(missing, a)
		default:
			return nil, fmt.Errorf("looking for search attribute %s in namespace %q: %w", a.name(), namespace, err)
		}
	}
	return missing, nil
}

// checkTypes returns an error for an attribute of another type, where the server lets
// us see the types.
func checkTypes(ctx context.Context, c client.Client, namespace string) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil //nolint:nilerr // hosted servers keep this call to themselves
	}
	for _, a := range attributes {
		if kind, ok := known.GetCustomAttributes()[a.name()]; ok && kind != a.kind() {
			return fmt.Errorf("search attribute %s of namespace %q is of type %v and must be %v: remove it or use another namespace",
				a.name(), namespace, kind, a.kind())
		}
	}
	return nil
}

func add(ctx context.Context, c client.Client, namespace string, missing []attribute) error {
	request := &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: make(map[string]enumspb.IndexedValueType, len(missing)),
	}
	for _, a := range missing {
		request.SearchAttributes[a.name()] = a.kind()
	}
	_, err := c.OperatorService().AddSearchAttributes(ctx, request)
	return err
}

// commands are what an operator types into a shell.
func commands(namespace string, missing []attribute) []string {
	out := make([]string, len(missing))
	for i, a := range missing {
		out[i] = fmt.Sprintf("temporal operator search-attribute create --namespace %s --name %s --type %v", quote(namespace), a.name(), a.kind())
	}
	return out
}

// quote makes a name that a shell would take apart one word.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func names(missing []attribute) string {
	out := make([]string, len(missing))
	for i, a := range missing {
		out[i] = a.name()
	}
	return strings.Join(out, ", ")
}

// code is the gRPC code of an error of either kind that clients return.
func code(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return serviceerror.ToStatus(err).Code()
}
