# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
# llama.cpp is built with cmake; libclang reads its headers. The versions are Debian's, frozen with the base image's release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep a change of one line from building llama.cpp again. What is built does not depend on this machine's
# processor: llama.cpp's CPU code is there in a variant for each generation, and the best is loaded. Links that an earlier
# build left in the cache would stop llama.cpp's build script.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    rm -f target/release/lib*.so* target/release/*/lib*.so* \
    && cargo build --release --locked --features dynamic-backends -p bot --bin groupchat \
    && scripts/install.sh target/release/groupchat /install

FROM debian:bookworm-slim
# curl is for the health check alone. PostgreSQL is missing on purpose: a container is given the URL of a server.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/groupchat groupchat
COPY --from=build /install /usr/local
COPY config/groupchat.toml /etc/groupchat/groupchat.toml
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/groupchat/
ENV GROUPCHAT__DATABASE__DATA=/var/lib/groupchat \
    GROUPCHAT__WEB__LISTEN=0.0.0.0:8017
USER 10001
VOLUME /var/lib/groupchat
EXPOSE 8017
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", "http://127.0.0.1:8017/health"]
ENTRYPOINT ["groupchat"]
CMD ["run", "--config", "/etc/groupchat/groupchat.toml"]
