# One image for amd64 and arm64: every library has a wheel for both, so nothing is compiled.
#   docker build -t ptctl .
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/ptctl:0.1.0 --push .
# To build the same image again, name the base by its digest (python:3.11-slim-bookworm@sha256:…) in both places.
# There is no HEALTHCHECK here: one image is `serve`, `apply` and every other command. examples/compose has one for `serve`.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY reconciler reconciler
RUN python -m venv /opt/ptctl \
 && /opt/ptctl/bin/pip install --no-cache-dir '.[ffmpeg,redis]' \
 && /opt/ptctl/bin/python -m compileall -q /opt/ptctl

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title=ptctl org.opencontainers.image.description="Live TV for Plex as code" org.opencontainers.image.licenses=MIT
COPY --from=build /opt/ptctl /opt/ptctl
# A fresh named volume takes over the mode of this directory: any user may run the image.
RUN install -d -m 1777 /state
ENV PATH=/opt/ptctl/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PTCTL_SPEC=/spec/ptctl.yaml PTCTL_STATE=/state
USER 10001:10001
VOLUME /state
EXPOSE 5004-5030
ENTRYPOINT ["ptctl"]
CMD ["serve"]
