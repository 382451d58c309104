#!/usr/bin/env bash
# A study on the nodes of a Slurm job: Ray on all of them, the command on the first. From the checkout, on storage that
# all nodes share:
#
#   sbatch --nodes=4 --gpus-per-node=4 --cpus-per-task=32 experiments/slurm.sh \
#     bench paper --set data=/shared/acdc --set resources.gpus=0.25 --set resources.cpus=2 --out /shared/runs
#
# Arguments after the script's name are passed to `alseg`. At the time limit the study stops as on Ctrl-C; submitting the
# same job again continues it. ALSEG_BIN: folder of the commands, <checkout>/.venv/bin if not set.
#SBATCH --job-name=alseg
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:TERM@120
#SBATCH --output=alseg-%j.log
set -euo pipefail

JOIN_SECONDS=300
cd "${SLURM_SUBMIT_DIR:-.}"
bin=${ALSEG_BIN:-$PWD/.venv/bin}
[ -x "$bin/alseg" ] || { echo "no alseg in $bin; run make setup, or set ALSEG_BIN" >&2; exit 2; }

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
step=(srun --ntasks-per-node=1 --overlap)
resources=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --disable-usage-stats)
# each job has its own port and folder, since two jobs may share a node. The path is short because Ray's sockets are in it
port=$((20000 + SLURM_JOB_ID % 20000))
temp=/tmp/alseg-ray-$SLURM_JOB_ID

# anyone who can reach the port could run programs as this user, so Ray asks for a token of this job. It is in the
# environment of its processes alone; `ray get-auth-token` would write it into the home folder, for all to read
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
[ "$RAY_AUTH_MODE" != token ] || RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')}
export RAY_AUTH_TOKEN

started=()
driver=
cleanup() {
  status=$?
  trap '' TERM
  [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null || true
  for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  "${step[@]}" --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" rm -rf "$temp" || true
  exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM

# Ray opens its own folder to all users, so it is inside one that is not
"${step[@]}" --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" bash -c 'rm -rf "$0" && mkdir -m 700 "$0"' "$temp"
ip=$("${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | awk '{print $1}')
export RAY_ADDRESS=$ip:$port
"${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" "$bin/ray" start --head --block --node-ip-address="$ip" \
  --port="$port" --temp-dir="$temp/r" --include-dashboard=false "${resources[@]}" &
started+=($!)
others=$((${#nodes[@]} - 1))
if [ "$others" -gt 0 ]; then
  # a node that starts before the head retries for some time
  "${step[@]}" --nodes="$others" --ntasks="$others" --exclude="$head" "$bin/ray" start --block \
    --address="$RAY_ADDRESS" "${resources[@]}" &
  started+=($!)
fi

"$bin/python" - "${#nodes[@]}" "$JOIN_SECONDS" <<'PYTHON' &
import sys, time
import ray

wanted, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
joined = 0
while joined < wanted:
    if time.monotonic() > end:
        sys.exit(f"{joined} of {wanted} nodes joined Ray")
    try:
        ray.init(log_to_driver=False, logging_level="CRITICAL", ignore_reinit_error=True)
        joined = sum(node["Alive"] for node in ray.nodes())
    except (ConnectionError, RuntimeError):  # the head is not up yet
        pass
    time.sleep(1)
PYTHON
started+=($!)
wait $!

"$bin/alseg" "$@" &
driver=$!
status=0
trap 'kill -TERM "$driver"' TERM
wait "$driver" || status=$?
# a signal interrupts the wait, not the driver
while kill -0 "$driver" 2>/dev/null; do status=0; wait "$driver" || status=$?; done
driver=
exit "$status"
