# syntax=docker/dockerfile:1.10@sha256:865e5dd094beca432e8c0a1d5e1c465db5f998dca4e439981029b3b81fb39ed5
# One image for each of the three programs: a static binary, the CA certificates, and a
# user without a name or privileges. No shell, no package manager.
#
#   docker build --target worker  -t healthlake-cdc/worker .
#   docker build --target starter -t healthlake-cdc/starter .
#   docker build --target devstack -t healthlake-cdc/devstack .    (synthetic data only)

# The build machine compiles for every platform.
FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:6c2a5538f964f1c82f97ad14988bf05de100d922d159d0e398b54c7b0ca0c6c9 AS source
# Each module builds by its own go.mod; go.work is for development.
ENV CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local GOFLAGS="-trimpath -buildvcs=false"
WORKDIR /src
# Dependencies change less often than sources, so they have layers of their own.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH

FROM source AS build-worker
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags="-s -w" -o /out/worker ./worker

FROM source AS build-starter
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags="-s -w" -o /out/starter ./starter

# devstack's go.mod replaces healthlake-cdc with the folder above it. `devstack up` and
# `devstack demo` need Go and the sources: they build Temporal, worker and starter.
FROM source AS build-devstack
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -C devstack -ldflags="-s -w" -o /out/devstack .

FROM scratch AS base
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, so that Kubernetes can verify that it is not root.
USER 65532:65532

FROM base AS devstack
COPY --from=build-devstack /out/devstack /devstack
EXPOSE 4566 4580 8081
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s CMD ["/devstack", "probe"]
ENTRYPOINT ["/devstack"]
CMD ["parts"]

FROM base AS starter
COPY --from=build-starter /out/starter /starter
HEALTHCHECK NONE
ENTRYPOINT ["/starter"]
CMD ["--help"]

# The last target is what `docker build .` builds.
FROM base AS worker
COPY --from=build-worker /out/worker /worker
# On loopback, nothing outside the container could scrape it.
ENV CDC_METRICS_ADDR=0.0.0.0:9464
EXPOSE 9464
# healthz: a worker that waits for Temporal is alive, and a restart would not help.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["/worker", "--probe", "healthz"]
ENTRYPOINT ["/worker"]
