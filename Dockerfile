# gan_jax on a CPU:
#
#   docker build -t gan-jax .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" gan-jax train morpho --flagfile=morpho_quick
#   docker run --rm -v "$PWD:/work" -p 127.0.0.1:8080:8080 gan-jax studio --host=0.0.0.0 --token=SECRET
FROM python:3.12-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gan_jax gan_jax
RUN pip install --no-cache-dir '.[log,web]' && rm -rf /src

# A folder that any user may write to.
ENV GAN_JAX_CACHE=/cache HOME=/cache MPLCONFIGDIR=/cache/matplotlib
RUN mkdir -m 1777 /cache
VOLUME /cache

WORKDIR /work
EXPOSE 8080
ENTRYPOINT ["gan-jax"]
CMD ["--help"]
