"""What the made-up worlds of `training.evidence_worlds` are made of: things of a kind, what they have, who may do what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SUBJECTS: tuple[tuple[str, ...], ...] = (
    ("Free", "Basic", "Standard", "Professional", "Ultimate"),
    ("the Hobby plan", "the Studio plan", "the Agency plan", "the Corporate plan"),
    ("Solo", "Duo", "Team", "Department", "Company"),
    ("Bronze", "Silver", "Gold", "Platinum"),
    ("the sandbox", "staging", "production", "the preview environment"),
    ("the EU region", "the US region", "the Asia region", "the Australian region"),
    ("Postgres", "MySQL", "SQLite", "MongoDB", "Redis"),
    ("the iOS app", "the Android app", "the web app", "the desktop app"),
    ("the search API", "the export API", "the billing API", "the events API"),
    ("Visa", "bank transfer", "direct debit", "PayPal"),
    ("the queue", "the scheduler", "the indexer", "the mailer"),
    ("small", "medium", "large", "extra large"),
    ("version 2", "version 3", "version 4", "version 5"),
    ("standard delivery", "express delivery", "overnight delivery"),
    ("Norway", "Portugal", "Canada", "Japan", "Kenya"),
    ("the sales team", "the support team", "the finance team", "the legal team"),
)
ROLES: tuple[tuple[str, ...], ...] = (
    ("owners", "admins", "members", "guests"),
    ("administrators", "editors", "readers"),
    ("managers", "agents", "customers"),
    ("maintainers", "contributors", "visitors"),
    ("teachers", "students", "parents"),
    ("doctors", "nurses", "patients"),
)
ACTS: tuple[tuple[str, str], ...] = (
    ("delete a project", "a project can be deleted"),
    ("invite new people", "new people can be invited"),
    ("export the report", "the report can be exported"),
    ("change the address", "the address can be changed"),
    ("see the invoices", "the invoices can be seen"),
    ("rotate the keys", "the keys can be rotated"),
    ("approve a refund", "a refund can be approved"),
    ("close a ticket", "a ticket can be closed"),
    ("edit the schedule", "the schedule can be edited"),
    ("publish a page", "a page can be published"),
    ("archive a channel", "a channel can be archived"),
    ("reset a password", "a password can be reset"),
    ("merge two accounts", "two accounts can be merged"),
    ("read the log", "the log can be read"),
    ("cancel an order", "an order can be cancelled"),
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a thing has: how a value is made, how it is said of one thing, and how of all in one breath."""

    heading: str
    values: Callable[[np.random.Generator], Sequence[str]]
    forms: tuple[str, ...]
    together: str


def _counts(*steps: int) -> Callable[[np.random.Generator], Sequence[str]]:
    return lambda random: [f"{step * int(random.integers(1, 10)):,}" for step in steps]


def _units(numbers: Sequence[int], units: Sequence[str]) -> Callable[[np.random.Generator], Sequence[str]]:
    def made(random: np.random.Generator) -> list[str]:
        drawn = [int(random.choice(numbers)) for _ in range(6)]
        return [f"{number} {units[int(random.integers(len(units)))]}{'s' if number > 1 else ''}" for number in drawn]

    return made


def _sizes(random: np.random.Generator) -> list[str]:
    return [
        f"{int(random.choice([1, 2, 5, 8, 10, 16, 20, 50, 64, 100, 250, 512]))} {random.choice(['MB', 'GB'])}" for _ in range(6)
    ]


def _prices(random: np.random.Generator) -> list[str]:
    sign = str(random.choice(["$", "€", "£"]))
    return [f"{sign}{int(random.choice([5, 9, 12, 15, 19, 25, 39, 45, 59, 79, 99, 120, 199, 249, 400]))}" for _ in range(6)]


def _shares(random: np.random.Generator) -> list[str]:
    return [f"{int(random.choice([1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 40, 60, 75, 90]))}%" for _ in range(6)]


