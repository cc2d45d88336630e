package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKept(t *testing.T) {
	keeps, err := Kept(t.Context(), &aQueue{keeps: map[string]string{"live": "345600", "dead": "1209600"}}, "live")
	require.NoError(t, err)
	require.Equal(t, Keeps{Queue: 96 * time.Hour, DLQ: 14 * 24 * time.Hour}, keeps)
	require.Equal(t, 14*24*time.Hour, keeps.Max())

	keeps, err = Kept(t.Context(), &aQueue{keeps: map[string]string{"live": "60"}, noDLQ: true}, "live")
	require.NoError(t, err)
	require.Equal(t, Keeps{Queue: time.Minute}, keeps)

	keeps, err = Kept(t.Context(), &aQueue{keeps: map[string]string{"live": "60"}, policy: "{}"}, "live")
	require.ErrorContains(t, err, "redrive policy cannot be read")
	require.Equal(t, time.Minute, keeps.Queue, "what could be found out")
}
