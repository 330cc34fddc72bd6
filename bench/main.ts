// Runs the benches that are named, or all of them, one after the other.
import { argv } from 'node:process';
import { BENCHES } from './benches.ts';
import { Lab } from './lib/lab.ts';
import { circumstances } from './lib/machine.ts';
import { say } from './lib/progress.ts';
import { keepFigures, printFigures, writeBlock } from './lib/report.ts';
import { isFullRun } from './lib/settings.ts';

const wanted = argv.slice(2);
const unknown = wanted.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

let isStopping = false;
const lab = await Lab.open();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(130));

async function stop(code: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  await lab.close().catch((error: Error) => console.error(error.message));
  process.exit(code);
}

try {
  const around = circumstances(await lab.serverVersion());
  const chosen = wanted.length === 0 ? BENCHES : BENCHES.filter(({ name }) => wanted.includes(name));
  for (const [index, bench] of chosen.entries()) {
    say(`[${index + 1}/${chosen.length}] ${bench.name}: ${bench.title}`);
    const figures = await bench.run(lab);
    printFigures(bench, figures);
    keepFigures(bench, figures, around);
    if (isFullRun) await writeBlock(bench, figures, around);
  }
  await stop(0);
} catch (error) {
  // What was told to stop fails for that reason alone.
  if (!isStopping) console.error(error);
  await stop(1);
}
