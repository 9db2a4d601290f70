# make demo            draw a catalogue and show it with a simulated camera
# make test            install what the tests need and run them, in random order
# make test PYTEST=--randomly-seed=1   in the order of an earlier run, which names its seed
# make test-fast       the useful minute of them: no browser, broker, emulator or demonstration
# make coverage        the same as make test, and which lines no test reaches
# make test-clock AT='2026-11-29 23:50:00'   run them at another hour; TZ=Asia/Tokyo elsewhere
# make mutants         break changed modules on purpose, and list what no test noticed; ten minutes
# make extras-check    add each extra to the base install; pip must find no conflict; minutes
# make lock            renew locks/: the versions of all packages, and their files' hashes
# make docs            build the pages of docs/ as a site, into build/site
# make bench           measure speed and memory, as ratios to the bare network
# make memory          measure memory and open files after hours of use, shortened to minutes
# make bench-link      measure following a channel, beside plain copying from the same store
# make bench-wire      measure what a device fetches of a newer catalogue
# make bench-slow-link measure how old the live picture is at the end of a slow link
# make measure         measure how often it is right: real photos and the simulated camera
# make sizes           measure catalogues of 1,000, 10,000 and 100,000 photos
# make crash-test      kill pull, publish and build, and cut the power, at hundreds of points; as root
# make teach-test      kill a device while it saves what it is taught: nothing that it said is lost
# make api-test        ask the API for minutes what nobody would ask
# make bench-crowd     measure how late answers are while many look; AGAINST=TREE: beside another checkout
# make bench-kiosk     use a kiosk's page for half an hour; neither its heap nor its nodes may grow
# make scale-test      build on a Ray cluster, kill workers and the driver: the same bytes as here
# make bench-scale     assemble bundles of a store of 100,000 photos; PHOTOS=10000 for fewer
# make bench-build     measure the processor time of a build by stage; PHOTOS=10000 for more
# make bench-chain     draw 100,000 photos, build of them, and assemble 400 shops' bundles; hours
# make damage-test     flip bits in an outbox's files, and account for every event
# make provisioning-test  provision 200 devices, one after the other, by a claim certificate
# make loss-test       kill, cut off, power off what reports, and count what was lost: nothing
# make tuf-conformance SUITE=DIR   hold the trust code against a checkout of the TUF suite
# make device-wheels   build what a device without AVX needs (an Atom): docs/devices.md
# make wheelhouse      gather the wheels that a device installs, into wheelhouse/: docs/devices.md
# make release KEYS=DIR   gather, list and sign all of it, into build/release/: docs/releases.md
# make shop            two kiosks, three simulated days, twenty kills; one report, build/shop.html
# make soak            thirty simulated days of a device; SOAK="--days 2": fewer
# make update-test     kill a device a hundred times while it updates its program: one version runs
# make device          make the Debian package of a device, and what a stick needs: docs/install.md
# make device-test     boot a Debian without a network; install, kill, upgrade, go back, remove; as root;
#                      LARGE="BUNDLE ...": measure it with these catalogues, too
# make device DEBIAN=trixie   the same for another release of Debian; device-test has it, too; as root
# make device-aarch64  make the package for a Raspberry Pi on this machine; as root; DEBIAN=trixie has it, too
# make device-aarch64-test   install it in an emulated Debian, build a catalogue there, and ask; as root
# make container       build the container image of that package, with podman, buildah or docker
# make container-test  take the image's steps in a Debian, and run it read-only there; as root
# make audit           check versions, files, licences and native libraries against what is allowed
# make sbom            list what these wheels are made of, native libraries too, into build/sbom.cdx.json
# make greengrass-component BUCKET=NAME   pack this program for a Greengrass V2 core: docs/aws.md
# make greengrass-check   see that the packed component installs without a network
# make deeplens-check  see that Annoy's wheel, and all others, suit a DeepLens
# make resolver-check  see that the base install resolves on Python 3.11, 3.12 and 3.13
# make atom-test       show on an emulated Atom that it runs there
# make train           train the embedded network anew, eight hours: training/README.md
# make aarch64-test    the same for aarch64 (a Raspberry Pi); as root on Debian 12

