import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { readSettings } from './app.settings.js';
import { createApp } from './app.setup.js';
import { InvalidSettings, type Settings } from './platform/config.js';

/** A shutdown that hangs (a client that never reads its answer) ends here. */
const SHUTDOWN_DEADLINE_MS = 9_000;

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
const app = await createApp(settings);

let isStopping = false;
function stop(exitCode: number): void {
  if (isStopping) return;
  isStopping = true;
  setTimeout(() => process.exit(1), SHUTDOWN_DEADLINE_MS).unref();
  app.close().then(
    () => process.exit(exitCode),
    () => process.exit(1),
  );
}

process.on('SIGTERM', () => stop(0));
process.on('SIGINT', () => stop(0));
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    console.error(JSON.stringify({ level: 60, msg: event, error: error instanceof Error ? error.message : 'unknown' }));
    stop(1);
  });
}

await app.listen(settings.port, settings.host);
new Logger('Main').log({ url: await app.getUrl() }, 'listening');
