// Loaded into the service before its own code: without the script that started it, it would hold the port for ever.
const GRACE_MS = 8_500;

process.once('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), GRACE_MS).unref();
});
process.channel?.unref();
