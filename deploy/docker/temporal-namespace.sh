#!/bin/sh
# Creates the namespace TEMPORAL_NAMESPACE in the server at TEMPORAL_ADDRESS, if it does
# not exist. Closed windows, and so their ledgers, are kept for NAMESPACE_RETENTION.
set -eu
tries=60
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ]; then
    echo "the Temporal server is not ready after 60 s: see its log" >&2
    exit 1
  fi
  sleep 1
done
temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$NAMESPACE_RETENTION"
