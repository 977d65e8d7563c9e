// Elements of the page. Everything from outside becomes a text node; nothing is parsed as HTML.

export const byId = (id) => document.getElementById(id);

export function element(name, content = "", attributes = {}) {
  const node = document.createElement(name);
  node.append(...(Array.isArray(content) ? content : [content]).filter((part) => part !== ""));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

export function button(text, attributes, onPress) {
  const node = element("button", text, { type: "button", ...attributes });
  node.addEventListener("click", onPress);
  return node;
}

// Quotes are the document's own characters; of its Markdown only bold and code are shown as such, as elements with text.
export function prose(text) {
  return text.split(/(\*\*[^*\n]+\*\*|`[^`\n]+`)/).map((part) => {
    if (part.startsWith("**") && part.length > 4) return element("strong", part.slice(2, -2));
    if (part.startsWith("`") && part.length > 2) return element("code", part.slice(1, -1));
    return part;
  });
}

// What has the focus may be about to go; whoever uses the keyboard then goes on from `instead`.
export function removing(nodes, instead) {
  const held = document.activeElement;
  const isLost = nodes.some((node) => node.contains(held));
  return (remove) => {
    remove();
    if (isLost) instead.focus();
  };
}

export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;
