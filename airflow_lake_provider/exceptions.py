"""The errors of the package.

    LakeError
    |- SpecError              a spec is wrong; carries every located mistake
    |  `- UnknownName         an environment or a table was asked for that is not there
    |- EngineError            the platform refused, or is not set up
    |  |- EngineNotAllowed    the engine must not run in this place, with the reason
    |  `- EngineNotInstalled  something to install first, with the command
    |- JobError               a run ended badly
    |  |- JobFailed           the job says why, or the platform does
    |  |- JobCancelled        somebody stopped it
    |  |- JobTimedOut         it took longer than allowed
    |  `- JobReportMissing    it ended well and said nothing
    |- QualityCheckFailed     the data is wrong, the job is not
    `- ProtocolError          a document of the contract cannot be read

Python 3.9 syntax and the standard library only: both planes import this module.
"""

from __future__ import annotations


class LakeError(Exception):
    """Base of every error this package raises on purpose.

    The message is one that a person can act on: what happened, where, what was expected, what to do.
    """


class SpecError(LakeError):
    """A spec, or the arguments of an operator, are wrong.

    :param message: all mistakes, rendered for a person.
    :param diagnostics: the mistakes as objects (``airflow_lake_provider.spec.Diagnostic``), in file order.
    """

    def __init__(self, message: str, *, diagnostics: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class UnknownName(SpecError):
    """Somebody asked for an environment or a table that the project does not have; the specs may be right."""


class EngineError(LakeError):
    """The platform refused the job, or is not set up to take it."""


class EngineNotAllowed(EngineError):
    """The engine must not run where the task does; the message says why, and what to use there."""


class EngineNotInstalled(EngineError):
    """A part that the engine needs is not installed; the message names the command that installs it."""


class JobError(LakeError):
    """A run ended badly.

    :param message: what a person reads.
    :param retryable: whether another try may succeed without anybody mending anything.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class JobFailed(JobError):
    """The job failed; the message is the job's own reason, or the platform's."""


class JobCancelled(JobError):
    """The run was stopped from outside."""


class JobTimedOut(JobError):
    """The run took longer than it was allowed to."""


class JobReportMissing(JobError):
    """The run ended well by the platform's word and left no report."""


class QualityCheckFailed(LakeError):
    """Checks failed on data that was therefore not published. Never worth a retry.

    :param message: the first line names each failed check with its value.
    """


class ProtocolError(LakeError):
    """A document of the contract between the planes cannot be read; the message names it."""
