// Loaded into the measured service before its own code: what only the process can tell of itself.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** A part of every delay that the histogram shows. */
const RESOLUTION_MS = 1;
const TICK_MS = 5;

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

/** CPU time between two turns of the loop: what of a delay was our own doing, and not that of others on a busy machine. */
let longestTurnMs = 0;
let before = threadCpuMs();
setInterval(() => {
  const now = threadCpuMs();
  longestTurnMs = Math.max(longestTurnMs, now - before);
  before = now;
}, TICK_MS).unref();

process.on('message', (message) => {
  if (message?.ask === 'figures') process.send({ figures: takeFigures() });
});
// A listener for messages must not keep the process alive.
process.channel?.unref();

/** Everything since the last time that they were taken. */
function takeFigures() {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const figures = {
    atMs: performance.now(),
    cpuMs: (user + system) / 1000,
    longestDelayMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
    longestTurnMs: Math.max(0, longestTurnMs - TICK_MS),
    rssMiB: rss / 2 ** 20,
    heapUsedMiB: heapUsed / 2 ** 20,
  };
  delay.reset();
  longestTurnMs = 0;
  return figures;
}

function threadCpuMs() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
