"""What is told of a run's job: each reason for waiting that Slurm has, where it runs and how long, that nobody answers."""

import re

import pytest

from fluxgym.run.backend import Job
from fluxgym.run.slurm_script import Wish
from fluxgym.view.slurm_words import tell_queued, tell_reason, tell_running, tell_where, tell_wish

NOW = 1_800_000_000.0
NAMES = """
Resources Priority Dependency Licenses Prolog Reservation PartitionNodeLimit PartitionTimeLimit PartitionDown
PartitionInactive JobHeldAdmin JobHeldUser BeginTime AssociationJobLimit AssociationResourceLimit AssociationTimeLimit
ReqNodeNotAvail FrontEndDown SchedDefer NodeDown BadConstraints SystemFailure JobLaunchFailure InvalidAccount InvalidQOS
QOSUsageThreshold QOSJobLimit QOSResourceLimit QOSTimeLimit Cleaning QOSNotAllowed AccountNotAllowed
DependencyNeverSatisfied QOSGrpCpuLimit QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpMemLimit
QOSGrpNodeLimit QOSGrpSubmitJobsLimit QOSGrpWallLimit QOSMaxCpuPerJobLimit QOSMaxCpuMinutesPerJobLimit QOSMaxNodePerJobLimit
QOSMaxWallDurationPerJobLimit QOSMaxCpuPerUserLimit QOSMaxJobsPerUserLimit QOSMaxNodePerUserLimit
QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied AssocGrpCpuLimit AssocGrpCPUMinutesLimit AssocGrpCPURunMinutesLimit
AssocGrpJobsLimit AssocGrpMemLimit AssocGrpNodeLimit AssocGrpSubmitJobsLimit AssocGrpWallLimit AssocMaxJobsLimit
AssocMaxCpuPerJobLimit AssocMaxCpuMinutesPerJobLimit AssocMaxNodePerJobLimit AssocMaxSubmitJobLimit JobHoldMaxRequeue
JobArrayTaskLimit BurstBufferResources BurstBufferStageIn BurstBufferOperation PowerNotAvail PowerReserved AssocGrpUnknown
AssocGrpUnknownMinutes AssocGrpUnknownRunMinutes AssocMaxUnknownPerJob AssocMaxUnknownPerNode AssocMaxUnknownMinutesPerJob
AssocMaxCpuPerNode AssocGrpMemMinutes AssocGrpMemRunMinutes AssocMaxMemPerJob AssocMaxMemPerNode AssocMaxMemMinutesPerJob
AssocGrpNodeMinutes AssocGrpNodeRunMinutes AssocMaxNodeMinutesPerJob AssocGrpEnergy AssocGrpEnergyMinutes
AssocGrpEnergyRunMinutes AssocMaxEnergyPerJob AssocMaxEnergyPerNode AssocMaxEnergyMinutesPerJob AssocGrpGRES
AssocGrpGRESMinutes AssocGrpGRESRunMinutes AssocMaxGRESPerJob AssocMaxGRESPerNode AssocMaxGRESMinutesPerJob AssocGrpLicense
AssocGrpLicenseMinutes AssocGrpLicenseRunMinutes AssocMaxLicensePerJob AssocMaxLicenseMinutesPerJob AssocGrpBB
AssocGrpBBMinutes AssocGrpBBRunMinutes AssocMaxBBPerJob AssocMaxBBPerNode AssocMaxBBMinutesPerJob QOSGrpUnknown
QOSGrpUnknownMinutes QOSGrpUnknownRunMinutes QOSMaxUnknownPerJob QOSMaxUnknownPerNode QOSMaxUnknownPerUser
QOSMaxUnknownMinutesPerJob QOSMinUnknown QOSMaxCpuPerNode QOSGrpMemoryMinutes QOSGrpMemoryRunMinutes QOSMaxMemoryPerJob
QOSMaxMemoryPerNode QOSMaxMemoryPerUser QOSMaxMemoryMinutesPerJob QOSMinMemory QOSGrpNodeMinutes QOSGrpNodeRunMinutes
QOSMaxNodeMinutesPerJob QOSMinNode QOSGrpEnergy QOSGrpEnergyMinutes QOSGrpEnergyRunMinutes QOSMaxEnergyPerJob
QOSMaxEnergyPerNode QOSMaxEnergyPerUser QOSMaxEnergyMinutesPerJob QOSMinEnergy QOSGrpGRES QOSGrpGRESMinutes
QOSGrpGRESRunMinutes QOSMaxGRESPerJob QOSMaxGRESPerNode QOSMaxGRESPerUser QOSMaxGRESMinutesPerJob QOSMinGRES QOSGrpLicense
QOSGrpLicenseMinutes QOSGrpLicenseRunMinutes QOSMaxLicensePerJob QOSMaxLicensePerUser QOSMaxLicenseMinutesPerJob
QOSMinLicense QOSGrpBB QOSGrpBBMinutes QOSGrpBBRunMinutes QOSMaxBBPerJob QOSMaxBBPerNode QOSMaxBBPerUser ReservationDeleted
QOSMinBB DeadLine MaxBBPerAccount MaxCpuPerAccount MaxEnergyPerAccount MaxGRESPerAccount MaxNodePerAccount
MaxLicensePerAccount MaxMemoryPerAccount MaxUnknownPerAccount MaxJobsPerAccount MaxSubmitJobsPerAccount PartitionConfig
AccountingPolicy FedJobLock MaxMemPerLimit AssocGrpBilling AssocGrpBillingMinutes AssocGrpBillingRunMinutes
AssocMaxBillingPerJob AssocMaxBillingPerNode AssocMaxBillingMinutesPerJob QOSGrpBilling QOSGrpBillingMinutes
QOSGrpBillingRunMinutes QOSMaxBillingPerJob QOSMaxBillingPerNode QOSMaxBillingPerUser QOSMaxBillingMinutesPerJob
MaxBillingPerAccount QOSMinBilling
"""  # all by which slurm-wlm 22.05 calls why a job waits


