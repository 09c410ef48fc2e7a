# The only entry point. It writes everything to .venv and .loupe.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BASE ?= HEAD
# after this many seconds `make check` starts no more tests
CHECK_SECONDS ?= 120
TEST_PROCESSES ?= 3
UV := .loupe/uv/bin/uv
BIN := .venv/bin
# a service can be started; the other members below services/ are libraries
SERVICES := $(notdir $(patsubst %/__main__.py,%,$(wildcard services/*/*/__main__.py)))
LIBRARIES := $(filter-out $(SERVICES),$(notdir $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml))))
WITH_DATABASE := $(notdir $(patsubst %/migrations,%,$(wildcard services/*/migrations)))
CONSOLE := $(shell find console -name node_modules -prune -o -name dist -prune -o -type f ! -name schema.d.ts -print 2>/dev/null)
TYPESCRIPT := $(shell find clients/typescript \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)
MEMBERS := proto $(addprefix services/,$(LIBRARIES) $(SERVICES)) deploy/local clients/python
PROJECTS := $(addsuffix /pyproject.toml,$(MEMBERS)) VERSION
EXPORT := $(UV) export --quiet --no-emit-workspace --no-annotate --no-header
# With this package OpenVINO would report its use to Intel. It works without the package.
NO_TELEMETRY := --no-emit-package openvino-telemetry
# It has a module of the same name as the package multipart, which the gateway reads uploads with. mcp works without it.
NO_SECOND_MULTIPART := --no-emit-package python-multipart
PIP_COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links $(NO_TELEMETRY)
# A failure is one sentence. Make would add its own "*** Error 1" below it, but is silent when this signal ends it.
END_SILENTLY := kill -PIPE $$PPID
# `$(call install,ARGUMENTS)` installs the target
install = { [ "$$($(PYTHON) -c 'print(1)' 2>/dev/null)" = 1 ] || ! echo 'There is no Python at $(PYTHON). Loupe needs Python 3.11 or newer: install it, or add PYTHON=….' >&2; } \
	&& $(PYTHON) deploy/install $@ $(1) || { $(END_SILENTLY); exit 1; }

DEPTRY := --no-ansi --extend-exclude '(migrations|models)/' --per-rule-ignores 'DEP002=httptools|alembic|pyvips-binary|imagecodecs' \
	--package-module-name-map 'loupe-proto=loupe,loupe-common=common,loupe-imagefile=imagefile,loupe-confinement=confinement,loupe-rest=rest,googleapis-common-protos=google,protobuf=google,grpcio-health-checking=grpc_health,opentelemetry-exporter-otlp-proto-http=opentelemetry'

export PICTURES
export UV_NO_CONFIG := 1
export PIP_NO_CACHE_DIR := 1
export UV_CACHE_DIR ?= $(CURDIR)/.loupe/cache
export BUF_CACHE_DIR ?= $(CURDIR)/.loupe/buf
export UV_PYTHON_INSTALL_DIR ?= $(CURDIR)/.loupe/python
export HYPOTHESIS_STORAGE_DIRECTORY ?= $(CURDIR)/.loupe/hypothesis
# uv uses the system's certificates, as git does
export UV_SYSTEM_CERTS ?= 1

COMMANDS := help demo check-photo up up-console check-port console console-pictures typescript logs test test-stack check test-changed test-corpus test-models test-e2e test-upgrade test-cluster test-cluster-machine chaos chaos-report chaos-powerloss chart images compose-up compose-down sbom lint breaking fmt proto client models bench bench-fairness bench-absolute bench-console bench-quality bench-peers bench-memory lock version release clean
.PHONY: $(COMMANDS)
# a photo without PHOTO= would be taken for a target, and the demo would upscale its own photo instead
UNKNOWN := $(filter-out $(COMMANDS) .venv/% .loupe/%,$(MAKECMDGOALS))
SIMILAR = $(shell $(PYTHON) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))' \
	'$(subst ','\'',$(firstword $(UNKNOWN)))' $(filter-out check-photo check-port up-console test-changed,$(COMMANDS)) 2>/dev/null)
DID_YOU_MEAN = $(if $(SIMILAR), Did you mean `make $(SIMILAR)`?)
$(if $(UNKNOWN),$(error There is no command "$(UNKNOWN)".$(DID_YOU_MEAN) `make help` lists all commands. A photo or a folder is written as PHOTO="…", in quotes))
$(foreach name,photo scale port name,$(if $(filter command%,$(origin $(name))),$(error Write $(name)= in capital letters)))


help:  ## print this list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

# The shell gets these from its environment, and as they were typed: they may hold any character.
$(foreach name,PHOTO SCALE,$(if $(filter command%,$(origin $(name))),$(eval override export $(name) := $$(value $(name)))))
export CALLER_FOLDER := $(value PWD)
DEMO = $(BIN)/python -m loupe_local demo $(if $(filter undefined,$(origin PHOTO)),,--photo="$$PHOTO") \
	$(if $(filter undefined,$(origin SCALE)),,--scale="$$SCALE")

# After Ctrl-C the recipe succeeds, so that make prints nothing. It still exits with status 130.
demo: .venv/run $(if $(wildcard .loupe/models),,check-photo) models  ## upscale a photo, or the photos in a folder: make demo [PHOTO=path] [SCALE=2|3|4]
	@interrupted=; trap 'interrupted=yes' INT; $(DEMO) || { status=$$?; test -n "$$interrupted" || { $(END_SILENTLY); exit $$status; }; }

# the models take a minute to build: what cannot be upscaled is refused before
check-photo: .venv/run
	@$(DEMO) --only-check || { $(END_SILENTLY); exit 1; }

up: $(if $(PORT),check-port) .venv/run models up-console  ## run Loupe in the foreground; Ctrl-C stops it: make up [PORT=8080]
	@$(BIN)/python -m loupe_local up $(if $(PORT),--port "$$PORT") || { $(END_SILENTLY); exit 1; }

# where its packages cannot be fetched, Loupe works without it
up-console: .venv/run
	@$(MAKE) --no-print-directory .loupe/console/ready || echo 'Loupe starts all the same. `make console` builds its web console later.'

# the installation takes minutes: a wrong port is refused before. The installation says it if there is no Python
check-port:
	@! $(PYTHON) -c '' 2>/dev/null || $(PYTHON) deploy/local/loupe_local/port_option.py "$$PORT" || { $(END_SILENTLY); exit 1; }

# some systems set the variable NAME for their own purposes
logs: .venv/run  ## print the logs and follow them: make logs [NAME=images]
	@$(BIN)/python -m loupe_local logs $(if $(filter command,$(firstword $(origin NAME))),"$$NAME") || { $(END_SILENTLY); exit 1; }

# In CI the tests that failed run once more, alone: one of ten thousand may fail because others use the machine too.
# The log keeps both runs.
test: .venv/dev models .loupe/helm/ready  ## run all tests, against real servers, in three processes
	@export LOUPE_TEST_STACK=$${LOUPE_TEST_STACK:-cold}; \
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadscope || { \
		test $$? = 1 && test -n "$$CI" && echo 'These tests run once more, alone:' && \
		$(BIN)/pytest --verbose --last-failed --last-failed-no-failures none; }

test-stack: .venv/dev models  ## keep the system warm that tests use, until Ctrl-C; they restart services whose code has changed
	@$(BIN)/python -m tests.warm

check: .venv/dev models .loupe/helm/ready  ## lint, and run the tests that a change since BASE affects, in three to five minutes
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line lint test-changed

test-changed: .venv/dev models .loupe/helm/ready
	@$(BIN)/pytest --quiet --changed-since '$(BASE)' --seconds $(CHECK_SECONDS)

test-corpus: .venv/dev .loupe/corpus/ready  ## decode the thousand files of Pillow's own tests, and damaged files of every kind
	@LOUPE_CORPUS=.loupe/corpus $(BIN)/pytest tests/corpus

test-models: .venv/dev models  ## check and serve networks of others, which Loupe does not ship; downloads 160 MB, once
	@PYTHONPATH=services/inference/models .loupe/triton/bin/python tests/foreign/convert.py .loupe/foreign
	@LOUPE_OWN_MODELS=.loupe/foreign/entries LOUPE_TEST_STACK=cold $(BIN)/pytest tests/foreign

test-e2e: .venv/dev models  ## run only the end-to-end tests; LOUPE_TEST_STACK=containers runs the stores in Docker
	@LOUPE_TEST_STACK=$${LOUPE_TEST_STACK:-cold} $(BIN)/pytest tests/e2e

test-upgrade: .venv/dev models  ## run the release before beside this one, under load; tests/upgrade/BASE names its commit
	@LOUPE_UPGRADE=yes LOUPE_TEST_STACK=cold $(BIN)/pytest tests/upgrade

# A name after -k chooses tests: make test-cluster ARGS='-k rotated'
test-cluster: .venv/dev .loupe/helm/ready $(if $(KUBECONFIG),,.loupe/cluster/ready)  ## install, break, upgrade and roll back the chart on a real control plane, or on the cluster of KUBECONFIG
	@LOUPE_CLUSTER=yes $(BIN)/pytest --timeout 600 $(ARGS) tests/cluster tests/chart/test_second_day.py

# as root on Debian 12 with Python 3.11 of Debian: the pods really run
test-cluster-machine: .venv/dev .loupe/helm/ready .loupe/cluster/machine-ready  ## an operator's day on a node that runs the pods, in namespaces of this machine
	@tests/cluster/machine/enter env LOUPE_CLUSTER=yes $(BIN)/pytest --timeout 1800 $(ARGS) tests/cluster/test_running_*.py

# as root on Linux with FUSE
chaos-powerloss: .venv/dev models  ## cut the power below PostgreSQL and NATS, under load: make chaos-powerloss [SEED=…] [FAILURES=5]
	@LOUPE_POWERLOSS=yes SEED='$(SEED)' FAILURES='$(FAILURES)' $(BIN)/pytest -s tests/powerloss

chaos: .venv/dev models  ## kill and disturb everything, then audit: make chaos [SEED=1] [SEEDS=1] [IMAGES=100] [KILLS=25]
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --seeds $(or $(SEEDS),1) --images $(or $(IMAGES),100) --kills $(or $(KILLS),25) || { $(END_SILENTLY); exit 1; }

chaos-report: .venv/dev  ## write what the runs of make chaos found to docs/chaos.md
	@$(BIN)/python -m tests.chaos --report

chart: .venv/dev .loupe/helm/ready  ## lint, render and validate the Helm chart; `make test` also runs the chart's programs
	@$(BIN)/pytest tests/chart $(addprefix --ignore=tests/chart/test_,alive.py brokers.py database_programs.py programs.py object_store_program.py metrics_exported.py)

lint: .venv/dev  ## check format, style, types, imports, contracts, migrations and Dockerfiles
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/python deploy/release/version.py
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --cache-dir .loupe/import-linter
	@for each in $(SERVICES) $(LIBRARIES); do (cd services/$$each && ../../$(BIN)/deptry . $(DEPTRY)); done
	@$(BIN)/hadolint deploy/images/*Dockerfile tests/containers/Dockerfile
	@$(BIN)/buf lint proto
	@PATH="$(CURDIR)/$(BIN):$$PATH" proto/generate --check
	@$(BIN)/python clients/python/generator --check
	@$(BIN)/python -m tests.openapi
	@for each in $(WITH_DATABASE); do (cd services/$$each && ../../$(BIN)/alembic --quiet upgrade head --sql \
		| ../../$(BIN)/squawk --config ../../squawk.toml); done

# docs/images.md lists the other variables that change the images
images:  ## build the container images: make images [IMAGES=registry/path/] [TAG=version]
	@deploy/images/build $(SERVICES) models triton-cpu

compose-up: images  ## run Loupe from these images with Docker Compose, and print its address
	@deploy/compose/up

compose-down:  ## stop what compose-up started; its data stays
	@docker compose -f deploy/compose/compose.yaml down

sbom: .venv/dev  ## write an SBOM for each image, in CycloneDX, to .loupe/sbom
	@$(BIN)/python deploy/images/sbom.py $(SERVICES) models triton-cpu

breaking: .venv/dev  ## check that the gRPC contracts are compatible with those of the revision BASE
	@$(BIN)/buf breaking proto --against '.git#ref=$(BASE),subdir=proto'

fmt: .venv/dev  ## format the code, and fix what can be fixed automatically
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: .venv/dev  ## generate the code of the gRPC contracts again
	@PATH="$(CURDIR)/$(BIN):$$PATH" proto/generate

client: .venv/dev  ## generate the models of the clients, and the synchronous half of the Python client, again
	@$(BIN)/python clients/python/generator

models: .loupe/triton/ready  ## fetch, convert and check the models: make models [MODELS="realesrgan_x4plus …"]
	@$(call install,$(MODELS))

typescript: .loupe/typescript/ready  ## build the TypeScript client, as a package for npm, to .loupe/typescript

console: .loupe/console/ready  ## build the web console, as `make up` does

console-pictures: .venv/dev models  ## take the pictures of docs/console.md again
	@LOUPE_PICTURES=write LOUPE_TEST_STACK=cold $(BIN)/pytest --quiet tests/console/test_pictures.py

bench: .venv/dev models  ## measure speed and memory; prints ratios and writes .loupe/bench.json
	@PYTHONPATH=services/inference/models $(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.console

bench-fairness: .venv/dev models  ## measure only small images while another user is busy: make bench-fairness [QUEUED=1000]
	@PYTHONPATH=services/inference/models $(BIN)/python -m tests.bench --only-fairness --queued $(or $(QUEUED),1000)

bench-absolute: .venv/dev models  ## measure seconds for photos of several sizes on this machine
	@$(BIN)/python -m tests.bench.absolute

bench-peers: .venv/dev models  ## compare with other upscalers on this machine: make bench-peers [SIZES=256,1024,4096] [PEERS=torch]
	@PYTHONPATH=services/inference/models $(BIN)/python -m tests.bench.peers $(if $(SIZES),--sizes $(SIZES)) --peers "$(PEERS)"

bench-memory: .venv/dev models  ## measure the most memory that Triton takes for a large result: make bench-memory [MODEL=faithful] [SIDE=4096] [EXACT=yes]
	@$(BIN)/python -m tests.bench.triton_memory $(if $(MODEL),--model $(MODEL)) $(if $(SIDE),--side $(SIDE)) $(if $(EXACT),--exact)

bench-console: .venv/dev models  ## measure what the console weighs, how soon it is usable, and a history of 100,000 images
	@$(BIN)/python -m tests.bench.console

bench-quality: .venv/dev models  ## measure the quality of auto and of each model: make bench-quality [SET=worn|between|contact_sheet]
	$(if $(filter $(or $(SET),quality),quality worn between contact_sheet),,$(error SET is worn, between or contact_sheet))
	@PYTHONPATH=services/inference/models:services/inference/models/backend $(BIN)/python -m tests.bench.$(or $(SET),quality)

lock: $(UV)  ## resolve all dependencies again and write requirements/*.txt
	@$(UV) lock --upgrade
	@for each in $(SERVICES); do $(EXPORT) --package loupe-$$each --no-default-groups -o requirements/$$each.txt; done
	@$(EXPORT) --only-group build -o requirements/build.txt
	@$(EXPORT) --only-group run -o requirements/run.txt
	@$(EXPORT) --only-group node -o requirements/node.txt
	@$(EXPORT) --group dev $(NO_TELEMETRY) $(NO_SECOND_MULTIPART) -o requirements/dev.txt
	@$(PIP_COMPILE) requirements/triton.in --upgrade -o requirements/triton.txt
	@$(PIP_COMPILE) requirements/triton-cpu.in --constraint requirements/triton.txt -o requirements/triton-cpu.txt
	@$(PIP_COMPILE) requirements/generators.in --upgrade -o requirements/generators.txt
	@! grep -rn '://' requirements

.loupe/triton/ready: $(UV) requirements/triton.txt requirements/pytriton.txt
	@$(call install)

.loupe/corpus/ready: $(UV) requirements/corpus.txt
	@$(call install)

.loupe/helm/ready: $(UV) requirements/helm.txt
	@$(call install)

# Kubernetes and etcd from their Go modules: 2 GB, and minutes the first time
.loupe/cluster/ready: tests/cluster/kubernetes/build tests/cluster/kubernetes/go.mod tests/cluster/kubernetes/crds.txt
	@tests/cluster/kubernetes/build .loupe/cluster

.loupe/cluster/machine-ready: .loupe/cluster/ready tests/cluster/machine/programs .loupe/triton/ready .loupe/console/ready
	@tests/cluster/machine/programs .loupe/cluster
	@$(MAKE) --no-print-directory models
	@$(BIN)/python -m tests.cluster.machine.images
	@touch $@

# A target of its own, because `make up` goes on without it
.loupe/console/ready: $(UV) requirements/node.txt $(CONSOLE)
	@$(call install)

# What checks the console: types, unit tests, axe and a browser. Tests install it when they need it
.loupe/console/checks/ready: console/package.json console/package-lock.json
	@mkdir -p .loupe/console/checks/bin
	@cp console/package*.json console/.npmrc .loupe/console/checks
	@$(BIN)/python tests/contract/generators/link_node.py .loupe/console/checks/bin
	@PATH="$(CURDIR)/.loupe/console/checks/bin:$$PATH" npm_config_cache="$(CURDIR)/.loupe/npm" NODE_OPTIONS=--use-system-ca \
		npm ci --prefix .loupe/console/checks --ignore-scripts --no-audit --no-fund --loglevel error --fetch-retries 1
	@touch $@

# The TypeScript client as a package for npm. Node and npm come in a wheel that the linters bring to .venv
.loupe/typescript/ready: .venv/dev $(TYPESCRIPT) LICENSE
	@rm -rf .loupe/typescript/src .loupe/typescript/dist .loupe/typescript/*.tgz
	@mkdir -p .loupe/typescript/bin
	@cp -r clients/typescript/{src,README.md,package.json,package-lock.json,tsconfig.json,.npmrc} LICENSE .loupe/typescript
	@$(BIN)/python tests/contract/generators/link_node.py .loupe/typescript/bin
	@cd .loupe/typescript && export PATH="$$PWD/bin:$$PATH" npm_config_cache="$(CURDIR)/.loupe/npm" NODE_OPTIONS=--use-system-ca \
		&& npm ci --ignore-scripts --no-audit --no-fund --loglevel error --fetch-retries 1 && npm run --silent build && npm pack --silent > packed
	@touch $@

# Generators of clients, which tests/contract/test_generated_clients.py installs when it needs them
.loupe/generators/ready: $(UV) requirements/generators.txt
	@test -d .loupe/generators || $(UV) venv --quiet --python $(PYTHON) .loupe/generators
	@$(UV) pip install --quiet --python .loupe/generators/bin/python --no-deps --require-hashes -r requirements/generators.txt
	@touch $@

# Node and npm come in a wheel that the linters bring to .venv
.loupe/node/ready: tests/contract/generators/package.json tests/contract/generators/package-lock.json
	@mkdir -p .loupe/node/bin
	@cp tests/contract/generators/package*.json tests/contract/generators/.npmrc .loupe/node
	@$(BIN)/python tests/contract/generators/link_node.py .loupe/node/bin
	@PATH="$(CURDIR)/.loupe/node/bin:$$PATH" npm_config_cache="$(CURDIR)/.loupe/npm" NODE_OPTIONS=--use-system-ca \
		npm ci --prefix .loupe/node --ignore-scripts --no-audit --no-fund --loglevel error --fetch-retries 1
	@touch $@

version: .venv/run  ## copy the version in the file VERSION to all files that repeat it
	@$(BIN)/python deploy/release/version.py --write

# LINT=no leaves out `make lint`
release: .venv/dev .loupe/helm/ready  ## commit, tag and package a release: make release VERSION=1.2.3 [DRY_RUN=1] [REGISTRY=…]
	@$(BIN)/python deploy/release $(if $(DRY_RUN),--dry-run) $(if $(REGISTRY),--registry '$(REGISTRY)') $(if $(filter no,$(LINT)),--no-lint) -- '$(VERSION)'

clean:  ## remove everything that make has created, data included; make clean PICTURES=delete removes your results too
	@$(PYTHON) deploy/install/cleaning.py || { $(END_SILENTLY); exit 1; }

$(UV): requirements/uv.txt
	@$(call install)

.venv/run: $(UV) requirements/run.txt $(PROJECTS)
	@$(call install,$(MEMBERS))

.venv/dev: .venv/run requirements/dev.txt
	@$(call install)
