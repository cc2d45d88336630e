#!/bin/sh
# Creates Temporal's databases and brings their schemas up to the version of this
# image. It keeps what exists, so it runs at every start. The SQL_ variables say where the
# database is and which user to use.
set -eu
for database in temporal temporal_visibility; do
  schema=${database#temporal_}
  export SQL_DATABASE="$database"
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema -v 0.0
  temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
