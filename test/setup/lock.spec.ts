import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LOCK_MODULE = new URL('../../scripts/lib/lock.mjs', import.meta.url).href;

describe('the lock of the set-up', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lock-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  /** Starts a process that does `work` under the lock; `work` sees the directory and the fs module. */
  function startHolder(work: string) {
    const program = `
      import fs from 'node:fs';
      import { withLock } from '${LOCK_MODULE}';
      const directory = '${directory}';
      await withLock(directory + '/lock', async () => { ${work} });`;
    return spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('lets one process work at a time', async () => {
    const counter = join(directory, 'counter');
    await writeFile(counter, '0');
    const work = `
      const read = Number(fs.readFileSync(directory + '/counter', 'utf8'));
      await new Promise((done) => setTimeout(done, 20));
      fs.writeFileSync(directory + '/counter', String(read + 1));`;

    const codes = await Promise.all(Array.from({ length: 6 }, async () => once(startHolder(work), 'exit')));

    expect(codes.map(([code]) => code as number)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await readFile(counter, 'utf8')).toBe('6');
  });

  it('passes on when its holder was killed', async () => {
    const holder = startHolder(`console.log('held'); await new Promise((done) => setTimeout(done, 60_000));`);
    await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    await once(holder, 'exit');

    const waiting = ['a', 'b', 'c'].map((name) => startHolder(`fs.appendFileSync(directory + '/order', '${name}');`));
    await Promise.all(waiting.map((next) => once(next, 'exit')));

    expect([...(await readFile(join(directory, 'order'), 'utf8'))].sort()).toEqual(['a', 'b', 'c']);
  });
});
