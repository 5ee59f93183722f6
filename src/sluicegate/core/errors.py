"""Errors: an exception means "could not decide"; a "no" is a Verdict, never an exception.

One root, and one branch per point of view: what the caller got wrong, what is not there, what was
changed behind our back, and what could not be carried to an end. Every message is one sentence that
names the place and the fix.
"""


class SluicegateError(Exception):
    """Root of everything sluicegate raises on purpose."""


class Misused(SluicegateError):
    """The call, a path or a setting is wrong, and the caller can fix it."""


class Missing(Misused):
    """Something named by the caller is not there (a workspace, a batch, a file)."""


class Conflict(Misused):
    """The workspace is in a state in which this must not be done (uncommitted policy, a merge)."""


class Tampered(SluicegateError):
    """Bytes, a signature or a chain do not match what was recorded."""


class CannotDecide(SluicegateError):
    """The work could not be carried to an end (a crashed trainer, a full disk)."""
