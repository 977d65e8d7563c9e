"""The form of an answer: how a sentence looks that says why, how many, where, or which steps to take."""

import re
from collections.abc import Mapping

from surefoot.assistant.questions import Question, QuestionKind
from surefoot.assistant.units import Unit, UnitKind


def _any_of(*words: str) -> str:
    return rf"\b(?:{'|'.join(word for line in words for word in line.split(';'))})\b"


_PATTERNS: Mapping[QuestionKind, str] = {
    QuestionKind.HOW: "^"
    + _any_of(
        "to;first;then;next;click;select;go to;open;add;create;set;use;run;enter;choose;navigate;install;copy;enable;disable",
        "configure;make;send;call;include;contact;log in;remove;delete;update;change;follow;you can;you(?:'ll)? need",
    )
    + "|"
    + _any_of(
        r"by \w+ing;you can;you must;you need to;follow (?:the|these);use the;steps?",
        "klicken;wählen;öffnen;sie können;haga;seleccione;abra;puede",
    ),
    QuestionKind.WHY: _any_of(
        "because;since;due to;reason;so that;in order to;as a result;therefore;caused? by;causes?;means that",
        "happens? (?:when|if);occurs?;ensures?;prevents?;helps?;weil;damit;porque;debido",
    ),
    QuestionKind.NUMBER: r"\d|"
    + _any_of("one;two;three;four;five;six;seven;eight;nine;ten;hourly;daily;weekly;monthly;unlimited;no limit"),
    QuestionKind.WHEN: r"\d|"
    + _any_of(
        "when;after;before;once;until;within;every;immediately;hours?;days?;minutes?;daily;weekly;monthly",
        "wenn;nach;vor;bis;innerhalb;cuando;después;antes;hasta",
    ),
    QuestionKind.WHERE: r"\w (?:>|→) \w|https?://|"
    + _any_of(
        "navigate;go to;tab;page;section;settings;dashboard;menu;under;located;found in;at the (?:top|bottom);unter;seite;página"
    ),
    QuestionKind.WHO: _any_of("admins?;owners?;members?;users?;team;roles?;everyone;anyone;only;person;born;by [A-Z]"),
    QuestionKind.POSSIBLE: _any_of(
        "can;cannot;can't;could;may;supports?;supported;not;yes;no;only;allows?;possible;available;must;is;are;will;does;doesn't",
        "kann;nicht;nein;ja;puede;sí",
    ),
    QuestionKind.DEFINITION: _any_of(
        "is an?;is the;are;refers? to;means?;called;known as;defined?;represents?;describes?;allows? you;ist ein;sind;es un;son"
    ),
    QuestionKind.DIFFERENCE: _any_of(
        "whereas;while;instead;unlike;both;differs?;differences?;compared;rather than;however;but;während;mientras"
    ),
}
_CUES = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _PATTERNS.items()}


def has_form(question: Question, unit: Unit) -> float:
    """1 when the unit has the form of the answer asked for, else 0; a question of no particular kind fits nothing."""
    if question.kind is QuestionKind.HOW and unit.kind in (UnitKind.STEP, UnitKind.CODE):
        return 1.0
    cue = _CUES.get(question.kind)
    return 1.0 if cue is not None and cue.search(unit.plain) else 0.0
