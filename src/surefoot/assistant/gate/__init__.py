"""The gate: nothing that was written, by whichever tier, is shown unless its quotes hold it up."""

from surefoot.assistant.gate.currency import no_longer_true
from surefoot.assistant.gate.gate import Gate, Ground
from surefoot.assistant.gate.rules import Rule
from surefoot.assistant.gate.selection import CoreFell, Selection

__all__ = ["CoreFell", "Gate", "Ground", "Rule", "Selection", "no_longer_true"]
