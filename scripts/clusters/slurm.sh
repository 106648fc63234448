#!/bin/bash
#
# A sweep of ibjax as a SLURM array: one shard of the networks a task.
#
#   sbatch --array=1-10 slurm.sh 10 szt --seeds 500 --output /shared/szt
#
# The first argument is the number of shards, the others are those of `ibjax sweep`. The
# directory must be seen by all nodes. A task that died goes on where it was when it is
# submitted again: `sbatch --array=3,7 slurm.sh 10 szt ...`, with the same arguments.
# `ibjax merge /shared/szt` joins the shards.

#SBATCH --job-name=ibjax
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%A_%a.log
# A task that is preempted, or whose node fails, begins anew, and so goes on.
#SBATCH --requeue
#SBATCH --open-mode=append
# A minute before its time is over, a task is told to stop.
#SBATCH --signal=B:TERM@60

set -euo pipefail
shards=${1:?the number of shards comes first}
shift
# In place of the shell, so that the signal reaches it.
exec ibjax sweep "$@" --shard "${SLURM_ARRAY_TASK_ID:?no array}/$shards" --resume
