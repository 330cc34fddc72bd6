import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { type RunningServer, startServer } from './http-server.js';

const SLOW_HEADERS = Number(process.env['SLOW_HEADERS'] ?? 100);
const SLOW_BODIES = Number(process.env['SLOW_BODIES'] ?? 50);
/** 100 ms on a machine of its own; callers on a shared one wait for the processor as well. */
const HEALTHY_P99_MS = Number(process.env['SLOW_P99_MS'] ?? 1000);
const DRIP_EVERY_MS = 500;
const GONE_WITHIN_MS = 11_000;
const NOT_BEFORE_MS = 5_000;

jest.setTimeout(60_000);

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** Sends the beginning, then a byte now and then, so that it never looks idle. */
function drip(beginning: string): { socket: Socket; closedAfterMs: Promise<number> } {
  let startedAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  // Not a byte before the beginning: it would be one request that is no HTTP, and soon refused.
  const socket = connect(server.port, '127.0.0.1', () => {
    startedAt = performance.now();
    socket.write(beginning);
    timer = setInterval(() => socket.writable && socket.write('x'), DRIP_EVERY_MS);
  });
  socket.on('error', () => undefined);
  const closedAfterMs = new Promise<number>((resolve) => {
    socket.once('close', () => {
      clearInterval(timer);
      resolve(performance.now() - startedAt);
    });
  });
  socket.resume();
  return { socket, closedAfterMs };
}

describe(`${SLOW_HEADERS} clients that drip their headers and ${SLOW_BODIES} that drip their bodies`, () => {
  it('are all gone within 11 s, and nobody else waits for them', async () => {
    const head = 'POST /api/instances HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const slow = [
      ...Array.from({ length: SLOW_HEADERS }, () => drip(`${head}X-Slow: `)),
      ...Array.from({ length: SLOW_BODIES }, () => drip(`${head}Content-Length: 1000\r\n\r\n{"name":"`)),
    ];

    const times: number[] = [];
    for (let turn = 0; turn < 300; turn += 1) {
      const startedAt = performance.now();
      const answer = await fetch(`${server.url}/api/instances/known`);
      await answer.arrayBuffer();
      expect(answer.status).toBe(200);
      times.push(performance.now() - startedAt);
    }
    const closings = await Promise.all(slow.map(({ closedAfterMs }) => closedAfterMs));

    const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
    expect(p99).toBeLessThan(HEALTHY_P99_MS);
    expect(Math.max(...closings)).toBeLessThan(GONE_WITHIN_MS);
    // They were slow and nothing else: what is refused for another reason is gone sooner.
    expect(Math.min(...closings)).toBeGreaterThan(NOT_BEFORE_MS);
  });
});
