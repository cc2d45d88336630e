package temporalserver_test

import (
	"testing"

	"healthlake-cdc/devstack/internal/temporalserver"
)

func TestMain(m *testing.M) {
	temporalserver.RunIfChild()
	m.Run()
}
