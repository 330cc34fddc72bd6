import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { ApiDocument } from '../support/document-judge.js';

/** The built service as far as its routes, in a process of its own; it does not listen. */
const SAY_ROUTES = `
  import { createApp } from './dist/app.setup.js';
  import { loadSettings } from './dist/platform/config.js';
  const app = await createApp(loadSettings(process.env));
  await app.init();
  console.log(JSON.stringify(app.getHttpAdapter().routes.all()));
  process.exit();
`;
/** The document itself and the page that shows it. */
const ABOUT_THE_DOCUMENT = /^\w+ \/docs(?:[/-]|$)/;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('every route that the router knows is in the document, and every operation of the document is a route', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', SAY_ROUTES], {
    env: {
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
      LOG_LEVEL: 'silent',
    },
  });

  const routes = JSON.parse(stdout) as string[];
  // A test of the document holds the one under review equal to the one that is served.
  const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as ApiDocument;
  const served = routes
    .filter((route) => !ABOUT_THE_DOCUMENT.test(route) && !route.startsWith('HEAD '))
    .map((route) => route.replaceAll(/:(\w+)/g, '{$1}'));
  const documented = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.length).toBeGreaterThan(30);
  expect(served.toSorted()).toEqual(documented.toSorted());
}, 120_000);
