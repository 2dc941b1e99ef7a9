# The worker as a container: built from this tree, without the tools that built it.
ARG PYTHON_IMAGE=python:3.13.7-slim-trixie

# --- build: the wheel, and an environment with it and the tested packages -------
# Every file from the index has to have a hash that the two files name. The image above is
# pinned by its exact version; a deployment that pins by digest passes PYTHON_IMAGE=...@sha256:...
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY . .
RUN python -m venv /opt/outbox-worker \
    && pip install --require-hashes -r requirements-build.lock \
    && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/outbox-worker/bin/pip install --require-hashes -r requirements.lock \
    && /opt/outbox-worker/bin/pip install --no-deps --no-index /wheels/*.whl \
    && /opt/outbox-worker/bin/pip check

# --- runtime ---------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="outbox-worker" \
      org.opencontainers.image.description="Transactional outbox: events committed in Postgres reach Kafka exactly once and in order." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, so that a cluster can verify that it is not root without a look inside.
RUN groupadd --system --gid 10001 outbox \
    && useradd --system --no-log-init --no-create-home --uid 10001 --gid outbox outbox
COPY --from=build /opt/outbox-worker /opt/outbox-worker

ENV PATH="/opt/outbox-worker/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OUTBOX_HTTP_ADDRESS=0.0.0.0:9464
EXPOSE 9464
USER 10001:10001
WORKDIR /
STOPSIGNAL SIGTERM

# Asked where the worker binds, by no proxy; nobody where it is told to do without. /livez
# answers 503, which raises, when a loop has not moved lately.
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; at = os.environ['OUTBOX_HTTP_ADDRESS']; at and u.build_opener(u.ProxyHandler({})).open('http://' + at + '/livez', timeout=3)"]

ENTRYPOINT ["outbox-worker"]
CMD ["run"]