def _words(*told: str) -> Callable[[np.random.Generator], Sequence[str]]:
    return lambda random: [told[place] for place in random.permutation(len(told))]


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "price",
        _prices,
        (
            "{s} costs {v} per month",
            "the price of {s} is {v} per month",
            "{s} is {v} a month",
            "you pay {v} a month for {s}",
            "{v} a month is what {s} costs",
            "the monthly price of {s} is {v}",
        ),
        "the monthly price is",
    ),
    Attribute(
        "yearly fee",
        _prices,
        ("{s} costs {v} a year", "a year of {s} is billed at {v}", "{v} a year are due for {s}", "for {s} the yearly fee is {v}"),
        "the yearly fee is",
    ),
    Attribute(
        "storage",
        _sizes,
        (
            "{s} has {v} of storage",
            "storage on {s} is limited to {v}",
            "{s} comes with {v} of storage",
            "with {s} you can store {v}",
            "{s} holds up to {v}",
        ),
        "storage is",
    ),
    Attribute(
        "retention",
        _units((7, 14, 30, 60, 90, 3, 6, 18), ("day", "month", "year")),
        (
            "{s} keeps logs for {v}",
            "logs are kept for {v} on {s}",
            "on {s} the retention of logs is {v}",
            "after {v}, {s} deletes its logs",
            "logs of {s} are deleted after {v}",
        ),
        "logs are kept for",
    ),
    Attribute(
        "timeout",
        _units((5, 10, 15, 20, 30, 45, 60, 90), ("second", "minute")),
        (
            "{s} times out after {v}",
            "the timeout of {s} is {v}",
            "a request to {s} ends after {v}",
            "{s} waits {v} before it gives up",
            "with {s}, requests may take at most {v}",
        ),
        "the timeout is",
    ),
    Attribute(
        "requests per minute",
        _counts(5, 20, 100, 300, 1000, 50),
        (
            "{s} allows {v} requests per minute",
            "{s} is limited to {v} requests per minute",
            "up to {v} requests a minute are possible with {s}",
            "the rate limit of {s} is {v} requests per minute",
        ),
        "requests per minute are limited to",
    ),
    Attribute(
        "seats",
        _counts(1, 3, 7, 11, 25, 100),
        (
            "{s} includes {v} seats",
            "up to {v} people can use {s}",
            "{s} comes with {v} seats",
            "{v} seats are part of {s}",
            "with {s} you get {v} seats",
        ),
        "the number of seats is",
    ),
    Attribute(
        "fee",
        _shares,
        ("{s} takes a fee of {v}", "the fee for {s} is {v}", "{v} is charged for {s}", "with {s} a fee of {v} is charged"),
        "the fee is",
    ),
    Attribute(
        "notice",
        _units((1, 2, 3, 7, 10, 14, 21, 30), ("day", "week", "month")),
        (
            "{s} can be cancelled with {v} notice",
            "the notice period of {s} is {v}",
            "{v} before the end is when {s} has to be cancelled",
            "cancelling {s} takes {v} notice",
        ),
        "the notice period is",
    ),
    Attribute(
        "backup",
        _words("every hour", "every night", "once a week", "every six hours", "twice a day", "once a month"),
        ("{s} is backed up {v}", "backups of {s} are made {v}", "{v}, {s} is copied to the backup", "{s} gets a backup {v}"),
        "backups are made",
    ),
    Attribute(
        "support",
        _words("by email", "by phone", "by chat", "through the forum", "by a named contact", "by video call"),
        (
            "{s} is supported {v}",
            "support for {s} is given {v}",
            "help with {s} is available {v}",
            "whoever has {s} gets help {v}",
        ),
        "support is given",
    ),
    Attribute(
        "port",
        _words("8080", "5432", "9200", "3000", "6379", "8443", "27017"),
        ("{s} listens on port {v}", "the port of {s} is {v}", "port {v} is used by {s}", "you reach {s} on port {v}"),
        "the port is",
    ),
    Attribute(
        "owner",
        _words("Anna Berg", "Luis Ortega", "Mei Tanaka", "Sam Okafor", "Priya Nair", "Jonas Weber"),
        ("{v} is responsible for {s}", "{s} is looked after by {v}", "the contact for {s} is {v}", "{v} looks after {s}"),
        "the contact is",
    ),
    Attribute(
        "format",
        _words("CSV", "JSON", "XML", "Parquet", "PDF", "Excel"),
        ("{s} exports data as {v}", "the format of {s} is {v}", "data from {s} comes as {v}", "{v} is what {s} exports"),
        "the format is",
    ),
    Attribute(
        "start",
        _words("in January", "in March", "in June", "in August", "in October", "in December"),
        ("{s} became available {v}", "{v}, {s} was launched", "the launch of {s} was {v}", "{s} was introduced {v}"),
        "the launch was",
    ),
)
LACKS = (
    (
        "an audit log",
        ("{s} has no audit log", "there is no audit log on {s}", "an audit log is not part of {s}"),
        ("{s} has an audit log", "on {s} there is an audit log", "{s} comes with an audit log"),
    ),
    (
        "single sign-on",
        ("{s} does not offer single sign-on", "single sign-on is not available on {s}"),
        ("{s} offers single sign-on", "single sign-on is available on {s}", "you can use single sign-on with {s}"),
    ),
    (
        "a free trial",
        ("{s} has no free trial", "{s} cannot be tried for free"),
        ("{s} has a free trial", "you can try {s} for free", "{s} can be tried for free"),
    ),
    (
        "webhooks",
        ("{s} does not send webhooks", "webhooks are not supported by {s}"),
        ("{s} sends webhooks", "webhooks are supported by {s}", "with {s} you get webhooks"),
    ),
    (
        "custom domains",
        ("custom domains are not possible on {s}", "{s} lacks custom domains"),
        ("custom domains are possible on {s}", "{s} allows custom domains"),
    ),
)
