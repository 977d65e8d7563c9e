"""What every page has to hold for people who do not see it, do not point at it, or see it small: rules that a browser can check.

These are few and our own, and need nothing but the browser. Where SUREFOOT_TEST_AXE names the script of axe-core, all of
axe's rules for WCAG 2.2 A and AA are held as well.
"""

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from tests.ui.test_conversations import FAINT_TEXTS

_AXE = os.environ.get("SUREFOOT_TEST_AXE", "")
_AXE_RUN = """async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `axe ${id}: ${html.slice(0, 160)}`));
}"""
_RULES = """() => {
    const wrong = [];
    const seen = (node) => node.checkVisibility();
    const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
    const short = (node) => node.outerHTML.slice(0, 120);
    const texted = (id) => document.getElementById(id)?.textContent;
    const said = (node) => (node.getAttribute("aria-label") ?? "").trim() || node.textContent.trim()
        || (node.getAttribute("aria-labelledby") ?? "").split(" ").map(texted).join("").trim();
    if (!document.documentElement.lang) wrong.push("the page states no language");
    if (!document.title.trim()) wrong.push("the page has no title");
    if (document.querySelectorAll("main").length !== 1) wrong.push("there is not one main");
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`two elements have the id ${id}`);
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"])
        for (const node of all(`[${name}]`))
            for (const id of node.getAttribute(name).split(" "))
                if (!document.getElementById(id)) wrong.push(`${name} names no element: ${short(node)}`);
    for (const node of all("button, a[href], summary")) if (!said(node)) wrong.push(`no name: ${short(node)}`);
    for (const node of all("input, select, textarea")) if (![...node.labels].some(seen)) wrong.push(`no label: ${short(node)}`);
    for (const node of all("section[aria-labelledby], form[aria-labelledby], article, nav, [role=group]"))
        if (!said(node)) wrong.push(`no name: ${short(node)}`);
    for (const child of all(":is(ul, ol) > :not(li)")) wrong.push(`no list item: ${short(child)}`);
    for (const node of all("table")) if (!node.querySelector("th[scope]")) wrong.push(`a table without headers: ${short(node)}`);
    let level = 0;
    for (const node of all("h1, h2, h3, h4, h5, h6")) {
        const now = Number(node.tagName[1]);
        if (now > level + 1) wrong.push(`a heading of level ${now} after one of level ${level}: ${short(node)}`);
        level = now;
    }
    for (const node of all("button, select, input, textarea, summary")) {
        const { width, height } = node.getBoundingClientRect();
        if (Math.min(width, height) < 23.5) wrong.push(`a target of ${width} by ${height}: ${short(node)}`);
    }
    for (const node of all("*")) {
        const style = getComputedStyle(node);
        const scrolls = (node.scrollWidth > node.clientWidth + 1 && ["auto", "scroll"].includes(style.overflowX))
            || (node.scrollHeight > node.clientHeight + 1 && ["auto", "scroll"].includes(style.overflowY));
        const isReached = node.tabIndex >= 0 || node.querySelector("a[href], button, input, select, textarea, summary");
        if (scrolls && !isReached && node !== document.documentElement) wrong.push(`no key scrolls it: ${short(node)}`);
    }
    return wrong;
}"""


def shortcomings(page: Page) -> list[str]:
    """What is wrong with the page as it is shown now; each a sentence that names the place."""
    found: list[str] = page.evaluate(_RULES)
    found += [f"too faint: {text}" for text in page.evaluate(FAINT_TEXTS)]
    if _AXE:
        # The inspector's own evaluation is not subject to the policy of the page.
        page.evaluate(Path(_AXE).read_text(encoding="utf-8"))
        found += page.evaluate(_AXE_RUN)
    return found


def sees_all_in(page: Page, width: int) -> list[str]:
    """Elements that reach beyond a window of this width, when the page itself has to be scrolled sideways for them."""
    page.set_viewport_size({"width": width, "height": 800})
    if page.evaluate("document.documentElement.scrollWidth") <= width:
        return []
    beyond = "limit => [...document.querySelectorAll('body *')].filter(n => n.getBoundingClientRect().right > limit + 1)"
    found: list[str] = page.evaluate(f"limit => ({beyond})(limit).map(n => n.outerHTML.slice(0, 120))", width)
    return found or ["the page is wider than the window"]


def tab_to(page: Page, wanted: Locator, *, most: int = 120) -> None:
    """The element has the focus, reached with the tabulator alone."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached by Tab from where the focus was.")


def in_both_schemes(page: Page) -> dict[str, Any]:
    """The shortcomings in light and in dark; both empty where there are none."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found[scheme] = shortcomings(page)
    page.emulate_media(color_scheme="light")
    return {scheme: wrong for scheme, wrong in found.items() if wrong}
