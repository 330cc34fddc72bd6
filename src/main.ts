import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSettings } from './app.settings.js';
import { createApp } from './app.setup.js';
import { KeyAuthenticator } from './keys/key-authenticator.js';
import { refuseUnsafeAddress, UnsafeAddress } from './keys/open-address.js';
import { InvalidSettings, type Settings } from './platform/config.js';
import { Draining } from './platform/draining.js';
import { startTracing } from './platform/telemetry/tracing.js';

/** Whoever is still connected then (an open stream, a client that never reads its answer) is cut off. */
const CUT_OFF_MS = 6_500;
/** A shutdown that hangs ends here, before `npm start` loses its patience. */
const SHUTDOWN_DEADLINE_MS = 8_200;

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

const settings = settingsOrExit();
const tracing = await startTracing(settings);
const app = await createApp(settings);

let isStopping = false;
function stop(exitCode: number): void {
  if (isStopping) return;
  isStopping = true;
  setTimeout(() => process.exit(1), SHUTDOWN_DEADLINE_MS).unref();
  setTimeout(() => app.getHttpServer().closeAllConnections(), CUT_OFF_MS).unref();
  shutDown().then(
    () => process.exit(exitCode),
    () => process.exit(1),
  );
}

/** Readiness goes red first; while balancers notice it, background work is handed back and requests are still answered. */
async function shutDown(): Promise<void> {
  await Promise.all([app.get(Draining).begin(), sleep(settings.shutdownDelayMs)]);
  await app.close();
  await tracing?.stop();
}

process.on('SIGTERM', () => stop(0));
process.on('SIGINT', () => stop(0));
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    // By the log, which keeps secrets out of messages.
    new Logger('Main').fatal({ err: error }, event);
    stop(1);
  });
}

await app.init();
await refuseUnsafeAddress(settings, app.get(KeyAuthenticator)).catch(async (error: unknown) => {
  if (!(error instanceof UnsafeAddress)) throw error;
  process.stderr.write(`${error.message}\n`);
  await app.close();
  process.exit(2);
});
await app.listen(settings.port, settings.host);
new Logger('Main').log({ url: await app.getUrl() }, 'listening');
