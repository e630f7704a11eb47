# syntax=docker/dockerfile:1
# A node in a small image that runs as nobody special. `docker build -t linker .`

FROM rust:1.95.0-slim-bookworm AS build
# The allocator is built with it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /linker
COPY . .
# The caches make a second build short; the program is copied out of them, since they are not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/linker/target \
    cargo build --release --locked -p linker-server \
    && cp target/release/linker-server /linker-server

FROM debian:12.13-slim
# The authorities that vouch for https, rediss, amqps and PostgreSQL over TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin linker \
    && install --directory --owner=linker --group=linker /data
COPY --from=build /linker-server /usr/local/bin/linker-server
COPY --chmod=755 deploy/ready.sh /usr/local/bin/linker-ready
USER linker
WORKDIR /data
VOLUME /data
# Of every machine, since this is a container: the admin port then needs LINKER__SERVER__ADMINTOKEN (or …FILE).
ENV LINKER__SERVER__BIND=0.0.0.0:8088 \
    LINKER__SERVER__ADMINBIND=0.0.0.0:8090 \
    LINKER__SERVER__DATADIR=/data
EXPOSE 8088 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["linker-ready"]
ENTRYPOINT ["linker-server"]
