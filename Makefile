.DEFAULT_GOAL := help
.PHONY: help setup bench tune test test-all coverage perf gpu-check lint format ui report clean

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
DOWNLOAD ?= 1
WORKERS ?= auto

OPTIONS := PYTHON DATASET DATA PRESET RECIPES SEEDS ANNOTATION OUT STUDY LOCAL LAUNCHER SET ONLY SCALE ESTIMATE TUNING TRIALS DOWNLOAD WORKERS FOLDER TO
# A misspelt option would be ignored in silence.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(OPTIONS) -%,$(GIVEN))
$(if $(UNKNOWN),$(error unknown option $(UNKNOWN). Options: $(OPTIONS). See make help))
# So would be one that belongs to another target.
USED_bench := DATASET DATA PRESET STUDY RECIPES SEEDS ANNOTATION OUT LOCAL LAUNCHER ESTIMATE DOWNLOAD SET
USED_tune := TUNING DATASET DATA PRESET STUDY ANNOTATION TRIALS OUT LOCAL LAUNCHER ESTIMATE DOWNLOAD SET
USED_report := FOLDER TO OUT STUDY PRESET DATASET
USED_ui := OUT
USED_perf := ONLY SCALE
USED_gpu-check := DATA
USED_test := WORKERS
USED_test-all := WORKERS
USED_coverage := WORKERS
INSTEAD_OF_SEEDS := seeds of a tuning are settings: SET="proxy.seeds=2 full.seeds=3".
INSTEAD_OF_RECIPES := TUNING= names a recipe with what is tuned.
GOALS := $(filter-out help setup lint format clean,$(MAKECMDGOALS))
USED := $(foreach goal,$(GOALS),$(USED_$(goal)))
UNUSED := $(if $(GOALS),$(filter-out PYTHON -% $(USED),$(GIVEN)))
INSTEAD := $(if $(filter tune,$(GOALS)),$(foreach name,$(UNUSED),$(INSTEAD_OF_$(name))))
$(if $(UNUSED),$(error make $(GOALS) takes no $(UNUSED). $(if $(strip $(INSTEAD)),$(strip $(INSTEAD)) )It takes $(USED)))
$(if $(filter PRESET,$(GIVEN)),$(if $(filter STUDY,$(GIVEN)),$(error PRESET=$(PRESET) is short for the study of that name, and STUDY=$(STUDY) names another: drop one. The preset of a study is a setting: SET="preset=$(PRESET)")))

VENV := .venv
STAMP := $(VENV)/.installed
# A worker that has no tests left takes some of another's: tests differ a thousandfold in time.
PARALLEL = -n $(WORKERS) --maxprocesses 8 --dist worksteal
# A study of another dataset gets a folder of its own.
NAME := $(if $(STUDY),$(basename $(notdir $(STUDY))),$(PRESET))$(subst $() ,,$(addprefix -,$(basename $(notdir $(filter-out phantom,$(DATASET))))))
FOLDER ?= $(if $(and $(filter %.yaml %.yml,$(STUDY)),$(filter file,$(origin DATASET))),$(STUDY),$(OUT)/$(NAME))

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  options of bench: DATASET=phantom|acdc|acdc_h5|chaos|mscmr|davis|<file> DATA=<folder> PRESET=quick|paper RECIPES=\"random gcl_coreset\"|all SEEDS=2"
	@echo "                    ANNOTATION=scribble|mask OUT=runs ESTIMATE=1 DOWNLOAD=0 LOCAL=1 LAUNCHER=ray|local|module:Class, or STUDY=<name or file>; SET=\"key=value ...\" for anything else"
	@echo "  options of perf:  ONLY=\"training volumes encoder selection scoring launcher\" SCALE=quick|full"
	@echo "  options of test:  WORKERS=auto|1|2|... processes; 0 runs them in one, with output as it comes"
	@echo "  options of tune:  TUNING=gcl_coreset DATASET=... DATA=<folder> TRIALS=40 ANNOTATION=... STUDY=... OUT=runs ESTIMATE=1 DOWNLOAD=0 LOCAL=1 SET=\"key=value ...\""
	@echo "  without DATA, scans are looked for in data/<dataset>; those of chaos and davis are downloaded there, unless DOWNLOAD=0"