PYTHON ?= python3
PORT ?= 8080
CAMERA ?= simulated:6
MODEL ?= embedded
VENV ?= .venv
WHEELS ?= wheels
WHEELHOUSE ?= wheelhouse
WHEELHOUSES ?=
WITH ?=
RELEASE ?= build/release
KEYS ?=
PASSPHRASE_FILE ?=
DEBIAN ?=
DEVICE ?= build/device$(addprefix -,$(DEBIAN))
IMAGE ?= visual-search
BASE ?=
COMPONENT ?= build/greengrass
TRAINING ?= $(HOME)/.cache/visual-search-training
CUTOUTS ?= $(TRAINING)/package/assets
MINUTES ?= 440
MEMORY ?=
SHOP ?=
SOAK ?=
DAMAGE ?=
MUTANTS ?=
PHOTOS ?=
AGAINST ?=
AT ?= 2026-11-29 23:50:00
BIN := $(VENV)/bin
# The same commit gives the same bytes: files in a wheel are as old as the commit.
export SOURCE_DATE_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 1764374400))
SHELL := /bin/bash

# For two cores: many tests wait for a browser, a broker or a program, and leave a core to others.
PROCESSES ?= 5

# In a log of CI nobody watches a bar grow.
PIP := $(BIN)/pip --disable-pip-version-check $(if $(CI),--quiet)
# What the lock names, and no other file: docs/dependencies.md. This program itself comes last.
LOCKED = $(PIP) install --require-hashes --no-deps --no-build-isolation -r
WHEEL = $(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation
ITSELF = $(PIP) install --no-deps --no-build-isolation -e .
# One thread of OpenBLAS in each process: where cores are busy, two spend a sixth of the time waiting.
PYTEST_OPTIONS = -m pytest --numprocesses=$(PROCESSES) --dist=worksteal
# With bytecode, whatever the environment says: else each process of these compiles all modules anew.
PYTEST_ENV = env -u PYTHONDONTWRITEBYTECODE OPENBLAS_NUM_THREADS=1
PYTEST_RUN = $(PYTEST_ENV) $(BIN)/python $(PYTEST_OPTIONS)
# MXNet's tests, in the files that name it; among those that PYTEST chooses there may be none. They
# run beside the others, of which many wait.
MXNET_TESTS = $(shell grep -rl mxnet tests --include='test_*.py')
PYTEST_OLD = $(PYTEST_ENV) $(VENV)-mxnet/bin/python $(PYTEST_OPTIONS) --numprocesses=2 -m mxnet \
  $(or $(PYTEST),$(MXNET_TESTS)) $(if $(PYTEST),|| [ $$? -eq 5 ])

.PHONY: demo test test-fast test-clock coverage lint docs bench memory bench-link bench-wire bench-slow-link measure sizes \
  api-test provisioning-test shop soak bench-crowd bench-kiosk bench-scale bench-build bench-chain scale-test crash-test damage-test teach-test mutants tuf-conformance lock wheelhouse device device-test device-aarch64 device-aarch64-test container container-test release update-test audit sbom device-wheels loss-test deeplens-check extras-check greengrass-component \
  greengrass-check resolver-check atom-test aarch64-test train clean

demo: $(VENV)/demo $(if $(findstring efficientnet-lite0,$(MODEL)),$(VENV)/pretrained)
	@export VISUAL_SEARCH_DEVICE__DATA_DIR=$${VISUAL_SEARCH_DEVICE__DATA_DIR:-.demo}; \
	 [ -e "$$VISUAL_SEARCH_DEVICE__DATA_DIR/demo/catalogue.bundle" ] || \
	   echo "Drawing a catalogue and building its index (a minute, once) ..."; \
	 exec $(BIN)/visual-search demo --port $(PORT) --camera "$(CAMERA)" --model "$(MODEL)"

test: $(VENV)/test $(VENV)-mxnet/test
	@tests/install/debian-packages
	@log=$$(mktemp); { $(PYTEST_OLD); } >"$$log" 2>&1 & beside=$$!; \
	$(PYTEST_RUN) $(PYTEST); failed=$$?; wait $$beside || failed=1; cat "$$log"; rm "$$log"; exit $$failed

coverage: $(VENV)/test
	@tests/install/debian-packages
	$(PYTEST_RUN) --cov=catalog --cov=edge --cov=sync --cov=visual_search \
	  --cov-report=term:skip-covered $(PYTEST)

test-fast: PROCESSES = 3
test-fast: $(VENV)/test
	$(PYTEST_RUN) -m "not slow" $(PYTEST)

test-clock: $(VENV)/test
	@tests/install/debian-packages
	tests/support/shifted-clock "$(AT)" $(PYTEST_RUN) $(PYTEST)

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy catalog edge sync bench release tests training visual_search
	$(BIN)/lint-imports

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m bench
	$(BIN)/python -m bench.outbox
	$(BIN)/python -m bench.reporting
	$(BIN)/python -m bench.draining

loss-test: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m tests.proofs.loss
	$(BIN)/python -m tests.proofs.power_loss.outbox --points 50

provisioning-test: $(VENV)/test
	@tests/install/debian-packages
	PROVISIONED_DEVICES=200 $(BIN)/python -m pytest -p no:randomly --durations=3 tests/sync/provisioning

measure: $(VENV)/test
	$(BIN)/python -m bench.photos
	$(BIN)/python -m bench.evidence
	$(BIN)/python -m bench.predictions
	$(BIN)/python -m bench.copies
	$(BIN)/python -m bench.finding_copies
	$(BIN)/python -m bench.demonstration

memory: $(VENV)/test
	$(BIN)/python -m bench.memory $(MEMORY)

shop: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m bench.shop $(SHOP)

soak: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m bench.soak $(SOAK)

bench-link: $(VENV)/test
	@command -v /usr/bin/aws >/dev/null || \
	  { echo "error: the plain tool is missing; run: sudo apt-get install -y awscli"; exit 1; }
	$(BIN)/python -m bench.link

bench-wire: $(VENV)/test
	mkdir -p bench-results
	$(BIN)/python -m bench.wire

bench-slow-link: $(VENV)/test
	$(BIN)/python -m bench.slow_link

teach-test: $(VENV)/test
	$(BIN)/python -m tests.proofs.teaching

update-test: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m tests.proofs.update

api-test: $(VENV)/test
	@tests/install/debian-packages
	API_EXAMPLES=200 $(BIN)/python -m pytest -rP tests/edge/web/test_api_asked_anything.py

bench-crowd: $(VENV)/test
	$(BIN)/python -m bench.crowd $(if $(AGAINST),--against $(AGAINST))

bench-kiosk: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m bench.kiosk

scale-test: $(VENV)/scale
	$(BIN)/python -m tests.proofs.scale

bench-scale: $(VENV)/test
	$(BIN)/python -m bench.scale $(PHOTOS)

bench-build: $(VENV)/test
	$(BIN)/python -m bench.build_stages $(PHOTOS)

bench-chain: $(VENV)/test
	$(BIN)/python -m bench.chain $(PHOTOS)

damage-test: $(VENV)/test
	$(BIN)/python -m tests.proofs.damage $(DAMAGE)

mutants: $(VENV)/test
	$(BIN)/python -m tests.proofs.mutants $(MUTANTS)

crash-test: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m tests.proofs.crash

tuf-conformance: $(VENV)/test
	@command -v faketime >/dev/null || \
	  { echo "error: the suite sets the clock; run: sudo apt-get install -y faketime"; exit 1; }
	@test -d "$(SUITE)/tuf_conformance" || { echo "error: name a checkout of" \
	  "https://github.com/theupdateframework/tuf-conformance: make tuf-conformance SUITE=DIR"; exit 1; }
	cd "$(SUITE)" && PYTHON="$(abspath $(BIN)/python)" "$(abspath $(BIN)/python)" -m pytest \
	  tuf_conformance -q -p no:cacheprovider --entrypoint "$(CURDIR)/tests/support/tuf-client"

deeplens-check: $(VENV)/test device-wheels
	PYTHON=$(abspath $(BIN)/python) tests/install/deeplens-check $(WHEELS)

extras-check:
	tests/install/extras-check

resolver-check: $(VENV)/bin/python
	PYTHON=$(abspath $(BIN)/python) tests/install/resolver-check

# For cores with this machine's processor and Python.
greengrass-component: wheelhouse
	@test -n "$(BUCKET)" || \
	  { echo "error: name the bucket for the artifact: make greengrass-component BUCKET=NAME"; exit 1; }
	rm -rf $(COMPONENT)
	mkdir -p $(COMPONENT)
	cp -r $(WHEELHOUSE) $(COMPONENT)/wheels
	PYTHON=$(abspath $(BIN)/python) cloud/pack-component $(COMPONENT) $(BUCKET)
	@ls -sh $(COMPONENT)/visual-search.zip $(COMPONENT)/recipe.yaml

greengrass-check: BUCKET = example-bucket
greengrass-check: greengrass-component
	tests/install/greengrass-check $(COMPONENT)/visual-search.zip

sizes: $(VENV)/test
	$(BIN)/python -m bench.sizes

# Annoy's own flags, less -march=native, for any Atom; and less -DANNOYLIB_MULTITHREADED_BUILD, which
# needs a newer C library than a DeepLens has. Never from pip's cache: a native wheel may lie there.
ifeq ($(shell uname -m),x86_64)
device-wheels: export ANNOY_COMPILER_ARGS = -D_CRT_SECURE_NO_WARNINGS,-fpermissive,-O3,$\
  -ffast-math,-fno-associative-math,-std=c++14,-msse4.2
endif
# From an empty build/lib: a module that was deleted since would be packed, too.
# Without debugging symbols: they name the folder of the build, which has another name each time.
device-wheels: export CXXFLAGS = -g0
device-wheels: $(VENV)/build
	@rm -rf $(WHEELS)
	$(WHEEL) --no-cache-dir --wheel-dir $(WHEELS) --require-hashes -r <(locks/only annoy)
	@rm -rf build/lib build/bdist.*
	$(WHEEL) --wheel-dir $(WHEELS) .
	@ls $(WHEELS)/*.whl

# All that a device installs, with this machine's processor and Python; WITH=streams: for RTSP cameras, too.
wheelhouse: device-wheels
	@rm -rf $(WHEELHOUSE)
	$(WHEEL) --wheel-dir $(WHEELHOUSE) --require-hashes -r <(locks/only --not annoy)
	$(if $(WITH),$(WHEEL) --wheel-dir $(WHEELHOUSE) --require-hashes -r locks/$(WITH).txt)
	cp $(WHEELS)/*.whl $(WHEELHOUSE)
	@du -sh $(WHEELHOUSE)

# The wheels that are built here are built twice: the same bytes, or it is no release. WHEELHOUSES
# names folders of `make wheelhouse` that other machines made of the same commit.
release: $(VENV)/demo wheelhouse
	@test -n "$(KEYS)" || { echo "error: name the owner's key folder: make release KEYS=DIR"; exit 1; }
	@changed=$$(git status --porcelain) && test -z "$$changed" || \
	  { echo "error: a release is made of a commit; commit or remove first: $$changed"; exit 1; }
	$(MAKE) --no-print-directory device-wheels WHEELS=build/again
	@for wheel in build/again/*.whl; do cmp "$$wheel" "$(WHEELHOUSE)/$${wheel##*/}" || exit 1; done
	$(BIN)/python -m release.assemble $(RELEASE) $(WHEELHOUSE) $(WHEELHOUSES) --keys $(KEYS) \
	  $(if $(PASSPHRASE_FILE),--passphrase-file $(PASSPHRASE_FILE))

