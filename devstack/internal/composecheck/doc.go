// Package composecheck tests docker-compose.yml, its overlay for real AWS and
// the Dockerfile: they are read as `docker compose` reads them, and compared with
// the programs' settings, flags and stand-ins.
package composecheck
