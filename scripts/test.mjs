// `npm test`: set-up, then unit and system tests. Arguments go to Jest instead: `npm test -- test/setup`.
import { argv } from 'node:process';
import { catchSignals, codeOfCut, runInForeground } from './lib/processes.mjs';
import { at, pinnedNode, requireUsableNode } from './lib/project.mjs';
import { setUp } from './setup.mjs';

requireUsableNode();
try {
  await setUp();
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    at('node_modules/jest/bin/jest.js'),
  ];
  const caught = catchSignals();
  const code = await runInForeground(pinnedNode(), [...jest, ...argv.slice(2)], { caught });
  process.exitCode = codeOfCut(code, caught);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