# For this machine's processor and Debian, or another release of it: DEBIAN=trixie, as root.
ifeq ($(DEBIAN),)
device: wheelhouse
	PYTHON=$(abspath $(BIN)/python) device/build-package $(WHEELHOUSE) $(DEVICE)
else
device:
	device/in-debian $(DEBIAN) $(DEVICE)
endif

device-test: device $(VENV)/test
	PYTHON=$(abspath $(BIN)/python) tests/install/device-test $(DEVICE) "$(DEBIAN)" $(LARGE)

ifeq ($(DEBIAN),)
device-aarch64: $(VENV)/build
	PYTHON=$(abspath $(BIN)/python) device/for-aarch64 $(DEVICE)-aarch64
else
device-aarch64:
	device/in-debian $(DEBIAN) $(DEVICE)-aarch64 device-aarch64
endif

device-aarch64-test: device-aarch64 $(VENV)/test
	PYTHON=$(abspath $(BIN)/python) tests/install/device-aarch64-test $(DEVICE)-aarch64 $(DEBIAN)

container: device
	device/build-container $(DEVICE) $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE))

container-test: device $(VENV)/test
	PYTHON=$(abspath $(BIN)/python) tests/install/container-test $(DEVICE)

audit: $(VENV)/test
	$(BIN)/python -m release.audit

