/**
 * What Node is told for the service; `start:dist` says the same, the Dockerfile less heap, to fit its pod. Left to itself, V8
 * lets the heap of an idle process grow to several times of what is in use before it looks: on a machine with much memory
 * its limits are wide.
 */
export const SERVICE_ARGS = [
  '--max-semi-space-size=8',
  '--max-old-space-size=1024',
  `--import=${new URL('source-maps.mjs', import.meta.url).href}`,
];
