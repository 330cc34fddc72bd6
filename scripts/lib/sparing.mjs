// Node brings its own fetch and WebSocket into memory when somebody first asks for one of them: 40 ms and 13 MiB for what the
// service, which calls out with packages of its own, never uses. Two packages ask when they are loaded; in the bundle they do not.
import http from 'node:http';

const HTTP = '\0http';

/** axios tries out what its adapter for fetch can do. The one for HTTP is used here. */
export const NEVER_NEEDED = ['getFetch'];

export const sparing = {
  name: 'spare',
  resolveId: (id, _importer, { kind }) => (kind === 'import-statement' && /^(node:)?http$/.test(id) ? HTTP : null),
  load: (id) => (id === HTTP ? httpWithoutGetters() : null),
  transform(code, id) {
    if (!/[\\/]axios[\\/]lib[\\/]utils\.js$/.test(id)) return null;
    const question = "typeof G.FormData !== 'undefined' ? G.FormData : undefined";
    if (!code.includes(question)) throw new Error(`${id} no longer asks for FormData: look at scripts/lib/sparing.mjs`);
    // It knows a form by other marks as well.
    return { code: code.replace(question, 'undefined'), map: null };
  },
};

/** To import a module of Node is to ask for all that it offers, WebSocket included. */
function httpWithoutGetters() {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(http));
  const names = properties.filter(([, { value }]) => value !== undefined).map(([name]) => name);
  return [
    `const http = process.getBuiltinModule('node:http');`,
    'export default http;',
    ...names.map((name) => `export const ${name} = http.${name};`),
  ].join('\n');
}