sbom: wheelhouse
	@mkdir -p build
	$(BIN)/python -m release.sbom $(WHEELHOUSE) > build/sbom.cdx.json
	@ls -sh build/sbom.cdx.json

atom-test: $(VENV)/test
	@tests/install/debian-packages
	$(BIN)/python -m pytest tests/system/test_atom.py

aarch64-test: $(VENV)/test
	PYTHON=$(abspath $(BIN)/python) tests/install/aarch64-test

# What is there already is not made again, and a run goes on from its checkpoint. The bank makes
# fresh pictures beside the run and is stopped with it.
train: export OMP_NUM_THREADS = 1
train: $(VENV)/train $(CUTOUTS) $(TRAINING)/space.npz $(TRAINING)/held.npz
	@$(BIN)/python -m training.bank --cache $(TRAINING) --cutouts $(CUTOUTS) --shards 8
	@nice $(BIN)/python -m training.bank --cache $(TRAINING) --cutouts $(CUTOUTS) & bank=$$!; \
	  trap "kill $$bank" EXIT; \
	  $(BIN)/python -m training.run --cache $(TRAINING) --cutouts $(CUTOUTS) --minutes $(MINUTES)
	$(BIN)/python -m training.export $(TRAINING)/run.pt catalog/networks/embedded --short-side 170
	@rm catalog/networks/embedded/checkpoint-0000.params # catalog/networks/engines/checkpoint.py makes it
	$(BIN)/python -m training.negatives
	$(BIN)/python -m catalog.building.distractors