@pytest.mark.parametrize("name", NAMES.split())
def test_each_reason_has_words(name):
    told = tell_reason(name, "4711")
    assert name not in told and "Slurm says" not in told and told.endswith(".") and 20 < len(told) < 200


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("Resources", "It waits until as many nodes, GPUs"),
        ("QOSMaxJobsPerUserLimit", "You have as many jobs as its QOS allows at a time; it starts when one of your jobs ends."),
        ("AssocGrpGRES", "Its account has as many GPUs in use as it may; it starts when some of its jobs end."),
        ("AssocGrpGRESMinutes", "The time for GPUs that its account has is used up."),
        ("QOSMaxGRESPerJob", "It asks for more GPUs than its QOS allows to one job. It will not start like this: take it out"),
        ("QOSMinMemory", "It asks for less memory than its QOS wants."),
        ("ReqNodeNotAvail, UnavailableNodes:gpu[1-2]", "sinfo -R tells more. Not there: gpu[1-2]."),
        ("ReqNodeNotAvail,_UnavailableNodes:gpu3", "Not there: gpu3."),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", "are down, drained or"),
        ("Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved", "are down, drained or kept for other jobs."),
        ("launch failed requeued held", "could not be started on its node, and is held."),
        ("launch_failed_requeued_held", "scontrol release 4711"),
        ("SomethingOfSlurm26", "Slurm says: SomethingOfSlurm26."),
        ("", ""),
    ],
)
def test_what_a_reason_means(reason, part):
    told = tell_reason(reason, "4711")
    assert part in told and bool(told) == bool(reason)


def test_where_it_runs_and_how_long_it_may():
    assert tell_where(Job("4711"), NOW) == "job 4711"
    job = Job("4711", "RUNNING", nodes="gpu-3", ends=NOW + 12_000, is_live=True)
    assert tell_where(job, NOW) == "job 4711 on gpu-3, 3 h 20 m left of its time limit"
    assert tell_where(job, NOW + 13_000).endswith(", 0 s left of its time limit")  # it is just being ended
    assert tell_running(job, NOW, left=600.0) == "Job 4711 on gpu-3, 3 h 20 m left of its time limit."
    assert tell_running(job, NOW, left=13_000.0).endswith("saves its state before the end, and goes on in its next job.")
    assert tell_running(job, NOW, 13_000.0, saves=False).endswith(" That is not enough for what is left.")
    unheard = tell_running(Job("4711", silence="Slurm has not answered yet"), NOW)
    assert unheard == "It runs as job 4711. Slurm has not answered yet."
    assert "suspended job 4711 on gpu-3" in tell_running(Job("4711", "SUSPENDED", nodes="gpu-3", is_live=True), NOW)


def test_when_it_is_meant_to_start():
    waiting = Job("4711", "PENDING", "Priority", starts=NOW + 7200, is_live=True)
    told = tell_queued(waiting, NOW)
    assert told.startswith("Waiting as job 4711. Other jobs come first. Slurm means it to start about ")
    assert told.endswith(", in 2 h.")
    assert tell_queued(waiting, NOW + 7200) == "Waiting as job 4711. Other jobs come first."  # no estimate any more


def test_a_job_that_is_ahead_of_its_folder():
    said = {state: tell_queued(Job("7", state, nodes="gpu-3", is_live=True), NOW) for state in ("CONFIGURING", "RUNNING")}
    assert "is being given its nodes" in said["CONFIGURING"] and "its supervisor is coming up" in said["RUNNING"]
    assert "ending" in tell_queued(Job("7", "COMPLETING", is_live=True), NOW)
    assert "scontrol release 7" in tell_queued(Job("7", "REQUEUE_HOLD", is_live=True), NOW)


def test_a_cluster_that_does_not_answer_is_said():
    silence = "Slurm did not answer within 10 s"
    never = tell_queued(Job("7", silence=silence), NOW)
    assert never == "Given to Slurm as job 7. Slurm did not answer within 10 s."
    once = tell_queued(Job("7", "PENDING", "Resources", silence=silence, is_live=True), NOW)
    assert re.search(r"are free\. Slurm did not answer within 10 s\. What is said of the job is what was told last\.$", once)
    assert silence in tell_running(Job("7", "RUNNING", nodes="gpu-3", silence=silence, is_live=True), NOW)


def test_what_a_job_asks_for():
    assert tell_wish(Wish()) == "1 node with 1 GPU and 4 CPU cores."
    assert tell_wish(Wish(gpus=0, cpus=1, time_limit="2:00")) == "1 node with 1 CPU core, for 2 m at most."  # no hours
    wrong = tell_wish(Wish(memory="lots", time_limit="2h"))  # told beside their fields
    assert wrong == "1 node with 1 GPU and 4 CPU cores."
    several = tell_wish(Wish(nodes=2, gpus=4, memory="64G", time_limit="2:00:00"))
    assert several == (
        "2 nodes with 4 GPUs, 4 CPU cores and 64G of memory each, for 2 h at most. 8 processes share each batch."
    )