setup: $(STAMP) ## create .venv with pinned packages (done by the other targets when needed)

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 2 to 5 minutes, several GB with the CUDA build of torch; log in $(VENV)/install.log"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -q -c constraints.txt -e ".[dev]" >$(VENV)/install.log 2>&1 \
		|| { tail -n 20 $(VENV)/install.log; exit 1; }
	@touch $@

# The command as it was typed, without seeds: a report says how to add some.
FROM = command environment
TYPED = $(strip make $@ $(foreach name,$(filter-out SEEDS ESTIMATE DOWNLOAD,$(USED_$@)),$(if $($(name)),$(if $(filter $(FROM),$(firstword $(origin $(name)))),$(name)=$(if $(word 2,$($(name))),"$($(name))",$($(name)))))))

REFUSED = $(if $(filter 0 no false,$(DOWNLOAD)),--no-download)

bench: $(STAMP) ## run a study: the main job
	@$(VENV)/bin/alseg bench $(if $(STUDY),"$(STUDY)" $(if $(filter file,$(origin DATASET)),,--set name="$(NAME)" --set datasets="$(DATASET)"),"$(PRESET)" --set name="$(NAME)" --set datasets="$(DATASET)") --out "$(OUT)" \
		$(if $(DATA),--set data="$(DATA)") $(if $(RECIPES),--set recipes="$(RECIPES)") \
		$(if $(ANNOTATION),--set annotations="$(ANNOTATION)") $(foreach pair,$(SET),--set $(pair)) $(if $(SEEDS),--set seeds="$(SEEDS)") $(if $(LOCAL),--local) $(if $(LAUNCHER),--launcher "$(LAUNCHER)") $(if $(ESTIMATE),--estimate) $(REFUSED) --typed '$(subst ','\'',$(TYPED))'

tune: $(STAMP) ## find settings of a recipe on validation volumes, with Optuna
	@$(VENV)/bin/alseg tune "$(TUNING)" --out "$(OUT)" --set dataset="$(DATASET)" --set study="$(or $(STUDY),$(PRESET))" \
		$(if $(DATA),--set data="$(DATA)") $(if $(TRIALS),--set trials="$(TRIALS)") $(if $(ANNOTATION),--set settings.annotations="$(ANNOTATION)") \
		$(foreach pair,$(SET),--set $(pair)) $(if $(LOCAL),--local) $(if $(LAUNCHER),--launcher "$(LAUNCHER)") $(if $(ESTIMATE),--estimate) $(REFUSED) --typed '$(subst ','\'',$(TYPED))'

test: $(STAMP) ## run the tests
	@$(VENV)/bin/python -m pytest -q -m "not slow" $(PARALLEL)

test-all: $(STAMP) ## run the tests, the slow ones too
	@$(VENV)/bin/python -m pytest -q $(PARALLEL)

coverage: $(STAMP) ## run the tests and fail where too little of the code is covered
	@$(VENV)/bin/python -m pytest -q -m "not slow" $(PARALLEL) --cov --cov-report=term:skip-covered

perf: $(STAMP) ## measure speed and memory beside a straightforward baseline; history in perf/
	@$(VENV)/bin/python tests/perf --scale "$(SCALE)" $(foreach subject,$(ONLY),--only $(subject))

gpu-check: $(STAMP) ## measure what this GPU does in at most 8 minutes: equality, speed, memory (DATA=<prepared pool>)
	@PYTHONPATH=tests/perf $(VENV)/bin/python -m gpu_check $(if $(DATA),--data "$(DATA)")

lint: $(STAMP) ## ruff (rules and layout), mypy, import-linter
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

format: $(STAMP) ## lay out the code and mend what ruff can mend
	@$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .

ui: $(STAMP) ## MLflow UI on 127.0.0.1 over the studies in OUT
	@exec $(VENV)/bin/alseg ui --out "$(OUT)"

report: $(STAMP) ## write a report again (FOLDER=runs/quick), or one of several (FOLDER="runs/a runs/b" TO=runs/both)
	@$(VENV)/bin/alseg report $(FOLDER) --in "$(OUT)" $(if $(TO),--out "$(TO)")

clean: ## delete build products and caches; never results
	rm -rf build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf
