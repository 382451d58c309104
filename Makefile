.DEFAULT_GOAL := help
.PHONY: help setup bench tune test test-all coverage perf lint format ui report clean

PYTHON ?= python3
DATASET ?= phantom
DATA ?=
PRESET ?= quick
RECIPES ?=
SEEDS ?=
ANNOTATION ?=
OUT ?= runs
STUDY ?=
LOCAL ?=
LAUNCHER ?=
SET ?=
ONLY ?=
SCALE ?= quick
ESTIMATE ?=
TUNING ?= gcl_coreset
TRIALS ?=
WORKERS ?= auto

OPTIONS := PYTHON DATASET DATA PRESET RECIPES SEEDS ANNOTATION OUT STUDY LOCAL LAUNCHER SET ONLY SCALE ESTIMATE TUNING TRIALS WORKERS FOLDER TO
# A misspelt option would be ignored in silence.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(OPTIONS) -%,$(GIVEN))
$(if $(UNKNOWN),$(error unknown option $(UNKNOWN). Options: $(OPTIONS). See make help))

VENV := .venv
STAMP := $(VENV)/.installed
# A worker that has no tests left takes some of another's: tests differ a thousandfold in time.
PARALLEL = -n $(WORKERS) --maxprocesses 8 --dist worksteal
# A study of another dataset gets a folder of its own.
NAME := $(if $(STUDY),$(basename $(notdir $(STUDY))),$(PRESET))$(subst $() ,,$(addprefix -,$(basename $(notdir $(filter-out phantom,$(DATASET))))))
FOLDER ?= $(OUT)/$(NAME)

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  options of bench: DATASET=phantom|acdc|acdc_h5|chaos|mscmr|davis|<file> DATA=<folder> PRESET=quick|paper RECIPES=\"random gcl_coreset\"|all SEEDS=2"
	@echo "                    ANNOTATION=scribble|mask OUT=runs LOCAL=1 LAUNCHER=ray|local|module:Class, or STUDY=<name or file>; SET=\"key=value ...\" for anything else"
	@echo "  options of perf:  ONLY=\"training encoder selection scoring launcher\" SCALE=quick|full"
	@echo "  options of test:  WORKERS=auto|1|2|... processes; 0 runs them in one, with output as it comes"
	@echo "  options of tune:  TUNING=gcl_coreset DATASET=... DATA=<folder> TRIALS=40 OUT=runs LAUNCHER=ray|local|module:Class SET=\"key=value ...\""

setup: $(STAMP) ## create .venv with pinned packages (done by the other targets when needed)

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 2 to 5 minutes, several GB with the CUDA build of torch; log in $(VENV)/install.log"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -q -c constraints.txt -e ".[dev]" >$(VENV)/install.log 2>&1 \
		|| { tail -n 20 $(VENV)/install.log; exit 1; }
	@touch $@

# The command as it was typed, without seeds: a report says how to add some.
TYPED = make bench $(foreach name,$(filter-out SEEDS ESTIMATE,$(GIVEN)),$(name)=$(if $(word 2,$($(name))),"$($(name))",$($(name))))

bench: $(STAMP) ## run a study: the main job
	@$(VENV)/bin/alseg bench $(if $(STUDY),"$(STUDY)" $(if $(filter file,$(origin DATASET)),,--set name="$(NAME)" --set datasets="$(DATASET)"),"$(PRESET)" --set name="$(NAME)" --set datasets="$(DATASET)") --out "$(OUT)" \
		$(if $(DATA),--set data="$(DATA)") $(if $(RECIPES),--set recipes="$(RECIPES)") \
		$(if $(ANNOTATION),--set annotations="$(ANNOTATION)") $(foreach pair,$(SET),--set $(pair)) $(if $(SEEDS),--set seeds="$(SEEDS)") $(if $(LOCAL),--local) $(if $(LAUNCHER),--launcher "$(LAUNCHER)") $(if $(ESTIMATE),--estimate) --typed '$(subst ','\'',$(TYPED))'

tune: $(STAMP) ## find settings of a recipe on validation volumes, with Optuna
	@$(VENV)/bin/alseg tune "$(TUNING)" --out "$(OUT)" --set dataset="$(DATASET)" --set study="$(PRESET)" \
		$(if $(DATA),--set data="$(DATA)") $(if $(TRIALS),--set trials="$(TRIALS)") $(foreach pair,$(SET),--set $(pair)) $(if $(LAUNCHER),--launcher "$(LAUNCHER)")

test: $(STAMP) ## run the tests
	@$(VENV)/bin/python -m pytest -q -m "not slow" $(PARALLEL)

test-all: $(STAMP) ## run the tests, the slow ones too
	@$(VENV)/bin/python -m pytest -q $(PARALLEL)

coverage: $(STAMP) ## run the tests and fail where too little of the code is covered
	@$(VENV)/bin/python -m pytest -q -m "not slow" $(PARALLEL) --cov --cov-report=term:skip-covered

perf: $(STAMP) ## measure speed and memory beside a straightforward baseline; history in perf/
	@$(VENV)/bin/python tests/perf --scale "$(SCALE)" $(foreach subject,$(ONLY),--only $(subject))

lint: $(STAMP) ## ruff (rules and layout), mypy, import-linter
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

format: $(STAMP) ## lay out the code and mend what ruff can mend
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

ui: $(STAMP) ## MLflow UI on 127.0.0.1 over the store in OUT
	@case "$$MLFLOW_TRACKING_URI" in http*) echo "error: MLFLOW_TRACKING_URI names a server, which has a UI of its own; open its address" >&2; exit 2;; \
	"") [ -f "$(OUT)/mlflow.db" ] || { echo "error: no mlflow.db in $(OUT); run a study first, or name the folder of its results with OUT=" >&2; exit 2; };; esac
# in the environment, because other users see the arguments of a process, and a password in them
	@MLFLOW_BACKEND_STORE_URI="$${MLFLOW_TRACKING_URI:-sqlite:///$(OUT)/mlflow.db}" MLFLOW_DISABLE_TELEMETRY=true $(VENV)/bin/mlflow ui --host 127.0.0.1

report: $(STAMP) ## write a report again (FOLDER=runs/quick), or one of several (FOLDER="runs/a runs/b" TO=runs/both)
	@$(VENV)/bin/alseg report $(FOLDER) $(if $(TO),--out "$(TO)")

clean: ## delete build products and caches; never results
	rm -rf build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf
