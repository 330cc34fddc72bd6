import type { ServerResponse } from 'node:http';

const MAX_SILENCE_MS = 600_000;

export const HTML_PAGE =
  '<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>';

export function answer(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const contentType = text === '' ? {} : { 'content-type': 'application/json' };
  response.writeHead(status, { ...contentType, 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

/** Says nothing until the caller gives up, or for `ms` and then breaks the connection. */
export function hang(response: ServerResponse, ms = MAX_SILENCE_MS): void {
  const timer = setTimeout(() => response.destroy(), ms);
  timer.unref();
  response.on('close', () => clearTimeout(timer));
}

export function closeAbruptly(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

/** Announces the whole body, sends half of it and breaks the connection. */
export function truncated(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.from(text === '' ? '{}' : text);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}
