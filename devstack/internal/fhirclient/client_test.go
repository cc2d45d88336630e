package fhirclient_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
)

func newClient(endpoint string) *fhirclient.Client {
	return &fhirclient.Client{
		Endpoint: endpoint + "/", Datastore: simulator.DefaultDatastore, Region: "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return simulator.DefaultCredentials, nil
		}),
	}
}

func TestErrorsNameNoResource(t *testing.T) {
	ctx := context.Background()
	s := simulator.New(simulator.Config{})
	require.NoError(t, s.Start("127.0.0.1:0"))
	c := newClient(s.URL())

	_, err := c.Read(ctx, "Patient", "secret-id")
	var status *fhirclient.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, http.StatusNotFound, status.Status)
	require.NotContains(t, err.Error(), "secret-id")

	require.NoError(t, s.Close())
	_, err = c.Read(ctx, "Patient", "secret-id")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret-id")
	require.NotContains(t, err.Error(), "/datastore/")
}

func TestCredentialsAreNeededForEachRequest(t *testing.T) {
	c := newClient("http://127.0.0.1:1")
	broken := errors.New("no credentials")
	c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, broken })
	require.ErrorIs(t, c.Delete(context.Background(), "Patient", "p"), broken)
}
