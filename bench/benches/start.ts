import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { plainFigure } from '../lib/figure.ts';
import { rounded, say } from '../lib/progress.ts';
import { at } from '../lib/project.ts';
import { ROUNDS } from '../lib/settings.ts';
import { median } from '../lib/statistics.ts';

const HEALTHY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 5;

/** From the command to the first answer that says healthy. */
export const start: Bench = {
  name: 'start',
  title: 'Start to the first healthy answer',
  async run(lab) {
    const dataDir = await mkdtemp(join(lab.directory, 'data-'));
    const npmStart = () => timeNpmStart(dataDir);
    say('the first npm start, which makes the database');
    await npmStart();
    const whole = await several('npm start', npmStart);

    const [database, sandbox] = [await lab.database(), await lab.sandbox()];
    const cpuSeconds: number[] = [];
    const alone = async () => {
      const port = await freePort();
      const startedAt = performance.now();
      const starting = lab.service(database, sandbox, { PORT: String(port) });
      const tookMs = await untilHealthy(port, startedAt);
      const service = await starting;
      cpuSeconds.push(service.child.cpuSeconds() ?? Number.NaN);
      await service.stop();
      return tookMs;
    };
    say('the first start of the process, which makes the job queues');
    await alone();
    const process_ = await several('the process alone', alone);
    await sandbox.stop();
    return [
      plainFigure('second `npm start`', { atMost: 3 }, whole, 's', 'embedded Postgres, sandbox, service'),
      plainFigure('the process alone', { atMost: 1.2 }, process_, 's', `${rounded(median(cpuSeconds))} s of CPU`),
    ];
  },
};

async function several(name: string, measure: () => Promise<number>): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    seconds.push((await measure()) / 1000);
    say(`round ${round} of ${ROUNDS}, ${name}: ${rounded(seconds.at(-1) ?? 0)} s`);
  }
  return seconds;
}

/** As a user types it, in this clone, with a data directory of its own. */
async function timeNpmStart(dataDir: string): Promise<number> {
  const [port, sandboxPort] = [await freePort(), await freePort()];
  const { DATABASE_URL: _ours, ...env } = process.env;
  const startedAt = performance.now();
  const npm = spawn('npm', ['start'], {
    cwd: at(),
    env: {
      ...env,
      DATA_DIR: dataDir,
      PORT: String(port),
      SANDBOX_PORT: String(sandboxPort),
      SHUTDOWN_DELAY_SECONDS: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  npm.stdout.resume();
  const killWithUs = () => npm.kill('SIGKILL');
  process.once('exit', killWithUs);
  try {
    return await untilHealthy(port, startedAt);
  } finally {
    // npm ends at once; what it started holds its output open until database and sandbox have ended as well.
    const closed = once(npm, 'close', { signal: AbortSignal.timeout(STOP_WITHIN_MS) });
    npm.kill('SIGTERM');
    await closed;
    process.off('exit', killWithUs);
  }
}

async function untilHealthy(port: number, startedAt: number): Promise<number> {
  while (performance.now() < startedAt + HEALTHY_WITHIN_MS) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    await answer?.text();
    if (answer?.status === 200) return performance.now() - startedAt;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error('It was not healthy in time');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
