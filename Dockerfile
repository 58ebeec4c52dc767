# syntax=docker/dockerfile:1
# The image of the daemon: docker build -t forebay .

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/forebay
# The libraries first: they change less often than our own code. Every file has the hash that the lock names.
COPY requirements/run.lock requirements/run.lock
RUN /opt/forebay/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY connectors connectors
COPY destinations destinations
COPY normalizer normalizer
COPY router router
COPY store store
COPY inbox inbox
COPY outbox outbox
COPY casework casework
COPY config config
COPY console console
COPY gateway gateway
RUN /opt/forebay/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/forebay/bin/python -m compileall -q /opt/forebay/lib

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Forebay" \
      org.opencontainers.image.description="One gate for everything customers say" \
      org.opencontainers.image.licenses="GPL-3.0-or-later"
RUN useradd --system --uid 10001 --home-dir /var/lib/forebay --shell /usr/sbin/nologin forebay \
    && install -d -o forebay -g forebay -m 0700 /var/lib/forebay \
    && install -d /etc/forebay
COPY --from=build /opt/forebay /opt/forebay
ENV PATH=/opt/forebay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FOREBAY_DATA=/var/lib/forebay \
    FOREBAY_PORT=8080 \
    FOREBAY_CONFIG=/etc/forebay/config.yaml
USER 10001
WORKDIR /var/lib/forebay
VOLUME /var/lib/forebay
EXPOSE 8080 8025
# Told to stop, it finishes what is in hand within `inbox.shutdown`; give it a little longer before it is killed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD python -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['FOREBAY_PORT'] + '/healthz', timeout=4)"
ENTRYPOINT ["forebay"]
CMD ["run"]
