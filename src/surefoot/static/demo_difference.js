// What changes, place by place and in words: from RFC 6902 patches both ways to before and after.
import { element } from "./demo_elements.js";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/;
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NOTHING = "nothing";

export const spaced = (name) => name.replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const moment = (text) => moments.format(new Date(text));

// `names` is a Map from the ids of people and accounts to what they are called.
export function words(value, names) {
  if (value === null || value === undefined || value === "") return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.some(isObject)) return value.map((one, at) => `${at + 1}. ${words(one, names)}`).join(" ");
  if (Array.isArray(value)) return value.map((one) => words(one, names)).join(", ") || NOTHING;
  if (typeof value === "object") return Object.entries(value).map(([key, one]) => `${spaced(key)}: ${words(one, names)}`).join("; ") || NOTHING;
  if (typeof value === "string" && MOMENT.test(value)) return moment(value);
  return names.get(value) ?? String(value);
}

export function resourceWords(resource, names) {
  const [kind, ...rest] = resource.split("/");
  const parts = rest.join("/").split(":").map((part) => (/^run_[0-9a-f]{32}$/.test(part) ? "" : (names.get(part) ?? spaced(part))));
  const told = parts.filter((part) => part).join(", ");
  return told ? `${capital(spaced(kind))}: ${told}` : capital(spaced(kind));
}

const unescaped = (step) => step.replaceAll("~1", "/").replaceAll("~0", "~");

function placeWords(path) {
  const steps = path.split("/").slice(1).map(unescaped);
  return steps.map((step) => (/^\d+$/.test(step) ? String(Number(step) + 1) : step === "-" ? "new entry" : spaced(step))).join(" › ") || "all of it";
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// A whole document that comes or goes is told member by member.
function rowsOf(path, values) {
  if (!values.some(isObject)) return [[path, values]];
  const members = new Set(values.filter(isObject).flatMap(Object.keys));
  return [...members].flatMap((member) => rowsOf(`${path}/${member.replaceAll("~", "~0").replaceAll("/", "~1")}`, values.map((value) => (isObject(value) ? value[member] : undefined))));
}

// A code may be broken after its underscores, so that it stays whole words in a narrow window.
const breakable = (text) => text.split(/(?<=_)/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));

function table(resource, columns, rows, names) {
  const head = element("tr", ["Place", ...columns].map((column) => element("th", column, { scope: "col" })));
  const body = rows.map(([path, cells]) => element("tr", [element("th", placeWords(path), { scope: "row" }), ...cells.map((cell) => element("td", [cell]))]));
  return element("table", [element("caption", resourceWords(resource, names)), element("thead", [head]), element("tbody", body)], { class: "difference" });
}

function valuesByPath(patch) {
  return new Map(patch.map((step) => [step.path, step.from === undefined ? step.value : `what stood at ${placeWords(step.from)}`]));
}

// One table for each resource: what stands there now, and what would.
export function changeTables(changes, names) {
  return changes.map(({ resource, forward, backward }) => {
    const [after, before] = [valuesByPath(forward), valuesByPath(backward)];
    const paths = [...new Set([...before.keys(), ...after.keys()])];
    const rows = paths.flatMap((path) => rowsOf(path, [before.get(path), after.get(path)]));
    const shown = rows.map(([path, [old, now]]) => [path, [element("del", breakable(words(old, names))), element("ins", breakable(words(now, names)))]]);
    return table(resource, ["Before", "After"], shown, names);
  });
}

// One table for each resource: before the action, as it left it, and as somebody else made it since.
export function conflictTables(differences, names) {
  return [...new Set(differences.map((each) => each.resource))].map((resource) => {
    const rows = differences.filter((each) => each.resource === resource).flatMap(({ path, before, applied, now, now_known: isKnown }) =>
      rowsOf(path, [before, applied, now]).map(([place, values]) => [place, values.map((value, at) => (at === 2 && !isKnown ? "something else" : words(value, names)))]),
    );
    return table(resource, ["Before", "This action made it", "Now"], rows, names);
  });
}
