// Makes a clone ready: packages, database client, API description, build. What is current is left alone.
// `node scripts/setup.mjs --build` builds in any case.
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { withLock } from './lib/lock.mjs';
import { at, requireUsableNode } from './lib/project.mjs';
import { isCurrent, perform, STAGES } from './lib/stages.mjs';

const ALWAYS_WITH_BUILD = ['api-description', 'build'];

/** @returns whether anything had to be done */
export async function setUp(isForced = () => false) {
  const isStale = (stage) => isForced(stage) || !isCurrent(stage);
  if (!STAGES.some(isStale)) return false;
  await withLock(at('.setup', 'lock'), async () => {
    for (const [index, stage] of STAGES.entries()) {
      // Asked again: another process may have done it while we waited, and a stage may make a later one stale.
      if (isStale(stage)) await performAloud(stage, `[${index + 1}/${STAGES.length}] ${stage.says} …`);
    }
  });
  return true;
}

async function performAloud(stage, line) {
  const began = Date.now();
  process.stdout.write(line);
  await perform(stage);
  process.stdout.write(` ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  requireUsableNode();
  const didSomething = await setUp((stage) => argv.includes('--build') && ALWAYS_WITH_BUILD.includes(stage.name)).catch(
    (error) => {
      console.error(`\n${error.message}`);
      process.exit(1);
    },
  );
  console.log(didSomething ? 'The set-up is complete.' : 'The set-up is current.');
}
