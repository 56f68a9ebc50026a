# Every target works on a fresh clone: manage.py makes the environment it needs.
MANAGE := python3 manage.py
TOOL := $(MANAGE) tool
CODE := manage.py rally payments trips operators tests bench

.PHONY: help demo test check format lint types layers templates deploy migrations schema-check states-check audit \
        schema states bench prove screens requirements

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: ## the whole of Rally on this machine
	$(MANAGE) demo

test: ## all tests
	$(MANAGE) test

check: lint types layers templates deploy migrations schema-check states-check audit ## everything but the tests

lint:
	$(TOOL) ruff format --check $(CODE)
	$(TOOL) ruff check $(CODE)

types:
	$(TOOL) mypy

layers:
	$(TOOL) lint-imports

templates:
	$(TOOL) djlint --lint --quiet templates

# Django's own list for production, with everything set that production must set and nothing real in it.
deploy:
	RALLY_MODE=production SECRET_KEY=$$(python3 -c "import secrets; print(secrets.token_urlsafe(60))") \
	ALLOWED_HOSTS=rally.example SITE_URL=https://rally.example SOURCE_URL=https://git.rally.example SELLER='Rally|1 Main Street' DATABASE_URL=postgres://rally@db/rally \
	REDIS_URL=redis://broker:6379/0 EMAIL_URL=smtp+tls://rally:secret@mail.example:587 \
	STRIPE_SECRET_KEY=sk_test_of_nobody STRIPE_WEBHOOK_SECRETS=whsec_of_nobody \
	$(TOOL) python manage.py check --deploy --fail-level WARNING

migrations:
	RALLY_MODE=test $(MANAGE) makemigrations --check --dry-run

schema-check:
	RALLY_MODE=test $(MANAGE) spectacular --validate --fail-on-warn | diff -u docs/openapi.yaml - \
	  || { echo "docs/openapi.yaml is not what the code says. Look at the difference, then: make schema"; exit 1; }

states-check:
	RALLY_MODE=test $(MANAGE) draw_states | diff -u docs/states.md - \
	  || { echo "docs/states.md is not what the code says. Look at the difference, then: make states"; exit 1; }

audit:
	$(MANAGE) audit

schema: ## write docs/openapi.yaml
	RALLY_MODE=test $(MANAGE) spectacular --validate --fail-on-warn --file docs/openapi.yaml

states: ## write docs/states.md
	RALLY_MODE=test $(MANAGE) draw_states > docs/states.md.new && mv docs/states.md.new docs/states.md

bench: ## measure what we claim; JSON, and a table
	$(TOOL) python -m bench

SEEDS := 400

prove: ## stories of money under trouble, and the wrong designs that they must catch
	$(MANAGE) prove_money --seeds $(SEEDS)
	$(MANAGE) prove_money --wrong all

SITE := http://127.0.0.1:8000
DIR := screens

screens: ## pictures of every page of the demo that runs at SITE, into DIR
	$(TOOL) python -m tests.browser.screens $(DIR) --site $(SITE)

format: ## format and mend what can be mended
	$(TOOL) ruff format $(CODE)
	$(TOOL) ruff check --fix $(CODE)

requirements: ## pin the newest versions that requirements*.in allow
	$(TOOL) python -m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate requirements.in -o requirements.txt
	$(TOOL) python -m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate requirements-dev.in -o requirements-dev.txt
	$(TOOL) python -m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate requirements-uv.in -o requirements-uv.txt
