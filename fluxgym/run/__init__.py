"""A run on disk and as a process: folder, identity, record, status, launch, supervision, verdict.

Standard library, `trainer.folder` and `fluxgym.log` only: the process that guards a run for days starts in a blink and
stays small. Nothing here keeps state in memory that matters; everything is read back from the run's folder.
"""
