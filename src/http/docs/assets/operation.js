// One operation: what it does, what it takes, and a form to try it.

import { button, h } from '../ui/dom.js';
import { field, prose } from './field.js';
import { currentToken } from './login.js';
import { curl, send } from './send.js';

// Headers that a browser sets by itself and lets no page set.
const OWN_OF_BROWSERS = /^(sec-|upgrade$|connection$)/i;
// What is shown of an answer that goes on or is very long.
const SHOWN_CHARACTERS_MAX = 200_000;

export function operationView(api, operation) {
  const inside = h('div', { class: 'inside' });
  const details = h(
    'details',
    { class: 'operation', id: operation.id },
    h(
      'summary',
      null,
      h('span', { class: `method ${operation.method}` }, operation.method.toUpperCase()),
      h('code', { class: 'address' }, operation.path),
      h('span', { class: 'brief' }, prose(operation.summary)),
    ),
    inside,
  );
  // There are many, and few are looked at.
  details.addEventListener('toggle', () => {
    if (details.open && inside.childElementCount === 0) inside.append(...contents(api, operation));
  });
  return details;
}

function contents(api, operation) {
  const upgrades = operation.responses.some((one) => one.status === '101');
  return [
    h('p', null, prose(operation.description)),
    h('p', { class: 'hint' }, access(operation)),
    upgrades ? h('p', { class: 'notice' }, 'A browser opens a WebSocket here, not this page: use a SignalR client.') : trying(operation),
    ...listed('Members of the body', operation.body ? api.lines(operation.body.schema) : []),
    ...listed('Answers', operation.responses.map((one) => [one.status, one.description])),
    ...answerMembers(api, operation),
  ];
}

function access(operation) {
  const schemes = operation.security.map((one) => Object.keys(one)[0]);
  if (schemes.length === 0) return 'Open: no login is needed.';
  if (schemes.join() === 'nws4') return 'For requests that an API key has signed; this page signs none.';
  return `Login by: ${schemes.join(', ')}.`;
}

function listed(title, pairs) {
  if (pairs.length === 0) return [];
  return [h('h3', null, title), h('dl', null, pairs.flatMap(([name, what]) => [h('dt', null, h('code', null, name)), h('dd', null, prose(what))]))];
}

function answerMembers(api, operation) {
  const good = operation.responses.find((one) => one.status.startsWith('2') && one.content?.['application/json']);
  return good ? listed(`Members of the answer ${good.status}`, api.lines(good.content['application/json'].schema)) : [];
}

function control(parameter) {
  const { schema = {} } = parameter;
  const options = schema.enum ?? (schema.type === 'boolean' ? ['true', 'false'] : null);
  if (options) return h('select', null, ['', ...options].map((one) => h('option', { value: one }, one)));
  return h('input', { autocomplete: 'off', spellcheck: 'false', placeholder: parameter.example ?? '' });
}

function trying(operation) {
  const settable = operation.parameters.filter((one) => one.in !== 'header' || !OWN_OF_BROWSERS.test(one.name));
  const fields = settable.map((one) => ({
    key: one.name,
    ...field(one.required ? `${one.name} (required)` : one.name, control(one), one.description),
  }));
  if (operation.body) fields.push(...bodyFields(operation.body));

  const values = () => Object.fromEntries(fields.filter((one) => one.key).map((one) => [one.key, one.control.value]));
  const answer = h('div', { class: 'answer', 'aria-live': 'polite' });
  const command = h('pre', { tabindex: '0', role: 'group', 'aria-label': 'The call for a shell' });
  const write = () => (command.textContent = curl(operation, values()));
  const submit = h('button', { type: 'submit', class: 'button primary' }, 'Send');
  let running = null;
  const stop = button('Stop', () => running?.abort(), '', { hidden: true });
  const run = async (event) => {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    submit.disabled = true;
    stop.hidden = false;
    try {
      await show(answer, await send(operation, values(), currentToken(), running.signal));
    } catch (error) {
      if (error.name !== 'AbortError') answer.replaceChildren(h('p', { class: 'said-status wrong' }, `No answer: ${error.message}`));
    }
    submit.disabled = false;
    stop.hidden = true;
  };
  write();
  return h(
    'form',
    { on: { submit: run, input: write } },
    fields.map((one) => one.node),
    h('div', { class: 'dialog-buttons' }, submit, stop),
    answer,
    h('h3', null, 'In a shell'),
    command,
  );
}

// The body, with the examples of the document to begin with.
function bodyFields(body) {
  const written = ({ value }) =>
    body.type === 'application/json' ? JSON.stringify(value, null, 2) : new URLSearchParams(value).toString();
  const text = h('textarea', { spellcheck: 'false' });
  const box = { key: 'body', ...field(`Body (${body.type})`, text) };
  text.value = body.examples.length > 0 ? written(body.examples[0]) : '';
  if (body.examples.length < 2) return [box];
  const choice = h('select', null, body.examples.map((one, at) => h('option', { value: at }, one.name)));
  choice.addEventListener('change', () => {
    text.value = written(body.examples[choice.value]);
    text.dispatchEvent(new Event('input', { bubbles: true }));
  });
  return [field('Example', choice), box];
}

// Status, headers and body; what comes piece by piece is shown as it comes.
async function show(place, answer) {
  const body = h('pre', { tabindex: '0', role: 'group', 'aria-label': 'Body of the answer' });
  const names = [...answer.headers].map(([name, value]) => [name, value]);
  place.replaceChildren(
    h('h3', null, 'Answer'),
    h('p', { class: `said-status ${answer.ok ? '' : 'wrong'}` }, `${answer.status} ${answer.statusText}`),
    h('dl', null, names.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value)])),
    body,
  );
  if (!answer.headers.get('Content-Type')?.startsWith('text/event-stream')) {
    const text = await answer.text();
    body.hidden = text === '';
    body.textContent = pretty(text).slice(0, SHOWN_CHARACTERS_MAX);
    return;
  }
  const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
    body.textContent = (body.textContent + piece.value).slice(-SHOWN_CHARACTERS_MAX);
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
