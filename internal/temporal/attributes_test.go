package temporal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
)

var errDenied = serviceerror.NewPermissionDenied("Request unauthorized.", "")

var all = map[string]enumspb.IndexedValueType{
	"CdcDatastore":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"CdcState":       enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"CdcTypes":       enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	"CdcWindowStart": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	"CdcPublished":   enumspb.INDEXED_VALUE_TYPE_INT,
}

func TestAttributesAreCreatedAndAwaited(t *testing.T) {
	f := startFrontend(t)
	f.lag = 7 // a whole round of questions finds nothing yet
	f.attributes["CdcState"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	commands, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "default")
	require.NoError(t, err)
	require.Empty(t, commands)
	require.Equal(t, all, f.attributes)

	adds := f.adds
	commands, err = ensureSearchAttributes(t.Context(), connect(t, f).Client, "default")
	require.NoError(t, err)
	require.Empty(t, commands)
	require.Equal(t, adds, f.adds, "what is there is not created again")
}

func TestARaceForTheColumnsIsTriedAgain(t *testing.T) {
	f := startFrontend(t)
	f.addErrs = []error{serviceerror.NewInternal("race condition adding search attributes")}
	commands, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "default")
	require.NoError(t, err)
	require.Empty(t, commands)
	require.Equal(t, 2, f.adds)
}

func TestCommandsWhereCreatingIsNotPermitted(t *testing.T) {
	for name, err := range map[string]error{
		"denied":        errDenied,
		"unimplemented": serviceerror.NewUnimplemented("unknown service"),
	} {
		t.Run(name, func(t *testing.T) {
			f := startFrontend(t)
			f.listErr, f.addErrs = err, []error{err}
			f.attributes["CdcDatastore"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
			commands, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "clinic's own")
			require.NoError(t, err)
			require.Equal(t, []string{
				`temporal operator search-attribute create --namespace 'clinic'\''s own' --name CdcState --type Keyword`,
				`temporal operator search-attribute create --namespace 'clinic'\''s own' --name CdcTypes --type KeywordList`,
				`temporal operator search-attribute create --namespace 'clinic'\''s own' --name CdcWindowStart --type Datetime`,
				`temporal operator search-attribute create --namespace 'clinic'\''s own' --name CdcPublished --type Int`,
			}, commands)
		})
	}
}

func TestHostedServersThatHaveThemNeedNoPermission(t *testing.T) {
	f := startFrontend(t)
	f.attributes = all
	f.listErr = errDenied
	commands, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "default")
	require.NoError(t, err)
	require.Empty(t, commands)
	require.Zero(t, f.adds)
}

func TestAttributeOfAnotherType(t *testing.T) {
	f := startFrontend(t)
	f.attributes["CdcTypes"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	_, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "clinic")
	require.ErrorContains(t, err, `CdcTypes of namespace "clinic" is of type Keyword and must be KeywordList`)
	require.Zero(t, f.adds)
}

func TestAFullNamespaceIsAnErrorWithCommands(t *testing.T) {
	f := startFrontend(t)
	f.addErrs = []error{serviceerror.NewInvalidArgument("cannot have more than 3 search attribute of type Int")}
	commands, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "default")
	require.ErrorContains(t, err, "more than 3")
	require.Len(t, commands, 5)
}

func TestAMissingNamespaceIsAnError(t *testing.T) {
	f := startFrontend(t)
	f.countErr = serviceerror.NewNamespaceNotFound("clinic")
	_, err := ensureSearchAttributes(t.Context(), connect(t, f).Client, "clinic")
	require.ErrorContains(t, err, `namespace "clinic"`)
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	f := startFrontend(t)
	f.lag = 1 << 30
	c := connect(t, f).Client
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.onAdd = cancel
	_, err := ensureSearchAttributes(ctx, c, "default")
	require.Error(t, err)
	require.Error(t, ctx.Err())
	require.Equal(t, 1, f.adds)
}
