// What the page's scripts share.

/** An element with properties and children; children that are strings become text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
