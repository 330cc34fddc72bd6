// `npm run openapi:update`: writes docs/openapi.json from the sources, so that a change of the API shows in its review.
// Nothing is started: neither database nor provider is needed.
import { writeFileSync } from 'node:fs';
import { at } from './lib/project.mjs';
import { setUp } from './setup.mjs';

const NOTHING_TO_TALK_TO = {
  DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none',
  NOVITA_SANDBOX: 'true',
  LOG_LEVEL: 'silent',
};

await setUp();
const { describeApi } = await import(at('dist/app.setup.js'));
const { loadSettings } = await import(at('dist/platform/config.js'));
const document = await describeApi(loadSettings(NOTHING_TO_TALK_TO));
writeFileSync(at('docs/openapi.json'), `${JSON.stringify(document, null, 2)}\n`);
process.exit();
