// One call as the page makes it, and as a shell would.

// Behind whatever prefix or proxy this page is reached, the API is beside it.
const BASE = new URL('../', document.baseURI);

export function address(path) {
  return new URL(path.replace(/^\//, ''), BASE);
}

// What separates operations, operators and arguments of a filter stays as it is.
function inQuery(text) {
  return encodeURIComponent(text).replace(/%3A|%2C|%3B/g, decodeURIComponent);
}

// The path with its parameters in it, and the query behind it.
export function target(operation, values) {
  const given = (place) =>
    operation.parameters.filter((one) => one.in === place && values[one.name] !== undefined && values[one.name] !== '');
  const path = given('path').reduce(
    (so, one) => so.replace(`{${one.name}}`, encodeURIComponent(values[one.name])),
    operation.path,
  );
  const query = given('query').map((one) => `${one.name}=${inQuery(values[one.name])}`);
  return path + (query.length > 0 ? `?${query.join('&')}` : '');
}

function headers(operation, values) {
  const named = operation.parameters.filter((one) => one.in === 'header' && values[one.name]);
  const all = Object.fromEntries(named.map((one) => [one.name, values[one.name]]));
  if (operation.body) all['Content-Type'] = operation.body.type;
  return all;
}

// The answer, its body not read yet.
export function send(operation, values, token, signal) {
  const all = headers(operation, values);
  if (token) all.Authorization = `Bearer ${token}`;
  const method = operation.method.toUpperCase();
  // By the cookie, what changes something must say that it is JSON.
  if (method !== 'GET' && !all['Content-Type']) all['Content-Type'] = 'application/json';
  return fetch(address(target(operation, values)), {
    method,
    headers: all,
    body: operation.body ? values.body : undefined,
    cache: 'no-store',
    credentials: 'same-origin',
    signal,
  });
}

const inQuotes = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// The same for a shell that has a token in $TOKEN.
export function curl(operation, values) {
  const parts = ['curl -sS -i'];
  if (operation.method !== 'get') parts.push(`-X ${operation.method.toUpperCase()}`);
  parts.push(inQuotes(address(target(operation, values)).href));
  if (operation.security.length > 0) parts.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers(operation, values))) parts.push(`-H ${inQuotes(`${name}: ${value}`)}`);
  if (operation.body) parts.push(`-d ${inQuotes(values.body)}`);
  return parts.join(' ');
}
