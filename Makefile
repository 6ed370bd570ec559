# One line a target. Python 3.11 or newer; everything goes into .venv.
PY := .venv/bin/python
.PHONY: setup lint format type imports test e2e check soak bench serve demo docs

setup:   ; python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' -c constraints.txt
lint:    ; $(PY) -m ruff check . && $(PY) -m ruff format --check .
format:  ; $(PY) -m ruff check --fix . && $(PY) -m ruff format .
type:    ; $(PY) -m mypy
imports: ; .venv/bin/lint-imports
test:    ; $(PY) -m pytest -m "not slow and not e2e and not soak"
e2e:     ; $(PY) -m pytest -m e2e
check:   lint type imports ; $(PY) -m pytest
soak:    ; $(PY) -m pytest -m soak
bench:   ; for b in redact sdk_overhead ingest store_queries pages; do echo "== $$b"; $(PY) benchmarks/$$b.py || exit 1; done
serve:   ; .venv/bin/spanwise serve
demo:    ; .venv/bin/spanwise demo
docs:    ; $(PY) -m pytest tests/unit/test_docs.py
