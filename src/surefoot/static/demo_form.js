// A form from the JSON Schema of an action's arguments. The server checks everything again and says what is wrong.
import { element } from "./demo_elements.js";
import { capital, spaced } from "./demo_difference.js";

const PAIR = /^\s*([^:]+?)\s*:\s*(.*?)\s*$/;

const lines = (text) => text.split("\n").map((line) => line.trim()).filter((line) => line);

// Two letters are a country or a region, and are written as one.
const told = (value) => (/^[a-z]{2}$/.test(value) ? value.toUpperCase() : capital(spaced(value)));

function select(schema, isRequired) {
  const first = element("option", isRequired ? "Choose" : "Leave it open", { value: "" });
  const options = schema.enum.map((value, at) => element("option", told(String(value)), { value: String(at) }));
  const control = element("select", [first, ...options]);
  return {
    control,
    read: () => (control.value === "" ? undefined : schema.enum[Number(control.value)]),
    write: (value) => {
      control.value = schema.enum.includes(value) ? String(schema.enum.indexOf(value)) : "";
    },
  };
}

function number(schema) {
  const limits = { min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : "any" };
  const control = input("number", limits);
  const hint = schema.minimum !== undefined && schema.maximum !== undefined ? `From ${schema.minimum} to ${schema.maximum}.` : "";
  return { control, hint, read: () => (control.value === "" ? undefined : control.valueAsNumber), write: (value) => (control.value = String(value)) };
}

function dateTime() {
  const control = input("datetime-local", {});
  const read = () => (control.value === "" ? undefined : new Date(control.value).toISOString());
  const write = (value) => {
    const at = new Date(value);
    control.value = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  };
  return { control, hint: "In your own time zone.", read, write };
}

function texts() {
  const control = element("textarea", "", { rows: "2" });
  return { control, hint: "One on each line.", read: () => listed(lines(control.value)), write: (value) => (control.value = value.join("\n")) };
}

function pairs() {
  const control = element("textarea", "", { rows: "3" });
  const read = () => listed(lines(control.value).map((line) => PAIR.exec(line) ?? ["", line, ""]).map(([, name, value]) => ({ name, value })));
  const write = (value) => (control.value = value.map((pair) => `${pair.name}: ${pair.value}`).join("\n"));
  return { control, hint: "One on each line, as name: value.", read, write };
}

const listed = (found) => (found.length ? found : undefined);

function text(schema) {
  const control = input("text", { minlength: schema.minLength, maxlength: schema.maxLength });
  return { control, read: () => (control.value === "" ? undefined : control.value), write: (value) => (control.value = String(value)) };
}

function checkbox() {
  const control = input("checkbox", {});
  return { control, read: () => control.checked, write: (value) => (control.checked = value === true) };
}

function input(type, attributes) {
  const known = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return element("input", "", { type, ...Object.fromEntries(known) });
}

function kindOf(schema, isRequired) {
  if (schema.enum) return select(schema, isRequired);
  if (schema.type === "boolean") return checkbox();
  if (schema.type === "integer" || schema.type === "number") return number(schema);
  if (schema.type === "array") return schema.items?.type === "object" ? pairs() : texts();
  return schema.format === "date-time" ? dateTime() : text(schema);
}

const inContext = (path, context) => path?.split(".").reduce((found, step) => found?.[step], context);

export class ArgumentForm {
  // `context` holds what the page knows of the person, as { viewer: { user_id, account_id } }; `prefix` begins the ids of its fields.
  constructor(schema, context, prefix = "argument") {
    this.prefix = prefix;
    const required = new Set(schema.required ?? []);
    this.fields = new Map(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, this.#field(name, part, required.has(name))]));
    this.node = element("div", [...this.fields.values()].map((field) => field.node), { class: "fields" });
    for (const [name, part] of Object.entries(schema.properties ?? {})) {
      const known = inContext(part["x-context"], context);
      if (known) this.fields.get(name).write(known);
    }
  }

  fill(values) {
    for (const [name, value] of Object.entries(values)) this.fields.get(name)?.write(value);
  }

  values() {
    const read = [...this.fields].map(([name, field]) => [name, field.read()]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }

  // The first field that a person has to fill in; undefined when none is left.
  get firstOpen() {
    return [...this.fields.values()].find((field) => field.control.required && field.read() === undefined)?.control;
  }

  #field(name, schema, isRequired) {
    const field = kindOf(schema, isRequired);
    const id = `${this.prefix}-${name}`;
    field.control.id = id;
    field.control.name = name;
    field.control.required = isRequired && field.control.type !== "checkbox";
    const label = element("label", `${schema.title ?? capital(spaced(name))}${isRequired ? "" : " (optional)"}`, { for: id });
    const parts = [label, field.control];
    if (field.hint) {
      field.control.setAttribute("aria-describedby", `${id}-hint`);
      parts.push(element("p", field.hint, { id: `${id}-hint`, class: "hint" }));
    }
    return { ...field, node: element("div", parts, { class: "field" }) };
  }
}
