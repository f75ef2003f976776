# The targets of CI, images and the cloud; the Makefile includes this file. Each is what a person runs as well.
# Values that come from outside are read by the shell from the environment, never pasted into a recipe.
DEPLOY_BIN := .venv-deploy/bin
DEPLOY_STAMP := .venv-deploy/installed-$(shell cksum < deploy/linters/requirements.lock | cut -d' ' -f1)
FLOOR := 60
REPORTS := build/reports
.PHONY: lint-deploy check-lock check-secrets coverage test-ci lock-linters sbom dist release-prepare release-check release-publish trigger

$(DEPLOY_STAMP):
	test -x $(DEPLOY_BIN)/python || $(PYTHON) -m venv .venv-deploy
	$(call pip,.venv-deploy) --require-hashes -r deploy/linters/requirements.lock $(QUIETLY)
	@rm -f .venv-deploy/installed-*; touch $@

lint-deploy: $(DEPLOY_STAMP) ## Workflows, scripts, images and templates (installed into .venv-deploy)
	$(DEPLOY_BIN)/actionlint -shellcheck $(DEPLOY_BIN)/shellcheck
	$(DEPLOY_BIN)/zizmor --offline --quiet --pedantic .github
	$(DEPLOY_BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(DEPLOY_BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(DEPLOY_BIN)/shellcheck .ci/run

check-lock: install ## Whether requirements.lock is what pyproject.toml resolves to
	@mkdir -p build && cp requirements.lock build/requirements.lock
	@$(call compile,pyproject.toml --all-extras --excludes requirements-excluded.txt) -o build/requirements.lock >/dev/null
	@diff requirements.lock build/requirements.lock && echo "requirements.lock is in step with pyproject.toml" || { \
	  echo "requirements.lock is not what pyproject.toml asks for: run make lock"; exit 1; }

# Tests and the cleaning benchmark hold made-up secrets, for finding such is what they are about.
check-secrets: $(DEPLOY_STAMP) ## Secrets in the whole history
	$(DEPLOY_BIN)/betterleaks git --no-banner --redact --log-opts="--all -- . :!tests :!benchmarks/support" .

# What measures time runs without coverage, which would be measured too.
coverage: install browser ## All tests, with coverage (at least FLOOR percent) and JUnit reports in build/reports
	@mkdir -p $(REPORTS) && rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -m "not soak and not quiet" -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --junit-xml=$(REPORTS)/tests.xml; first=$$?; \
	  $(BIN)/coverage combine --quiet; $(BIN)/coverage xml --quiet -o $(REPORTS)/coverage.xml; \
	  $(BIN)/coverage report --skip-covered --fail-under=$(FLOOR) > $(REPORTS)/coverage.txt; floor=$$?; \
	  tail -n 1 $(REPORTS)/coverage.txt; [ $$floor = 0 ] || echo "Coverage is below $(FLOOR)%: see $(REPORTS)/coverage.txt"; \
	  $(BIN)/python -m pytest -m "quiet and not soak" --junit-xml=$(REPORTS)/quiet.xml \
	  $$(grep -rl --include='*.py' 'mark\.quiet' tests) && [ $$floor = 0 ] && exit $$first

test-ci: install ## Every step of CI's jobs in a fresh clone; CI_JOBS="qa test" names some
	$(BIN)/python -m pytest tests/ci --timeout=5400

lock-linters: install ## Resolve deploy/linters anew
	$(call compile,deploy/linters/requirements.in) --upgrade -o deploy/linters/requirements.lock

sbom: $(DEPLOY_STAMP) ## The parts of the lock as CycloneDX, in build/sbom.json
	@mkdir -p build
	$(DEPLOY_BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o build/sbom.json

dist: install ## Wheel and source distribution in dist/
	rm -rf dist && $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

release-prepare: ## Set the next version in pyproject.toml and CHANGELOG.md (VERSION=x.y.z instead of the computed one)
	@$(PYTHON) deploy/scripts/release.py prepare $${VERSION:+"$$VERSION"}

release-check: ## Whether the tag that is checked out is the version of pyproject.toml and CHANGELOG.md
	@$(PYTHON) deploy/scripts/release.py check

release-publish: ## Publish dist/ as the release of the tag that is checked out (gh)
	@$(PYTHON) deploy/scripts/release.py notes > build/notes.md
	gh release create "$$($(PYTHON) deploy/scripts/release.py tag)" --verify-tag --notes-file build/notes.md dist/* build/sbom.json

trigger: ## Start JOB on a running twin (TWIN_URL, TWIN_TRIGGER_KEY), wait for it and report its figures
	@$(PYTHON) deploy/scripts/trigger.py "$$JOB"
