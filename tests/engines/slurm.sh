#!/usr/bin/env bash
# A real Slurm on this machine, and a sweep on it, beside the same sweep in one process.
#
# Outside CI, by hand, as root on Debian or Ubuntu (in a container too):
#   apt-get install --no-install-recommends slurm-wlm munge
#   pip install -c constraints.txt -e '.[slurm]'
#   PYTHON=.venv/bin/python tests/engines/slurm.sh
# It starts munged, slurmctld and slurmd of its own, which listen on this machine only by a key made here, ends one job
# of the sweep while it runs (scancel), and stops what it started. It needs neither systemd nor accounting. Last lines:
# whether the results are the same.
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
chmod 755 "$work"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; sleep 1; rm -rf "$work"' EXIT

host=$(hostname -s)
mkdir -p "$work"/{munge,state,spool,log}
chmod 700 "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=128 count=1 status=none
chmod 600 "$work/munge/key"
munged --foreground --force --key-file "$work/munge/key" --socket "$work/munge.socket" \
  --pid-file "$work/munge/pid" --log-file "$work/munge/log" --seed-file "$work/munge/seed" > "$work/log/munged" 2>&1 & pids+=($!)

cat > "$work/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
MinJobAge=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=60 State=UP
CONF
export SLURM_CONF=$work/slurm.conf
slurmctld -D > "$work/log/out" 2>&1 & pids+=($!)
slurmd -D > "$work/log/out-d" 2>&1 & pids+=($!)
for _ in $(seq 60); do sinfo --noheader --format=%t 2>/dev/null | grep -q idle && break; sleep 1; done
sinfo --version
sinfo

cheap=(sweep gaussian --n-private 8 --attack as-released --game none --quiet --format markdown --grid epsilon=1,10,500)
out=$work/sweep
"$PYTHON" -m ihaudit "${cheap[@]}" --engine slurm --jobs 2 --slurm partition=cpu --slurm time=30 --exit-zero \
  --out "$out/slurm" > "$work/said" 2>&1 & sweep=$!
for _ in $(seq 600); do job=$(squeue --noheader --array --states=RUNNING --format=%i | head -1); [ -n "$job" ] && break; sleep 0.2; done
sleep 4
squeue --array
echo "ending job $job"
scancel --signal=KILL --full "$job" || scancel "$job"
wait "$sweep" && echo "sweep on Slurm: exit code 0" || echo "sweep on Slurm: exit code $?"
tail -3 "$work/said"
"$PYTHON" -m ihaudit "${cheap[@]}" --exit-zero --out "$out/alone" > /dev/null
"$PYTHON" - "$out" <<'PY'
import sys
from pathlib import Path

from tests.audit.sweep.comparing import shown

out = Path(sys.argv[1])
for point in sorted(p.name for p in (out / "alone").iterdir() if p.is_dir()):
    print(f"{point}: {'the same' if shown(out / 'slurm' / point) == shown(out / 'alone' / point) else 'DIFFERENT'}")
PY
ls "$out"/slurm/.slurm | sed -n 's/_.*//p' | sort | uniq -c | sed 's/^/files of array /'
