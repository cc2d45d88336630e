#!/bin/sh
# Creates Temporal's databases and brings their schemas up to the version of this
# image. What is there already stays, so it runs at every start. Where the
# database is and who we are comes from SQL_ variables.
set -eu
for database in temporal temporal_visibility; do
  schema=${database#temporal_}
  export SQL_DATABASE="$database"
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema -v 0.0
  temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
