# relaytrack serve in a container.
#   docker build -t relaytrack .                            CPU
#   docker build -t relaytrack --build-arg DEVICE=cuda .    NVIDIA GPU (run it with --gpus all)
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
ARG DEVICE=cpu
ARG TORCH_CPU=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python -m venv /opt/relaytrack
ENV PATH=/opt/relaytrack/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN case "$DEVICE" in \
      cpu) pip install --index-url "$TORCH_CPU" torch ;; \
      cuda) pip install torch ;; \
      *) echo "DEVICE is cpu or cuda" >&2; exit 1 ;; \
    esac
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY pipeline pipeline
COPY reid reid
COPY trackers trackers
RUN pip install ".[web,events]"
RUN if [ "$DEVICE" = cuda ]; then pip uninstall -y onnxruntime && pip install onnxruntime-gpu; fi

FROM python:${PYTHON}-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /data relaytrack
COPY --from=build /opt/relaytrack /opt/relaytrack
ENV PATH=/opt/relaytrack/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/data/cache
WORKDIR /data
USER relaytrack
VOLUME /data
EXPOSE 8600
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8600/live', timeout=4)"]
ENTRYPOINT ["relaytrack"]
CMD ["serve", "--host", "0.0.0.0", "--log-format", "json"]
