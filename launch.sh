#!/usr/bin/env bash
# Sets up gan_jax where it stands and runs it. `./launch.sh --help` says how.
set -euo pipefail
here="$PWD"  # paths in flags are relative to where the user stands
case "$0" in */*) me="$(printf %q "$0")" ;; *) me="./$(printf %q "$0")" ;; esac  # as it is typed from there
cd "$(dirname "$(readlink -f "$0")")"

usage() {
  cat <<'TEXT'
Usage: ./launch.sh COMMAND

  demo                  train a small Morpho-GAN on the embedded galaxies, evaluate it, say where the report is
                        (minutes on 2 cores, the first set-up aside)
  test [--fast] [...]   run the tests; --fast: those of two minutes, --notebooks: also notebooks of the documentation,
                        --slow: all of them, an hour or more
                        (further words go to pytest)
  run NAME [--flag=...] run a command. Training: gan, dcgan, cgan, acgan, acgan_s1_section4, mgan, wgan_gp, dragan, r3gan,
                        infogan, colorize, distgan, morpho. Looking: evaluate, compare, sample, inspect, studio. Taking elsewhere:
                        export (ONNX files, live GANs in a browser). Studies: toys, damage, collapse, gan_vs_dcgan,
                        ensemble, augment, few_images, two_models, penalty_cost, ablate, benchmarks
                        e.g. ./launch.sh run morpho --flagfile=morpho_64
  studio [--flag=...]   runs launched, watched and tried in a browser, at http://127.0.0.1:8080; Ctrl-C ends it, and runs go on
                        e.g. ./launch.sh studio --root=runs --jobs=2
  ablate [--flag=...]   runs over a grid of flags and seeds, scored and compared; the same as run ablate
                        e.g. ./launch.sh ablate --flagfile=ablate_quick --dry_run
  cluster VERB [...]    runs on the nodes of a SLURM cluster: submit, status, logs, cancel; the same as run cluster
                        e.g. ./launch.sh cluster submit morpho --flagfile=morpho_64 --nodes=2 --gpus_per_node=4
  docs                  build the documentation into site/, and say how to read it
  setup                 only make the environment
  --help                this text

The first call makes .venv (with uv if it is there, else venv and pip; with CUDA if nvidia-smi works).
GAN_JAX_PYTHON=/path/to/python uses an existing environment instead and needs no network.
TEXT
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "launch.sh: needs Python 3.11 or newer; on Debian: apt-get install python3 python3-venv" >&2
  exit 2
}

# In compat mode the package is found before a folder of its name, such as this one from above.
install_into_venv() {
  local extras="test,log,web" python stamp
  if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then extras="$extras,cuda"; fi
  stamp="$(cksum pyproject.toml | cut -d' ' -f1) $extras"
  if [ -x .venv/bin/python ] && [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ]; then return; fi
  echo "Setting up .venv (once; a few minutes) ..." >&2
  if command -v uv >/dev/null; then
    [ -x .venv/bin/python ] || uv venv --quiet --python '>=3.11' .venv
    uv pip install --quiet --python .venv/bin/python -e ".[$extras]" --config-settings editable_mode=compat
  else
    python="$(find_python)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv ||
      { echo "launch.sh: $python cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
    # pip 23, which Python 3.11 brings, takes five times as long; where no newer one is had, it will do.
    .venv/bin/python -m pip install --quiet --upgrade pip || true
    .venv/bin/python -m pip install --quiet -e ".[$extras]" --config-settings editable_mode=compat
  fi
  echo "$stamp" > .venv/stamp
  echo "Ready. Commands: $me run NAME, or gan-jax NAME after: source .venv/bin/activate" >&2
}

# What `run export` needs besides; jax2onnx by itself, see pyproject.toml.
install_export() {
  if "$PYTHON" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("jax2onnx"))'; then return; fi
  echo "Setting up the export (once) ..." >&2
  if command -v uv >/dev/null; then
    uv pip install --quiet --python "$PYTHON" -e ".[export]"
    uv pip install --quiet --python "$PYTHON" --no-deps "jax2onnx>=0.17"
  else
    "$PYTHON" -m pip install --quiet -e ".[export]"
    "$PYTHON" -m pip install --quiet --no-deps "jax2onnx>=0.17"
  fi
}

# What `docs` needs besides.
install_docs() {
  if "$PYTHON" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("material", "mkdocstrings", "latex2mathml"))))'; then return; fi
  echo "Setting up the documentation (once) ..." >&2
  if command -v uv >/dev/null; then
    uv pip install --quiet --python "$PYTHON" -e ".[docs]"
  else
    "$PYTHON" -m pip install --quiet -e ".[docs]"
  fi
}

setup() {
  if [ -n "${GAN_JAX_PYTHON:-}" ]; then
    PYTHON="$(cd "$here" && command -v "$GAN_JAX_PYTHON")" ||
      { echo "launch.sh: GAN_JAX_PYTHON=$GAN_JAX_PYTHON is not a Python to run" >&2; exit 2; }
    PYTHON="$(cd "$here" && realpath -s "$PYTHON")"
  else
    install_into_venv
    PYTHON="$PWD/.venv/bin/python"
  fi
  export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
}

case "${1:-}" in ablate | cluster) set -- run "$@" ;; esac
case "${1:-}" in
  demo)
    setup
    export GAN_JAX_PROGRAM="$me run"
    demo=runs/demo
    if [ "$here" != "$PWD" ]; then demo="$PWD/$demo"; fi  # as the commands that it suggests need it
    "$PYTHON" -m experiments.morpho --flagfile=morpho_quick --workdir="$demo" "${@:2}"
    "$PYTHON" -m experiments.evaluate --workdir="$demo" --n_images=2000 --repeats=3
    echo "The recommended recipe makes better galaxies in the same time, spiral arms too:"
    echo "  $me run train rare --flagfile=rare_quick"
    ;;
  test)
    setup
    exec "$PYTHON" -m pytest "${@:2}"
    ;;
  run)
    setup
    export GAN_JAX_PROGRAM="$me run"
    if [ "${2:-}" = export ] && [ -z "${GAN_JAX_PYTHON:-}" ]; then install_export; fi
    cd "$here"
    case "${2:-}" in
      benchmarks | penalty_cost) exec "$PYTHON" -m "experiments.$2" "${@:3}" ;;
      *) exec "$PYTHON" -m gan_jax "${@:2}" ;;
    esac
    ;;
  studio)
    setup
    cd "$here"
    if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then set -- "$@" --open; fi
    exec "$PYTHON" -m experiments.studio "${@:2}"
    ;;
  docs)
    setup
    if [ -z "${GAN_JAX_PYTHON:-}" ]; then install_docs; fi
    NO_MKDOCS_2_WARNING=1 "$PYTHON" -m mkdocs build --strict --quiet "${@:2}"
    echo "Written: site/. To read it: $PYTHON -m http.server -d site, then http://localhost:8000"
    ;;
  setup) setup ;;
  --help | -h | help) usage ;;
  *)
    echo "launch.sh: unknown command '${1:-}'" >&2
    usage >&2
    exit 2
    ;;
esac
