// Elements out of plain values. Every text becomes a text node, so whatever a
// name holds is shown and never run.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'value' || name === 'checked' || name === 'disabled') {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

// A name as somebody typed it: its direction stays its own.
export function name(text, props) {
  return h('bdi', props, text);
}

export function button(label, onClick, kind = '', props = {}) {
  return h('button', { type: 'button', class: `button ${kind}`, on: { click: onClick }, ...props }, label);
}

const ICONS = {
  now: 'M4 5h16v11H4z M9 20h6 M12 16v4',
  past: 'M12 7v5l3 2 M12 4a8 8 0 1 1-7.4 5 M4 4v5h5',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z M2.5 20c.6-3.6 3.2-5.5 6.5-5.5s5.9 1.9 6.5 5.5 M16 4.5a3.5 3.5 0 0 1 0 6.3 M18 14.8c2 .7 3.2 2.5 3.5 5.2',
  devices: 'M6 3h12v18H6z M10 18h4',
  roles: 'M12 3l7 3v5c0 5-3 8.3-7 10-4-1.7-7-5-7-10V6z M9 12l2 2 4-4',
  keys: 'M11 14a5 5 0 1 1 3-3l6.500 6.500V21H17v-2.500h-2.500V16z M8.5 8.5h.01',
  hooks: 'M5 5h8v6H5z M13 8h3a3 3 0 0 1 3 3v3 M16 12l3 3 3-3 M5 17h8',
  audit: 'M6 3h9l4 4v14H6z M9 12h7 M9 16h7 M9 8h3',
  server: 'M4 5h16v6H4z M4 13h16v6H4z M7.5 8h.01 M7.5 16h.01',
};

export function icon(which) {
  return svg('svg', { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true' }, svg('path', { d: ICONS[which] }));
}
