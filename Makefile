# make demo: the main job on a fresh machine (python3 with venv, and make).   make serve: the page.   make test: all tests.
PYTHON    ?= python3
VENV      := .venv
BIN       := $(VENV)/bin
STAMP     := $(VENV)/.installed
TOOLS     := $(VENV)/.tools
PIP       := $(BIN)/python -m pip --disable-pip-version-check
# Without an NVIDIA GPU torch is taken in its CPU build, which is much smaller; TORCH_CPU= (empty) takes the usual one.
TORCH_CPU ?= https://download.pytorch.org/whl/cpu
CPU_INDEX := --extra-index-url $(TORCH_CPU) --retries 1 --timeout 10

.PHONY: demo serve test lint install tools links clean

install: $(STAMP)
tools: $(TOOLS) links

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' || \
	  { echo "relaytrack needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing; on Debian: sudo apt-get install -y python3-venv"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if test -n "$(TORCH_CPU)" -a "$$(uname -s)" = Linux -a ! -e /dev/nvidiactl -a ! -e /dev/dxg; then \
	  build=$$($(PIP) index versions torch $(CPU_INDEX) 2>/dev/null | grep -o '[0-9][0-9.]*+cpu' | head -n 1); \
	  test -z "$$build" || { echo "no GPU here: torch $$build"; $(PIP) install -qq --no-deps "torch==$$build" $(CPU_INDEX); }; \
	fi
	$(PIP) install --quiet -e .
	@$(BIN)/python -c 'import cv2' 2>$(VENV)/cv2.log || { cat $(VENV)/cv2.log; \
	  echo "OpenCV lacks a system library; on Debian: sudo apt-get install -y libgl1 libglib2.0-0"; exit 2; }
	@touch $(STAMP)

# The packages under their installed names, for tools that read files instead of importing: mypy, and editors.
LINKS := build/links/relaytrack
links:
	@mkdir -p $(LINKS)
	@for folder in pipeline reid trackers; do ln -sfn ../../../$$folder $(LINKS)/$$folder; done
	@for file in pipeline/public/*.*; do ln -sfn ../../../$$file $(LINKS)/$${file##*/}; done

# The tests' tools. torchvision must be of the same build as torch: where there is none for the CPU, both are the usual ones.
$(TOOLS): $(STAMP)
	@build=$$($(BIN)/python -c 'import torch; print(torch.__version__)'); vision=; \
	case "$$build" in *+cpu) \
	  vision=$$($(PIP) index versions torchvision $(CPU_INDEX) 2>/dev/null | grep -o '[0-9][0-9.]*+cpu' | head -n 1); \
	  test -z "$$vision" || $(PIP) install -qq --no-deps "torchvision==$$vision" $(CPU_INDEX); \
	  test -n "$$vision" || { echo "no torchvision for torch $$build here: the usual builds"; other="torch!=$$build"; };; \
	esac; \
	$(PIP) install --quiet -e '.[dev]' $$other
	@touch $(TOOLS)

demo: $(STAMP)
	$(BIN)/relaytrack demo --out out/demo --overwrite

# The two sample clips as live cameras, in the browser: http://127.0.0.1:8600/
serve: $(STAMP)
	@$(BIN)/python -c 'import fastapi, uvicorn, argon2, ruamel.yaml' 2>/dev/null || $(PIP) install --quiet -e '.[web]'
	@mkdir -p out/sample-site
	@test -e out/sample-site/site.yaml || sed 's|\.\./samples|$(CURDIR)/samples|' configs/serve.yaml > out/sample-site/site.yaml
	$(BIN)/relaytrack serve --dir out/sample-site

# Many tests wait for cameras, servers and clocks: two files of tests run side by side. One that fails there may have
# lacked time; it passes alone or is a fault.
WORKERS ?= 2
test: $(TOOLS) links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile || { echo "What failed, once more without company:"; \
	  $(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none; }

lint: $(TOOLS) links
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) out build *.egg-info
