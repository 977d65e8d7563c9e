from tests.unit.assistant.passages import Text, answer_to

STEPS = """Exports hold every invoice of a month. To export invoices, do this:

1. Open **Invoices**.
2. Choose a month.
3. Click **Export**.

Exports are kept for ninety days.
"""


def test_a_sentence_that_ends_with_a_colon_brings_its_list() -> None:
    answer = answer_to("How do I export invoices?", Text(STEPS, heading="Export"))
    assert "To export invoices, do this:\n\n1. Open **Invoices**.\n2. Choose a month.\n3. Click **Export**." in answer


def test_a_step_brings_the_whole_list_and_what_introduces_it() -> None:
    answer = answer_to("How do I choose a month?", Text(STEPS))
    assert answer.startswith("To export invoices, do this:")
    assert answer.endswith("3. Click **Export**.")


def test_a_sentence_that_leans_on_the_one_before_brings_it() -> None:
    text = "Two-factor login is on the Security page. It needs an authenticator app on your phone. Owners see who uses what."
    answer = answer_to("Which authenticator app on the phone?", Text(text))
    assert answer == "Two-factor login is on the Security page. It needs an authenticator app on your phone."


def test_a_code_block_is_quoted_whole_or_not_at_all() -> None:
    code = "```sh\n" + "surefoot export --month 2026-03 --format csv\n" * 40 + "```"
    answer = answer_to("How do I export a month with the command?", Text(f"Export a month with this command:\n\n{code}\n"))
    assert "```" not in answer
    short = "```sh\nsurefoot export\n```"
    assert short in answer_to(
        "How do I export a month with the command?", Text(f"Export a month with this command:\n\n{short}\n")
    )


def test_an_answer_stays_short() -> None:
    text = " ".join(f"Invoices of month {n} are exported as CSV files on request." for n in range(60))
    assert len(answer_to("How are invoices exported as CSV files?", Text(text))) <= 1200


def test_a_yes_is_part_of_the_answer_to_a_yes_or_no_question() -> None:
    text = "Yes, you can. Exports of invoices hold all columns."
    assert "Yes, you can." in answer_to("Can I export invoices?", Text(text, heading="Export invoices"))


def test_a_heading_or_lone_link_is_never_quoted() -> None:
    text = (
        "## Export invoices\n\n[Export invoices](https://example.com/export)\n\nInvoices leave as CSV from the Invoices page.\n"
    )
    assert answer_to("How do I export invoices as CSV?", Text(text)) == "Invoices leave as CSV from the Invoices page."