$(TRAINING)/space.npz: | $(VENV)/train
	$(BIN)/python -m training.prepare --cache $(TRAINING)

$(TRAINING)/held.npz: | $(VENV)/train
	$(BIN)/python -m training.drawn --cache $(TRAINING) --held-out

$(TRAINING)/package/assets: | $(VENV)/train
	@command -v npm >/dev/null || { echo "error: npm fetches the cut-out things; run: sudo" \
	  "apt-get install -y npm, or name their folder: make train CUTOUTS=DIR"; exit 1; }
	@rm -rf $(TRAINING)/unpacked && mkdir -p $(TRAINING)/unpacked
	cd $(TRAINING)/unpacked && npm pack --silent @lobehub/fluent-emoji-3d@1.1.0
	tar -xzf $(TRAINING)/unpacked/lobehub-fluent-emoji-3d-1.1.0.tgz -C $(TRAINING)/unpacked
	$(BIN)/python -m training.glyphs $(TRAINING)/unpacked/package/assets
	mv $(TRAINING)/unpacked/package $(TRAINING)/package

lock: $(VENV)/build
	$(LOCKED) locks/uv.txt
	locks/renew $(abspath $(BIN)/uv)

clean:
	rm -rf $(VENV) $(VENV)-mxnet $(WHEELS) $(WHEELHOUSE) .demo build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 1; }
	@echo "Making a Python environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "error: on Debian, first run:" \
	  "apt-get install -y make git g++ python3-dev python3-venv"; exit 1; }

$(VENV)/build: $(VENV)/bin/python locks/build.txt
	@$(LOCKED) locks/build.txt
	@touch $@

$(VENV)/demo: $(VENV)/build setup.py locks/demo.txt
	@echo "Installing packages (two minutes on a fresh machine) ..."
	@$(LOCKED) locks/demo.txt
	@$(ITSELF)
	@touch $@

$(VENV)/pretrained: $(VENV)/demo locks/pretrained.txt
	@echo "Installing the pretrained network ..."
	@$(LOCKED) locks/pretrained.txt
	@touch $@

$(VENV)/train: $(VENV)/bin/python setup.py
	@echo "Installing what training needs (several minutes, 3 GB) ..."
	@$(PIP) install -e '.[train]'
	@touch $@

$(VENV)/docs: $(VENV)/build setup.py locks/docs.txt
	@echo "Installing what the site needs ..."
	@$(LOCKED) locks/docs.txt
	@$(ITSELF)
	@touch $@

$(VENV)/test: $(VENV)/build setup.py locks/test.txt
	@echo "Installing what the tests need (a few minutes on a fresh machine) ..."
	@$(LOCKED) locks/test.txt
	@$(ITSELF)
	@touch $@

$(VENV)/scale: $(VENV)/test locks/scale.txt
	@echo "Installing Ray ..."
	@$(LOCKED) locks/scale.txt
	@touch $@

$(VENV)-mxnet/test: $(VENV)/test locks/mxnet.txt
	@echo "Installing MXNet for its tests ..."
	@tests/install/mxnet-environment $(abspath $(VENV)) $(abspath $(VENV)-mxnet)
	@touch $@
