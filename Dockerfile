# Build stage: wheels only, so that the final stage needs no compiler.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN python -m venv /opt/surefoot \
 && /opt/surefoot/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock \
 && /opt/surefoot/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 surefoot && mkdir /data && chown surefoot /data
COPY --from=build /opt/surefoot /opt/surefoot
ENV PATH=/opt/surefoot/bin:$PATH SUREFOOT_DATA_DIR=/data SUREFOOT_HOST=0.0.0.0 PYTHONUNBUFFERED=1
USER surefoot
WORKDIR /data
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('SUREFOOT_PORT', '8787')}/healthz\", timeout=2)"]
CMD ["surefoot", "serve"]
