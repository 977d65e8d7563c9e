"""The whole error tree. An expected outcome is a value (Refusal, SkippedFile); these mean bug, bad input or outage.

Each class's docstring is what its reader is told when no closer message is given, with the remedy. `code` is public and
stable, `status` is the HTTP status, `retryable` says whether the same call may succeed later.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class SurefootError(Exception):
    """Something went wrong inside Surefoot; the log has the trace id."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after_seconds: int | None = None

    def __init__(self, message: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.retry_after_seconds = retry_after_seconds


# Bad input: the caller can mend it.


class InvalidInput(SurefootError):
    """The request is not valid; the message names the field and what it takes."""

    code, status = "invalid_input", 422


class PayloadTooLarge(InvalidInput):
    """The payload is larger than allowed; send smaller documents or raise the limit in surefoot.toml."""

    code, status = "payload_too_large", 413


class UnsupportedMediaType(InvalidInput):
    """The body is not of a type this call reads; send JSON with `Content-Type: application/json`."""

    code, status = "unsupported_media_type", 415


class MethodNotAllowed(InvalidInput):
    """The path exists, but not for this method; the Allow header names those it has."""

    code, status = "method_not_allowed", 405


class BodyTimeout(InvalidInput):
    """The request body did not arrive in time; send it again without pauses."""

    code, status, retryable = "body_timeout", 408, True


class InvalidSettings(InvalidInput):
    """A setting is not valid; `surefoot doctor --settings` prints each value and where it came from."""

    code = "invalid_settings"


class UnreadableDocument(InvalidInput):
    """The document cannot be read; the message says why. The other documents are not affected."""

    code = "unreadable_document"


class InvalidEvalSet(InvalidInput):
    """A line of the evaluation file is not in the documented format; the message names file and line."""

    code = "invalid_eval_set"


# Rights: default deny. "Not found" and "not yours" look the same from outside.


class Unauthenticated(SurefootError):
    """The credentials are missing or not valid; mint a new viewer token or check the server key."""

    code, status = "unauthenticated", 401


class Forbidden(SurefootError):
    """These credentials do not allow this call; the message names the scope that does."""

    code, status = "forbidden", 403


class NotFound(SurefootError):
    """There is no such object, or it is not yours."""

    code, status = "not_found", 404


class UnknownTenant(NotFound):
    """There is no such tenant; create it with `surefoot init --tenant NAME`."""

    code = "unknown_tenant"


# State: the call is valid, but not now or not on this index.


class Conflict(SurefootError):
    """The object changed meanwhile; read it again and repeat the call."""

    code, status, retryable = "conflict", 409, True


class WriterBusy(Conflict):
    """Another process is writing this tenant's documents; wait for it to finish and run the same command again."""

    code = "writer_busy"


class StaleGeneration(Conflict):
    """The index moved on while it was read; start the question again on the new generation."""

    code = "stale_generation"


class EncoderMismatch(SurefootError):
    """The index was built with another encoder; re-index with `surefoot ingest --reindex`."""

    code, status = "encoder_mismatch", 409


class CorruptIndex(SurefootError):
    """The index files are damaged or missing; rebuild them from the store with `surefoot ingest --reindex`."""

    code = "corrupt_index"


class MissingDependency(SurefootError):
    """An optional package is not installed; the message names the pip command that installs it."""

    code = "missing_dependency"


class MissingModel(SurefootError):
    """A model file is missing or does not match its manifest; run `make model` or reinstall surefoot."""

    code = "missing_model"


# Outage: somebody else's fault, or too much at once.


class Overloaded(SurefootError):
    """Too many requests are waiting; try again after the seconds in Retry-After."""

    code, status, retryable = "overloaded", 503, True


class StoreUnavailable(SurefootError):
    """The database does not answer; `surefoot doctor` says what is wrong."""

    code, status, retryable = "store_unavailable", 503, True


class TargetUnavailable(SurefootError):
    """The server that an eval measures does not answer; start it, or mend the URL that was given with --url."""

    code, status, retryable = "target_unavailable", 502, True


class ModelUnavailable(SurefootError):
    """The language model's provider does not answer or is overloaded; another model or the extractive tier answers instead."""

    code, status, retryable = "model_unavailable", 503, True

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: int | None = None, may_have_charged: bool = True
    ) -> None:
        """`may_have_charged` is false when the provider certainly did no work: it was not reached, or it turned the call away."""
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.may_have_charged = may_have_charged


class ModelTimedOut(ModelUnavailable):
    """The language model did not answer within the deadline; the extractive tier answers instead."""

    code = "model_timed_out"


class ModelRejected(SurefootError):
    """The language model's provider refused the call; check the model's name and key in models.toml with `surefoot doctor`."""

    code, status = "model_rejected", 502


class DeliveryFailed(SurefootError):
    """A webhook receiver did not accept an event; it is tried again with growing pauses."""

    code, status, retryable = "delivery_failed", 502, True


class ReceiverGone(DeliveryFailed):
    """A webhook receiver answered that it is gone for good; the event is given up and stays readable."""

    code, retryable = "receiver_gone", False


class InvalidAction(InvalidInput):
    """An action file or its arguments are not valid; the message names the place. `surefoot actions check` checks files."""

    code = "invalid_action"


class IdempotencyMismatch(InvalidInput):
    """This Idempotency-Key was used for another request; use a new key for a new request."""

    code = "idempotency_mismatch"


class RunInProgress(Conflict):
    """A request with this Idempotency-Key is still being worked on; ask again after the seconds in Retry-After."""

    code = "run_in_progress"


class RunNotAllowed(SurefootError):
    """The run's state, its plan or the policy does not allow this step; the message says which and what to do."""

    code, status = "run_not_allowed", 409


class GateIsRed(RunNotAllowed):
    """A gate of the evals fails, so nothing is applied until it passes again; undo works, and so do previews."""

    code, retryable = "gate_red", True


class PlanStale(RunNotAllowed):
    """The plan is consumed, expired or made on a state that is gone; simulate again to get a new one."""

    code = "plan_stale"


class CallbackConflict(RunNotAllowed):
    """The host said something else about this delivery before, or the run has ended otherwise; nothing was overwritten."""

    code = "callback_conflict"


class UndoConflict(RunNotAllowed):
    """Somebody changed what this run had changed; the difference is shown and nothing was overwritten."""

    code = "undo_conflict"

    def __init__(self, message: str | None = None, *, differences: Sequence[Mapping[str, object]] = ()) -> None:
        """Each difference is plain JSON: resource, path, before, applied, now, now_known."""
        super().__init__(message)
        self.differences = tuple(differences)


class AuditBroken(SurefootError):
    """The audit chain does not verify; the message says where and whether rows were changed, cut off or forked."""

    code = "audit_broken"


class OutboundRefused(SurefootError):
    """An outbound connection was refused: the address is private, or SUREFOOT_OFFLINE=1 is set."""

    code, status = "outbound_refused", 403


__all__ = [name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, SurefootError)]
