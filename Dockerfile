# One image for every process of Mendstream; the container's command says which (`processor`, `executor`, `views`, ...).
#
# It runs with a read-only root filesystem. Writable must be /tmp (a tmpfs will do) and, for what has to outlive a container,
# /var/lib/mendstream (a volume): a processor's notes of what it folds (MENDSTREAM_CRASH_DIRECTORY), an executor's file targets.
# No HEALTHCHECK here: only some commands serve /ready, so whoever starts a container says how to ask it (docker-compose.yml, the chart).

# The minor version that the tests run on.
ARG PYTHON=3.11.17-slim-trixie

FROM python:${PYTHON} AS builder
WORKDIR /app
# deploy/runtime.lock is requirements.lock without the tools for tests and builds: the same versions and hashes.
COPY deploy/runtime.lock /tmp/runtime.lock
# Wheels only: a package built from its source would bring build tools that no lock names. The venv gets no pip.
RUN python -m venv --without-pip /opt/mendstream \
    && pip --python /opt/mendstream install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
       --requirement /tmp/runtime.lock
COPY schemas schemas
COPY state state
COPY agents agents
COPY streams streams
COPY gateway gateway
# What `mendstream demo` publishes; data/README.md has the licences of the data sets.
COPY data data
COPY LICENSE LICENSE
RUN /opt/mendstream/bin/python -m compileall -q schemas state agents streams gateway
# What the processor folds with, as machine code for this kind of processor; on another it is compiled at the first start.
RUN MENDSTREAM_COMPILED_DIRECTORY=/app/compiled /opt/mendstream/bin/python -m streams compile

FROM python:${PYTHON} AS runtime
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mendstream" \
      org.opencontainers.image.description="An event-driven Kafka stream processor that mends AI models from a stream." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:3.11.17-slim-trixie"
# A number, so that Kubernetes can tell that it is not root; a name too, for libraries that look one up.
RUN groupadd --gid 10001 mendstream \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin mendstream \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/mendstream
COPY --from=builder /opt/mendstream /opt/mendstream
COPY --from=builder /app /app
ENV PATH=/opt/mendstream/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MENDSTREAM_COMPILED_DIRECTORY=/app/compiled \
    HOME=/tmp
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["python", "-m", "streams"]
CMD ["--help"]
