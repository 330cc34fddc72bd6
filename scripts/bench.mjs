// `npm run bench`: measures the built service against the yardstick. `npm run bench -- get list` measures some of it.
import { argv } from 'node:process';
import { runInForeground } from './lib/processes.mjs';
import { at, pinnedNode, requireUsableNode } from './lib/project.mjs';
import { setUp } from './setup.mjs';

requireUsableNode();
try {
  await setUp();
  process.exitCode = await runInForeground(pinnedNode(), [at('bench/main.ts'), ...argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
