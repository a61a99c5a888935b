# OMNIXAN Edge. `make help` lists what there is. Everything that is installed or built lies in the cache, outside the clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/omnixan-edge
PY := $(CACHE)/venv/bin/python
export PYTHONPATH := operator:node_agent:.
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what the rest needs: Debian packages, a Python environment in the cache
	@scripts/setup

.PHONY: demo
demo: setup ## a real cluster, the product on it, real jobs, told step by step
	@$(PY) -m e2e.cluster locked -- $(PY) -m e2e.demo

.PHONY: test
test: setup ## everything: lint, unit, api, guest, faults, e2e (one cluster, unit tests while it is built)
	@$(PY) -m e2e.cluster locked -- $(PY) -m e2e.suite

.PHONY: test-unit
test-unit: setup ## pure logic, models, engine, power cuts in the memory modules: no cluster
	@$(PY) -m pytest tests/unit tests/crash

.PHONY: test-api
test-api: setup ## schemas, rules, operator and agent against a real etcd and kube-apiserver
	@$(PY) -m pytest tests/api

.PHONY: test-faults
test-faults: setup ## the real operator in virtual time: bad weather, deaths, seeded bugs
	@$(PY) -m pytest tests/faults

.PHONY: test-guest
test-guest: setup ## our store on real DAX in a virtual machine, whose power is cut
	@$(PY) -m pytest tests/guest

.PHONY: test-e2e
test-e2e: setup ## what users do, on a real four-node cluster
	@$(PY) -m e2e.cluster locked -- $(PY) -m pytest e2e/scenarios

.PHONY: bench
bench: setup ## figures into docs/figures (PARTS="qaoa engine first-shot" for some of them)
	@$(PY) -m e2e.cluster locked -- $(PY) -m e2e.bench $(PARTS)

.PHONY: soak
soak: setup ## failovers, lost nodes, upgrades, load, … (PARTS="failover load" ROUNDS=3 for some of them)
	@$(PY) -m e2e.cluster locked -- $(PY) -m e2e.soak $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RESUME),--resume) $(PARTS)

.PHONY: lint
lint: setup ## ruff, mypy --strict, import layers, generated files up to date
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
	@$(CACHE)/venv/bin/lint-imports && $(PY) -m omnixan.edge_network.api.crd --check
	@$(PY) -m e2e.reference --check && $(PY) -m e2e.gitops.argocd --check

.PHONY: generate
generate: setup ## CRDs out of the models (crds/ and the chart's copy), reference pages, Argo CD's ConfigMap
	@$(PY) -m omnixan.edge_network.api.crd && $(PY) -m e2e.reference && $(PY) -m e2e.gitops.argocd

.PHONY: images
images: setup ## build the application images
	@$(PY) -m e2e.cluster.images

.PHONY: cluster-up
cluster-up: setup ## raise the cluster and leave it running
	@$(PY) -m e2e.cluster up

.PHONY: cluster-down
cluster-down: setup ## remove the cluster and all it added to the machine
	@$(PY) -m e2e.cluster down
