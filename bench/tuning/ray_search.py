"""The trials on Ray Tune."""

from __future__ import annotations

import shutil
from pathlib import Path

from ray import tune

from bench.launchers.ray_cluster import Cluster
from bench.study import Study
from bench.tuning.optuna_search import Asks, Halving
from bench.tuning.trial import work


def search(asks: Asks, wanted: int, study: Study, store_root: Path, scratch: Path, cluster: Cluster) -> None:
    """Run trials until there are enough, at most ``wanted``. The cluster must be up.

    study: lends resources, retries (of a trial whose worker fails or is lost) and time limit. scratch: folder for Ray's
    own files. On a cluster all nodes must see the folders of trials, store and scratch.
    """
    cpus, gpus = cluster.cpus(study.resources.cpus), study.resources.gpus
    scratch.mkdir(parents=True, exist_ok=True)
    cluster.check(scratch, cpus, gpus)
    trial = tune.with_parameters(
        work, store_root=str(store_root), scratch=str(scratch), stalled_after=study.stalled_after
    )
    tune.Tuner(
        tune.with_resources(trial, {"cpu": cpus, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=asks,
            scheduler=Halving(asks),
            num_samples=wanted,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch.absolute()),
            failure_config=tune.FailureConfig(max_failures=study.retries),
            verbose=0,
        ),
    ).fit()
    shutil.rmtree(scratch, ignore_errors=True)
