"""What an evidence model said of texts beside a question, so that equal questions read them once."""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from surefoot.ports import EvidenceModel, PassageJudgement


class KeptJudgements:
    """Reads texts with the model and keeps the last `size` judgements. Safe from many threads.

    A text is known by an id that changes with its tenant and with every letter of it: a judgement is then never taken for
    another tenant's text, nor for a later one.
    """

    def __init__(self, model: EvidenceModel, *, size: int) -> None:
        self._model = model
        self._size = size
        self._kept: OrderedDict[tuple[str, str, str], PassageJudgement] = OrderedDict()
        self._lock = Lock()

    @property
    def model(self) -> EvidenceModel:
        """What reads."""
        return self._model

    def of(self, question: str, texts: Mapping[str, str]) -> Mapping[str, PassageJudgement]:
        """The judgement of each text, by its id; only those that are not kept are read, all at once."""
        fingerprint = self._model.fingerprint
        keys = {text_id: (fingerprint, question, text_id) for text_id in texts}
        with self._lock:
            found = {text_id: self._kept[key] for text_id, key in keys.items() if key in self._kept}
            for text_id in found:
                self._kept.move_to_end(keys[text_id])
        unread = [text_id for text_id in texts if text_id not in found]
        if unread:
            judgements = self._model.passages(question, [texts[text_id] for text_id in unread])
            fresh = dict(zip(unread, judgements, strict=True))
            found |= fresh
            with self._lock:
                self._kept |= {keys[text_id]: judgement for text_id, judgement in fresh.items()}
                while len(self._kept) > self._size:
                    self._kept.popitem(last=False)
        return found
