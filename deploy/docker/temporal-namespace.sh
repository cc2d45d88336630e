#!/bin/sh
# Creates the namespace TEMPORAL_NAMESPACE, unless it is there, in the server at
# TEMPORAL_ADDRESS. Closed windows are kept for NAMESPACE_RETENTION: as long as
# ledgers can be read.
set -eu
tries=60
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ]; then
    echo "the Temporal server does not serve: see its log" >&2
    exit 1
  fi
  sleep 1
done
temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$NAMESPACE_RETENTION"
