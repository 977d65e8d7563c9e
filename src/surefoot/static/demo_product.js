// What stands in the host product now, in words, so that one sees what an action did there and what an undo put back.
import { byId, element } from "./demo_elements.js";
import { capital, moment, resourceWords, spaced } from "./demo_difference.js";
import { readState } from "./demo_runs.js";

const ALWAYS = ["Shortcuts", "Features", "Nudges", "Checklists"];
const KINDS = {
  shortcut: ["Shortcuts", ({ user_id: user, label, position }, who) => `${who(user)}: ${label}, place ${position}`],
  feature: ["Features", ({ note }, who, [account, feature]) => `${who(account)}: ${spaced(feature)} is on${note ? ` (${note})` : ""}`],
  nudge: ["Nudges", ({ user_id: user, template_id: tip, send_at: at, state }, who) => `${who(user)}: ${spaced(tip)}, ${state} for ${moment(at)}`],
  checklist: ["Checklists", ({ steps }, who, [user, list]) => `${who(user)}: ${spaced(list)}, ${steps.length} steps`],
  form_draft: ["Form drafts", ({ user_id: user, form, fields }, who) => `${who(user)}: ${spaced(form)}, ${Object.keys(fields).map(spaced).join(", ")} filled in`],
  trial: ["Trials", ({ ends_at: end }, who, [account, feature]) => `${who(account)}: ${spaced(feature)} until ${moment(end)}`],
  integration: ["Integrations", ({ state, access }, who, [account, kind]) => `${who(account)}: ${spaced(kind)}, ${spaced(access)}, ${spaced(state)}`],
  upgrade_offer: ["Offers", ({ account_id: account, to_plan: plan, discount_percent: off, state }, who) => `${who(account)}: ${plan} with ${off} % off, ${state}`],
};

export class Product {
  constructor() {
    this.names = new Map();
    this.lines = null;
  }

  async refresh() {
    const { hash, documents } = await readState();
    const found = Object.entries(documents);
    this.names = new Map(found.filter(([resource]) => /^(user|account)\//.test(resource)).map(([resource, document]) => [resource.split("/")[1], document.name]));
    const told = found.flatMap(([resource, document]) => this.#line(resource, document));
    const titles = [...new Set([...ALWAYS, ...told.map(([title]) => title)])];
    byId("product-state").replaceChildren(...titles.flatMap((title) => this.#group(title, told)));
    byId("product-hash").textContent = hash.slice(0, 12);
    this.lines = new Set(told.map(([, line]) => line));
  }

  #line(resource, document) {
    const [kind, id = ""] = resource.split("/");
    if (!Object.hasOwn(KINDS, kind) || document.enabled === false) return [];
    const [title, tell] = KINDS[kind];
    try {
      return [[title, tell(document, (who) => this.names.get(who) ?? who, id.split(":"))]];
    } catch {
      // A document that somebody wrote otherwise is still named.
      return [[title, resourceWords(resource, this.names)]];
    }
  }

  #group(title, told) {
    const lines = told.filter(([of]) => of === title).map(([, line]) => line);
    const shown = lines.map((line) => element("dd", this.lines && !this.lines.has(line) ? [capital(line), " ", element("strong", "new", { class: "new" })] : capital(line)));
    return [element("dt", title), ...(shown.length ? shown : [element("dd", "None", { class: "hint" })])];
  }
}
